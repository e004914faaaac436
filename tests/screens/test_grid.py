"""The table for many rows, without any fleet."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tests.screens.pictures import play, text_of
from tui.grid import RowGrid, fitted
from tui.state.table import Heading

NAMES = [f"row-{number:03}" for number in range(200)]


class Piece(NamedTuple):
    text: str
    style: str = "plain"


class Shelf(App[None]):
    """An app that has nothing but a grid."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: Counter[str] = Counter()
        self.values: dict[str, str] = {}
        self.heard: list[object] = []
        self.grid = RowGrid(self._cells)

    def _cells(self, row: str) -> Sequence[Piece]:
        self.drawn[row] += 1
        return Piece(row), Piece(self.values.get(row, "0"), "good")

    def compose(self) -> ComposeResult:
        yield self.grid

    def on_mount(self) -> None:
        self.grid.set_headings((Heading("name", "NAME", 10), Heading("value", "VALUE", 6, right=True)))
        self.grid.set_rows(NAMES, ())
        self.grid.focus()

    def on_row_grid_opened(self, message: RowGrid.Opened) -> None:
        self.heard.append(message.row)

    def on_row_grid_pressed(self, message: RowGrid.Pressed) -> None:
        self.heard.append(message.column)


@given(st.text(max_size=60), st.integers(0, 40), st.booleans())
def test_a_fitted_text_takes_exactly_its_cells(text: str, width: int, right: bool) -> None:
    assert cell_len(fitted(text.replace("\n", " "), width, right=right)) == width


@pytest.mark.parametrize(
    ("text", "shown"),
    [("机器一号", "机器…"), ("abcdef", "abcd…"), ("abc", "abc  "), ("a机器一", "a机… "), ("", "     ")],
)
def test_a_wide_character_is_never_cut_in_half(text: str, shown: str) -> None:
    assert fitted(text, 5) == shown


def test_the_cursor_and_the_marks_stay_with_their_rows_when_the_order_changes() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        app.grid.move_to(3)
        app.grid.toggle()
        assert (app.grid.cursor, app.grid.marks) == ("row-004", {"row-003"})
        app.grid.set_rows(list(reversed(NAMES)), ())
        await pilot.pause()
        assert (app.grid.cursor, app.grid.marks) == ("row-004", {"row-003"})
        app.grid.set_rows(["row-100", "row-003"], ())
        await pilot.pause()
        assert app.grid.cursor == "row-003", "the place where it was, or the last"
        assert "▪row-003" in text_of(app)

    play(app, act)


def test_only_dirty_rows_that_can_be_seen_are_drawn_again() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        app.drawn.clear()
        app.values["row-005"] = "new"
        app.grid.set_rows(NAMES, {"row-005", "row-150"})
        await pilot.pause()
        assert app.drawn == {"row-005": 1}
        assert "new" in text_of(app)
        app.grid.redraw(NAMES[:10])
        await pilot.pause()
        assert app.drawn.total() == 11

    play(app, act)


def test_an_unchanged_table_draws_nothing() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        app.drawn.clear()
        app.grid.set_rows(NAMES, ())
        await pilot.pause()
        assert app.drawn.total() == 0

    play(app, act)


def test_the_cursor_can_always_be_seen_and_the_headings_too() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        for place in (0, 199, 100, 101, 22, 23, 24, 0):
            app.grid.move_to(place)
            await pilot.pause()
            shown = text_of(app)
            assert f"▌ row-{place:03}" in shown
            assert shown.startswith("  NAME")

    play(app, act, (40, 12))


def test_a_row_inserted_above_does_not_move_what_is_seen() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        app.grid.move_to(100)
        await pilot.pause()
        before = [line[:20] for line in text_of(app).splitlines()]
        app.grid.set_rows(["newcomer", *NAMES], ())
        await pilot.pause()
        assert [line[:20] for line in text_of(app).splitlines()] == before

    play(app, act)


def test_a_click_moves_the_cursor_a_second_opens_and_a_heading_names_its_column() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        await pilot.click(RowGrid, offset=(5, 4))
        assert app.grid.cursor == "row-003"
        await pilot.click(RowGrid, offset=(5, 6), times=2)
        await pilot.click(RowGrid, offset=(15, 0))
        await pilot.pause()
        assert app.heard == ["row-005", "value"]

    play(app, act)


def test_a_range_is_marked_from_the_last_mark_to_the_cursor() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        app.grid.move_to(5)
        app.grid.toggle()
        app.grid.move_to(2)
        app.grid.mark_range()
        assert app.grid.marks == {f"row-{number:03}" for number in range(2, 6)}
        app.grid.forget({"row-003"})
        await pilot.pause()
        assert len(app.grid.marks) == 3

    play(app, act)


def test_an_empty_table_says_its_notice() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        app.grid.set_rows([], (), ("Nothing here yet.", "Type this."))
        await pilot.pause()
        assert text_of(app).split("\n")[2:4] == ["  Nothing here yet.", "  Type this."]
        app.grid.move(1)
        app.grid.toggle()
        app.grid.set_rows(NAMES, ())
        await pilot.pause()
        assert "▌ row-000" in text_of(app)

    play(app, act)


def test_no_markup_is_read_in_a_cell() -> None:
    app = Shelf()

    async def act(pilot: Pilot[Any]) -> None:
        app.values["row-001"] = "[red]"
        app.grid.redraw(["row-001"])
        await pilot.pause()
        assert "[red]" in text_of(app)

    play(app, act)
