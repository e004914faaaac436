"""The filter: its grammar in both languages, and that nothing typed or pasted makes it fall over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.base import words
from fleet.views import AgentState, AgentView, MachineState, MachineView
from tui.state import query
from tui.state.rows import AgentRow, MachineRow, Pulse, Row

NOW = 100.0


def pulse(at: float | None = NOW) -> Pulse:
    made = Pulse(2.0)
    if at is not None:
        made.answered(at)
    return made


def machine(name: str = "pc-07", state: MachineState = "ok", at: float | None = NOW, free: int = 9 << 30) -> MachineRow:
    view = MachineView(name=name, address="10.0.0.7", state=state, agents=1, free=free, engine="24.0")
    return MachineRow(id=name, view=view, pulse=pulse(at))


def agent(
    name: str = "night-writer",
    state: AgentState = "running",
    on: str = "pc-07",
    tokens: int = 0,
    at: float | None = NOW,
) -> AgentRow:
    view = AgentView(
        name=name, machine=on, state=state, kind="openclaw", version="2026.5.2", model="practice", reason="[red] ./x"
    )
    return AgentRow(id=f"{on}/{name}", view=view, pulse=pulse(at), tokens_in=tokens)


ROWS: tuple[Row, ...] = (
    machine(), agent(), agent("shop-bot", "stopped", tokens=12_000), machine("nas", at=None, free=2 << 30),
    agent("wang", "gave-up", "nas", at=None), machine("vm-1", "no-engine"), agent("old", on="vm-1", at=NOW - 700),
)  # fmt: skip


def found(text: str) -> set[str]:
    made = query.parse(text)
    assert made.wrong is None, made.wrong.sentence
    return {row.name for row in ROWS if made.matches(row, NOW)}


ALL = {row.name for row in ROWS}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ALL),
        ("writer", {"night-writer"}),
        ("WRITER", {"night-writer"}),
        ("!openclaw", {"pc-07", "nas", "vm-1"}),
        ("~ngwr", {"night-writer"}),
        ("!~ngwr", ALL - {"night-writer"}),
        ("state:stopped", {"shop-bot"}),
        ("状态:停", {"shop-bot"}),
        ("状态\uff1a停", {"shop-bot"}),
        ("state:!ok kind:openclaw", {"shop-bot", "wang", "old"}),
        ("!state:ok kind:openclaw", {"shop-bot", "wang", "old"}),
        ("state:ok", {"night-writer", "pc-07"}),
        ("fresh:dark", {"old"}),
        ("fresh:never", {"nas", "wang"}),
        ("新鲜度:还没问到", {"nas", "wang"}),
        ("@pc", {"pc-07", "night-writer", "shop-bot"}),
        ("!@pc", {"nas", "wang", "vm-1", "old"}),
        ("@pc stopped", {"shop-bot"}),
        ("tokens>10k", {"shop-bot"}),
        ("tokens<12.5K kind:open @pc", {"night-writer", "shop-bot"}),
        ("tokens:12000", {"shop-bot"}),
        ("free>3G", {"pc-07", "vm-1"}),
        ("age>11m", {"old"}),
        ("age>1h", set[str]()),
        ("model:practice @vm", {"old"}),
        ("模型:练习 @vm", {"old"}),
        ("address:10.0.0", {"pc-07", "nas", "vm-1"}),
        ("reason:[red]", {"night-writer", "shop-bot", "wang", "old"}),
        ('"[red] ./x" @nas', {"wang"}),
        ('reason:"[red] ." @nas', {"wang"}),
        ("name:!w", {"shop-bot", "pc-07", "nas", "vm-1", "old"}),
    ],
)
def test_a_filter_shows(text: str, names: set[str]) -> None:
    assert found(text) == names


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("text", "column", "key"),
    [
        ("!", 1, "screen.query.unfinished"),
        ("a @", 3, "screen.query.unfinished"),
        ("~", 1, "screen.query.unfinished"),
        ("state:", 1, "screen.query.unfinished"),
        ("x tokens>", 3, "screen.query.unfinished"),
        ("state:!", 1, "screen.query.unfinished"),
        ("stat:x", 1, "screen.query.no_key"),
        ("tokens>many", 1, "screen.query.no_number"),
        ("tokens>5d", 1, "screen.query.no_number"),
        ("free>\u0663", 1, "screen.query.no_number"),
        ("name>5", 1, "screen.query.no_number_key"),
    ],
)
def test_what_cannot_be_used_is_a_sentence_with_its_place_and_the_rest_is_used(
    text: str, column: int, key: str, language: str
) -> None:
    words.choose(language)
    try:
        made = query.parse(f"{text} @pc-07")
        assert made.wrong
        assert (made.wrong.column, made.wrong.key) == (column, key)
        assert str(column) in made.wrong.sentence
        wanted = {"pc-07", "night-writer", "shop-bot"}
        assert {row.name for row in ROWS if made.matches(row, NOW)} <= wanted
    finally:
        words.choose("en")


def test_a_key_that_is_nearly_right_is_suggested() -> None:
    made = query.parse("stat:x")
    assert made.wrong
    assert "state" in made.wrong.sentence


def test_a_name_that_found_nothing_has_its_nearest() -> None:
    assert query.near("nigth-writer @pc", [row.name for row in ROWS]) == "night-writer"
    assert query.near("", ["a"]) == ""
    assert query.near("zzzzzz", ["a"]) == ""


SIGNS = st.text(
    st.sampled_from('!~@:<>"\u201c\uff1a\uff01 akstoen0159.\\[](){}*+?^$|\x00\x1b\u202e\ud800'), max_size=40
)


@given(
    st.text(max_size=60) | SIGNS | st.text(max_size=20).map("state:".__add__) | st.text(max_size=9).map("free>".__add__)
)
@settings(max_examples=400, deadline=None)
def test_no_text_makes_the_filter_raise(text: str) -> None:
    made = query.parse(text)
    for row in ROWS:
        assert made.matches(row, NOW) in {True, False}
    if made.wrong:
        assert 1 <= made.wrong.column <= len(text)
        assert made.wrong.sentence.isprintable()
    query.near(text, [row.name for row in ROWS])


@pytest.mark.parametrize("text", ["(" * 100_000, '"' * 100_000, "a:" * 50_000, "!" * 100_000, "~" + "a" * 100_000])
def test_a_pasted_book_costs_no_more_than_a_line(text: str) -> None:
    assert query.parse(text).text == text
    assert len(query.parse(text).tests) <= query.LONGEST
