"""The table as values: order, scope, filter, columns and widths."""

import itertools
from collections.abc import Generator
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from fleet.base import words
from fleet.views import AgentState, AgentView, MachineView, UsageRow
from tui.state.columns import Scope
from tui.state.heard import Doing, Silent, Told, Used, Wished, WishedAgent, WishedMachine
from tui.state.store import Store
from tui.state.table import HELD, Table

AGENTS = {"pc-2": ("ant", "bee"), "pc-10": ("cat",), "nas": ()}


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> Generator[str]:
    words.choose(request.param)
    yield request.param
    words.choose("en")


def told(machine: str, at: float = 1.0, state: AgentState = "running", **states: AgentState) -> Told:
    agents = tuple(
        AgentView(name=a, machine=machine, state=states.get(a, state), kind="openclaw", version="1", model="practice")
        for a in AGENTS[machine]
    )
    view = MachineView(name=machine, address="10.0.0.1", state="ok", agents=len(agents), free=41 << 30, engine="24.0")
    return Told(at=at, machine=machine, view=view, agents=agents)


def wished(at: float = 0.0, fleet: dict[str, tuple[str, ...]] = AGENTS) -> Wished:
    machines = tuple(WishedMachine(name, "10.0.0.1") for name in fleet)
    agents = tuple(WishedAgent(a, m, "openclaw", "1", "practice") for m, some in fleet.items() for a in some)
    return Wished(at=at, machines=machines, agents=agents)


class Shown:
    """A store and its table, as the screen holds them."""

    def __init__(self) -> None:
        self.store = Store()
        self.table = Table(self.store.rows)

    def hear(self, *messages: Told | Wished | Silent | Used | Doing, now: float = 1.0) -> frozenset[str]:
        for message in messages:
            self.store.hear(message)
        return self.table.refresh(self.store.take(now), now)

    def texts(self, row: str, now: float = 1.0) -> dict[str, str]:
        cells = self.table.cells(row, now)
        return {heading.id: cell.text for heading, cell in zip(self.table.headings, cells, strict=True)}


@pytest.fixture
def shown() -> Shown:
    made = Shown()
    made.hear(wished(), *(told(machine) for machine in AGENTS))
    return made


def test_each_machine_stands_above_its_agents_and_numbers_count_as_numbers(shown: Shown) -> None:
    assert shown.table.order == ("nas", "pc-2", "pc-2/ant", "pc-2/bee", "pc-10", "pc-10/cat")
    assert [shown.texts(row)["name"] for row in shown.table.order] == [
        "nas",
        "pc-2",
        "├ ant",
        "└ bee",
        "pc-10",
        "└ cat",
    ]


def test_a_scope_shows_agents_or_machines_only(shown: Shown) -> None:
    shown.table.look_at("agents", 1.0)
    assert shown.table.order == ("pc-2/ant", "pc-2/bee", "pc-10/cat")
    assert shown.texts("pc-10/cat")["machine"] == "pc-10"
    shown.table.look_at("machines", 1.0)
    assert shown.table.order == ("nas", "pc-2", "pc-10")
    assert shown.texts("pc-2")["agents"] == "2/2"


def test_an_agent_that_matches_stands_under_its_machine(shown: Shown) -> None:
    shown.table.narrow("cat", 1.0)
    assert shown.table.order == ("pc-10", "pc-10/cat")


def test_the_filter_goes_on_with_what_changes(shown: Shown) -> None:
    shown.table.narrow("state:stopped", 1.0)
    assert shown.table.order == ()
    shown.hear(told("pc-2", 2.0, ant="stopped"), now=2.0)
    assert shown.table.order == ("pc-2", "pc-2/ant")


def test_the_order_is_held_for_three_seconds_after_a_key(shown: Shown) -> None:
    shown.table.look_at("agents", 1.0)
    shown.table.sort_by("state", 1.0)
    shown.table.touch(1.0)
    shown.hear(told("pc-10", 2.0, cat="gave-up"), now=2.0)
    assert shown.table.order == ("pc-2/ant", "pc-2/bee", "pc-10/cat")
    assert shown.table.held(2.0)
    shown.hear(now=1.0 + HELD)
    assert shown.table.order == ("pc-10/cat", "pc-2/ant", "pc-2/bee")
    assert not shown.table.held(1.0 + HELD)


def test_what_is_new_while_the_order_is_held_comes_last(shown: Shown) -> None:
    shown.table.look_at("agents", 1.0)
    shown.table.touch(1.0)
    shown.hear(wished(2.0, AGENTS | {"nas": ("aal",), "pc-2": ("bee",)}), now=2.0)
    assert shown.table.order == ("pc-2/bee", "pc-10/cat", "nas/aal")
    shown.hear(now=5.0)
    assert shown.table.order == ("nas/aal", "pc-2/bee", "pc-10/cat")


