"""Many lines: laid out, filtered, searched; and the page that shows them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.screens.pictures import play, text_of
from tui.lines import Line, Lines, pieces, spans
from tui.textview import TextView


def numbered(count: int) -> list[Line]:
    return [Line("", f"line {number}") for number in range(count)]


@given(st.text(max_size=80), st.integers(2, 20))
def test_pieces_hold_the_whole_text_and_none_is_wider_than_asked(text: str, width: int) -> None:
    found = [text[start:end] for start, end in pieces(text, width)]
    assert "".join(found) == text
    assert all(cell_len(piece) <= width for piece in found if len(piece) > 1)


def test_the_oldest_lines_go_when_there_are_too_many() -> None:
    lines = Lines(100)
    gone = sum(lines.add([Line("", f"line {number}")]) for number in range(1000))
    assert 100 <= len(lines) <= 110
    assert gone == 1000 - len(lines)
    assert lines[lines.rows[-1].line].text == "line 999"
    assert lines[lines.rows[0].line].text == f"line {gone}"


@pytest.mark.parametrize(
    ("only", "left"), [("", 12), ("1", 3), ("line !1", 9), ("LINE 7", 1), ("nothing", 0), ("!", 12)]
)
def test_only_lines_with_the_words_are_shown(only: str, left: int) -> None:
    lines = Lines()
    lines.add(numbered(6))
    lines.keep_only(only)
    lines.add([Line("", f"line {number}") for number in range(6, 12)])
    assert len(lines.rows) == left


def test_a_search_finds_each_line_once_in_both_directions() -> None:
    lines = Lines()
    lines.add([Line("", text) for text in ("nothing", "an Error of many cells", "nothing", "error")])
    lines.lay(8)
    first = lines.find("error", 0, 1)
    assert first is not None
    last = lines.find("error", first + 1, 1)
    assert last is not None
    assert [lines.rows[place].line for place in (first, last)] == [1, 3]
    assert lines.find("error", last + 1, 1) is None
    assert lines.find("error", last - 1, -1) == first
    assert lines.find("", 0, 1) is None


@given(st.text(alphabet="abAB İß", max_size=30), st.text(alphabet="abAB İß", max_size=3))
def test_what_is_marked_is_what_was_looked_for(text: str, word: str) -> None:
    assert all(text[start:end].lower() == word.lower() for start, end in spans(text, word))


class Page(App[None]):
    """An app that has nothing but a page of lines."""

    def __init__(self, *, tinted: bool = True, most: int = 1000) -> None:
        super().__init__()
        self.text = TextView(tinted=tinted, most=most)

    def compose(self) -> ComposeResult:
        yield self.text


def test_the_end_is_followed_until_the_reader_goes_up_and_again_when_he_comes_back() -> None:
    app = Page()

    async def act(pilot: Pilot[Any]) -> None:
        app.text.add(numbered(100))
        await pilot.pause()
        assert "line 99" in text_of(app)
        app.text.go(10)
        app.text.add([Line("", "newcomer")])
        await pilot.pause()
        assert "line 10" in text_of(app)
        assert "newcomer" not in text_of(app)
        app.text.go(10_000)
        app.text.add([Line("", "another")])
        await pilot.pause()
        assert "another" in text_of(app)

    play(app, act, (40, 12))


def test_what_is_read_stays_where_it_is_while_the_oldest_lines_go() -> None:
    app = Page(most=100)

    async def act(pilot: Pilot[Any]) -> None:
        app.text.add(numbered(110))
        await pilot.pause()
        app.text.go(90)
        await pilot.pause()
        before = text_of(app).split()[:2]
        app.text.add([Line("", "one more")])
        await pilot.pause()
        assert text_of(app).split()[:2] == before

    play(app, act, (40, 12))


def test_a_hit_is_shown_and_the_next_and_the_one_before() -> None:
    app = Page()

    async def act(pilot: Pilot[Any]) -> None:
        app.text.add(numbered(200))
        app.text.add([Line("", f"needle {number}") for number in range(3)])
        app.text.add(numbered(200))
        app.text.go(0)
        await pilot.pause()
        assert app.text.search("needle") == 200
        await pilot.pause()
        assert "needle 0" in text_of(app)
        assert [app.text.next_hit(step) for step in (1, 1, 1, -1)] == [201, 202, None, 201]

    play(app, act, (40, 12))


def test_a_long_line_is_broken_or_not_as_the_reader_wants() -> None:
    app = Page()

    async def act(pilot: Pilot[Any]) -> None:
        app.text.show([Line("helper", "机" * 30 + "终"), Line("shop-bot", "short")])
        await pilot.pause()
        left = " " * 11
        assert text_of(app).splitlines()[:3] == [f" helper    {'机' * 14}", f"{left}{'机' * 14}", f"{left}机机终"]
        app.text.wrap()
        await pilot.pause()
        assert text_of(app).splitlines()[1].startswith(" shop-bot  short")

    play(app, act, (40, 12))