def test_the_same_column_again_turns_the_order_round_and_equal_rows_stay_by_name(shown: Shown) -> None:
    shown.table.look_at("agents", 1.0)
    shown.table.sort_by("state", 1.0)
    assert shown.table.order == ("pc-2/ant", "pc-2/bee", "pc-10/cat")
    shown.table.sort_by("state", 1.0)
    assert shown.table.reverse
    assert shown.table.order == ("pc-2/ant", "pc-2/bee", "pc-10/cat")
    assert [one.title for one in shown.table.headings if one.id == "state"] == ["STATE ▼"]


def test_tokens_are_sorted_from_the_largest(shown: Shown) -> None:
    rows = tuple(
        UsageRow(agent=name, machine="pc-2", day="2026-01-02", model="m", calls=1, input=n, output=0)
        for name, n in (("ant", 5), ("bee", 50_000))
    )
    shown.hear(Used(at=1.0, machine="pc-2", today="2026-01-02", rows=rows))
    shown.table.look_at("agents", 1.0)
    shown.table.sort_by("tokens", 1.0)
    assert shown.table.order == ("pc-2/bee", "pc-2/ant", "pc-10/cat")
    assert shown.texts("pc-2/bee")["tokens"] == "50k"


def test_the_sort_goes_to_the_column_beside_and_stops_at_the_edge(shown: Shown) -> None:
    shown.table.sort_beside(1, 1.0)
    assert shown.table.sort == "state"
    shown.table.sort_beside(-1, 1.0)
    shown.table.sort_beside(-1, 1.0)
    assert (shown.table.sort, shown.table.reverse) == ("name", False)


@pytest.mark.parametrize("width", [30, 60, 79, 80, 100, 119, 120, 200])
def test_the_columns_fit_the_width(shown: Shown, width: int, language: str) -> None:
    assert language
    shown.table.resize(width, 1.0)
    cells = 2 + sum(one.width + 2 for one in shown.table.headings) - 2
    assert cells == width
    assert all(cell_len(one.title) <= one.width for one in shown.table.headings)


def test_a_narrow_table_keeps_name_state_freshness_and_what_is_worth_knowing(shown: Shown) -> None:
    shown.table.resize(60, 1.0)
    assert [one.id for one in shown.table.headings] == ["name", "state", "fresh", "last"]
    widths = {one.id: one.width for one in shown.table.headings}
    assert widths["last"] > widths["name"]
    shown.table.resize(120, 1.0)
    assert [one.id for one in shown.table.headings][:3] == ["name", "state", "fresh"]
    assert len(shown.table.headings) > 6


def test_a_chosen_column_comes_and_goes_but_the_name_stays(shown: Shown) -> None:
    shown.table.resize(160, 1.0)
    shown.table.choose("in", 1.0)
    assert "in" in [one.id for one in shown.table.headings]
    shown.table.choose("in", 1.0)
    shown.table.choose("name", 1.0)
    assert "in" not in [one.id for one in shown.table.headings]
    assert "name" in [one.id for one in shown.table.headings]


def test_widths_do_not_change_with_every_tick(shown: Shown) -> None:
    before = [one.width for one in shown.table.headings]
    shown.hear(told("pc-10", 2.0, cat="gave-up"), Silent(at=2.0, machine="nas", key="k", text="x" * 90), now=2.0)
    assert [one.width for one in shown.table.headings] == before


def test_the_first_machine_that_goes_dark_makes_room_for_what_is_said_of_it(shown: Shown, language: str) -> None:
    assert language
    for at in (2.0, 4.0):
        for machine in AGENTS:
            shown.hear(Silent(at=at, machine=machine, key="k", text="no answer", sort="timeout"), now=at)
    widths, texts = {one.id: one.width for one in shown.table.headings}, shown.texts("pc-2/ant", 4.0)
    assert all(cell_len(texts[column]) <= widths[column] for column in ("state", "fresh"))


def test_a_dark_machine_keeps_its_values_with_their_age(shown: Shown, language: str) -> None:
    for at in (2.0, 4.0):
        shown.hear(Silent(at=at, machine="pc-2", key="ssh.no_answer", text="no answer", sort="timeout"), now=at)
    shown.hear(now=721.0)
    agent, machine = shown.texts("pc-2/ant", 721.0), shown.texts("pc-2", 721.0)
    if language == "en":
        assert (agent["state"], agent["fresh"], agent["model"]) == ("? was running", "? dark 12m", "practice")
        assert (machine["state"], machine["last"]) == ("? silent", "no answer")
    else:
        assert (agent["state"], agent["fresh"]) == ("? 之前运行中", "? 失联 12 分")


def test_what_a_dark_agent_was_is_said_in_proper_words(shown: Shown, language: str) -> None:
    shown.hear(told("pc-2", 2.0, ant="gave-up", bee="stopped"), now=2.0)
    shown.hear(now=60.0)
    states = [shown.texts(row, 60.0)["state"] for row in ("pc-2/ant", "pc-2/bee")]
    assert states == (["? had given up", "? was stopped"] if language == "en" else ["? 之前已放弃", "? 之前已停止"])


def test_what_is_under_way_stands_in_place_of_the_state_with_its_age(shown: Shown) -> None:
    shown.hear(Doing(at=2.0, subject="pc-2/ant", action="restart"), now=2.0)
    assert shown.texts("pc-2/ant", 7.0)["state"] == "… restart 5s"


def test_only_what_changed_is_drawn_again(shown: Shown) -> None:
    assert shown.hear(told("pc-2", 2.0), now=2.0) == frozenset()
    assert shown.hear(told("pc-2", 3.0, ant="stopped"), now=3.0) == {"pc-2", "pc-2/ant"}


def test_an_agent_that_becomes_the_last_of_its_machine_is_drawn_again(shown: Shown) -> None:
    dirty = shown.hear(wished(2.0, AGENTS | {"pc-2": ("ant",)}), now=2.0)
    assert "pc-2/ant" in dirty
    assert shown.texts("pc-2/ant")["name"] == "└ ant"


def test_every_state_has_its_own_sign_or_word_in_both_languages(shown: Shown, language: str) -> None:
    assert language
    states: tuple[AgentState, ...] = ("running", "stopped", "starting", "gave-up", "trial", "absent", "unknown")
    found: dict[str, str] = {}
    for n, state in enumerate(states):
        shown.hear(told("pc-10", 2.0 + n / 10, state), now=3.0)
        found[state] = shown.texts("pc-10/cat", 3.0)["state"]
    assert len(set(found.values())) == len(states)
    assert all(len(text.split(" ", 1)) == 2 for text in found.values())


SCOPES: tuple[Scope, ...] = get_args(Scope)
ids = st.sampled_from([(m, a) for m in ("m1", "m2", "m10") for a in ("a", "b", "c")])
fleets = st.sets(ids, max_size=9).map(
    lambda some: Wished(
        at=0.0,
        machines=tuple(WishedMachine(m, "x") for m in ("m1", "m2", "m10")[: len(some) // 2 + 1]),
        agents=tuple(WishedAgent(a, m, "k", "1", "main") for m, a in sorted(some)),
    )
)


def answered(machine: str, states: tuple[AgentState, ...]) -> Told:
    agents = tuple(
        AgentView(name=a, machine=machine, state=state, kind="k", version="1", model="main")
        for a, state in zip("abc", states, strict=True)
    )
    view = MachineView(name=machine, address="x", state="ok", agents=3)
    return Told(at=0.0, machine=machine, view=view, agents=agents)


states = st.sampled_from(get_args(AgentState))
answers = st.builds(answered, st.sampled_from(["m1", "m2", "m10"]), st.tuples(states, states, states))
deeds = st.one_of(
    st.sampled_from(["touch", "reverse", "left", "right"]),
    st.sampled_from(SCOPES),
    st.sampled_from(["/state:running", "/!a", "/@m1", "/", "/zz"]),
)


@given(st.lists(st.tuples(st.lists(fleets | answers, max_size=3), st.none() | deeds, st.floats(0.1, 4)), max_size=8))
@settings(max_examples=120, deadline=None)
def test_whatever_happens_the_order_holds_every_row_that_is_to_be_shown_once(
    ticks: list[tuple[list[Wished | Told], str | None, float]],
) -> None:
    shown, now = Shown(), 0.0
    for messages, deed, passed in ticks:
        now += passed
        if deed:
            act(shown.table, deed, now)
        shown.hear(*messages, now=now)
        order = shown.table.order
        assert len(order) == len(set(order))
        assert set(order) <= shown.store.rows.keys()
        assert all(len(shown.table.cells(row, now)) == len(shown.table.headings) for row in order)
    shown.hear(now=now + HELD)
    assert set(shown.table.order) == wanted(shown, now + HELD)
    if shown.table.scope == "tree":
        groups = [row.partition("/")[0] for row in shown.table.order]
        assert len(list(itertools.groupby(groups))) == len(set(groups))


def act(table: Table, deed: str, now: float) -> None:
    match deed:
        case "touch":
            table.touch(now)
        case "reverse":
            table.sort_by(table.sort, now)
        case "left" | "right":
            table.sort_beside(-1 if deed == "left" else 1, now)
        case "tree" | "agents" | "machines":
            table.look_at(deed, now)
        case _:
            table.narrow(deed[1:], now)


def wanted(shown: Shown, now: float) -> set[str]:
    """The rows that match in their scope, and in the tree the machines above them."""
    table = shown.table
    found = {
        row
        for row, one in shown.store.rows.items()
        if (table.scope == "tree" or ("/" in row) == (table.scope == "agents")) and table.query.matches(one, now)
    }
    return found | {row.partition("/")[0] for row in found} if table.scope == "tree" else found
