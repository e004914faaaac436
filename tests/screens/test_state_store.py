"""The store: whatever comes in whichever order, the deltas add up to its rows, and nothing known is lost."""

import string
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.base.clean import line
from fleet.views import AgentState, AgentView, MachineState, MachineView, UsageRow
from tui.state import store as stores
from tui.state.happened import KEPT, Events
from tui.state.heard import (
    Doing,
    Ended,
    Message,
    Silent,
    Sort,
    Told,
    Trouble,
    Used,
    Wished,
    WishedAgent,
    WishedMachine,
)
from tui.state.rows import AgentRow, MachineRow, Pulse, Row
from tui.state.store import Store

MACHINES, AGENTS = ("m1", "m2"), ("a", "b")
HOSTILE = "\x1b[31m\x9b1m\x1b]0;x\x07\u202e[red]\u200d\x00"
TEXTS = st.text(max_size=20) | st.just(HOSTILE) | st.text("\x1b\x9b\u202e[]", max_size=6)
NAMES, OWNERS = st.sampled_from(AGENTS), st.sampled_from(MACHINES)
SUBJECTS = st.sampled_from([*MACHINES, *(f"{m}/{a}" for m in MACHINES for a in AGENTS), "", "m9/x"])
TIMES = st.floats(0, 5000, allow_nan=False)
NUMBERS = st.integers(-5, 10**20)

agent_views = st.builds(
    AgentView, name=NAMES, machine=OWNERS, state=st.sampled_from(get_args(AgentState)), kind=TEXTS, version=TEXTS,
    model=TEXTS, reason=TEXTS, exit_code=st.none() | NUMBERS,
)  # fmt: skip
machine_views = st.builds(
    MachineView, name=OWNERS, address=TEXTS, state=st.sampled_from(get_args(MachineState)), agents=NUMBERS,
    free=NUMBERS, trouble=TEXTS,
)  # fmt: skip
usage_rows = st.builds(
    UsageRow, agent=NAMES, machine=OWNERS, day=st.sampled_from(["2026-01-01", "2026-01-02", HOSTILE]), model=TEXTS,
    calls=NUMBERS, input=NUMBERS, output=NUMBERS,
)  # fmt: skip
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Wished, at=TIMES,
        machines=st.lists(st.builds(WishedMachine, OWNERS | TEXTS, TEXTS), max_size=3).map(tuple),
        agents=st.lists(st.builds(WishedAgent, NAMES | TEXTS, OWNERS, TEXTS), max_size=4).map(tuple),
    ),
    st.builds(
        Told, at=TIMES, machine=OWNERS, view=machine_views, agents=st.lists(agent_views, max_size=3).map(tuple),
        strays=st.lists(TEXTS, max_size=2).map(tuple),
    ),
    st.builds(Silent, at=TIMES, machine=OWNERS, key=TEXTS, text=TEXTS, sort=st.sampled_from(get_args(Sort))),
    st.builds(
        Used, at=TIMES, machine=OWNERS, today=st.just("2026-01-02"),
        rows=st.lists(usage_rows, max_size=4).map(tuple),
    ),
    st.builds(Doing, at=TIMES, subject=SUBJECTS | TEXTS, action=TEXTS, step=TEXTS),
    st.builds(Ended, at=TIMES, subject=SUBJECTS, action=TEXTS, outcome=st.just("done"), text=TEXTS),
    st.builds(Trouble, at=TIMES, text=TEXTS),
)  # fmt: skip
WISH = Wished(
    at=0.0,
    machines=tuple(WishedMachine(name, "a") for name in MACHINES),
    agents=tuple(WishedAgent(a, m, "k", "1", "main") for m in MACHINES for a in AGENTS),
)


def told(machine: str = "m1", at: float = 1.0, state: AgentState = "running") -> Told:
    agents = tuple(
        AgentView(name=name, machine=machine, state=state, kind="k", version="1", model="main", image="i1")
        for name in AGENTS
    )
    view = MachineView(name=machine, address="a", state="ok", agents=2, free=7)
    return Told(at=at, machine=machine, view=view, agents=agents)


def silent(machine: str = "m1", at: float = 2.0) -> Silent:
    return Silent(at=at, machine=machine, key="ssh.refused", text="Nobody listens", sort="refused")


def heard(*given_: Message) -> Store:
    made = Store()
    for message in given_:
        made.hear(message)
    return made


def agent(store: Store, row: str) -> AgentRow:
    found = store.rows[row]
    assert isinstance(found, AgentRow)
    return found


def machine(store: Store, row: str) -> MachineRow:
    found = store.rows[row]
    assert isinstance(found, MachineRow)
    return found


@given(st.lists(st.lists(messages, max_size=6), max_size=6))
@settings(max_examples=150, deadline=None)
def test_the_deltas_applied_to_a_copy_give_the_rows(ticks: list[list[Message]]) -> None:
    store, copy = Store(), dict[str, Row]()
    for tick, told_ in enumerate(ticks):
        for message in told_:
            store.hear(message)
        delta = store.take(100.0 * tick)
        assert len(delta.added) + len(delta.changed) + len(delta.removed) == len(
            delta.added | delta.changed | delta.removed
        )
        assert delta.added.isdisjoint(copy)
        assert delta.changed | delta.removed <= copy.keys()
        for row in delta.removed:
            del copy[row]
        copy |= {row: store.rows[row] for row in delta.added | delta.changed}
        assert copy == store.rows
        assert delta.summary.machines + delta.summary.agents == len(copy)


@given(st.lists(messages, max_size=12))
@settings(max_examples=150, deadline=None)
def test_nothing_that_a_terminal_obeys_gets_into_a_row_or_an_event(given_: list[Message]) -> None:
    store = heard(WISH, *given_)
    store.take(9000.0)
    texts = [
        str(row.view) + str(getattr(row, "why", "")) + str(getattr(row, "strays", "")) for row in store.rows.values()
    ]
    texts += [one.subject + one.old + one.new + one.text for one in store.events.since(0)]
    texts += [str(one.model + one.day) for name in MACHINES for one in store.ledger(name)]
    assert [text for text in texts if text != line(text, 10**6)] == []


@given(st.lists(messages.filter(lambda one: not isinstance(one, Wished | Told)), max_size=12), TIMES)
@settings(max_examples=100, deadline=None)
def test_no_message_but_an_answer_takes_a_told_value_away(given_: list[Message], now: float) -> None:
    store = heard(WISH, told("m1"), told("m2"))
    before = {row: found.view for row, found in store.rows.items()}
    for message in given_:
        store.hear(message)
    store.take(now)
    assert {row: found.view for row, found in store.rows.items()} == before


@given(st.lists(messages, max_size=10), st.lists(messages, max_size=10))
@settings(max_examples=60, deadline=None)
def test_nothing_new_makes_an_empty_delta_of_the_same_generation(first: list[Message], then: list[Message]) -> None:
    store = heard(*first)
    store.take(9000.0)
    for message in then:
        store.hear(message)
    one = store.take(9000.0)
    for message in [one_ for one_ in then if isinstance(one_, Told)][-1:]:
        store.hear(message)
    two = store.take(9000.0)
    assert not two.added | two.removed
    assert store.take(9000.0).generation == two.generation
    assert two.generation >= one.generation


def test_a_machine_that_says_the_same_again_changes_nothing() -> None:
    store = heard(WISH, told())
    store.take(1.0)
    store.hear(told(at=3.0))
    delta = store.take(3.0)
    assert not delta.changed | delta.added | delta.removed
    assert store.rows["m1"].told_at == 3.0


def test_one_missed_answer_is_stale_and_two_are_dark() -> None:
    store = heard(WISH, told())
    assert store.rows["m1"].fresh(1.0) == "live"
    store.hear(silent(at=2.0))
    assert (store.rows["m1"].fresh(2.0), store.rows["m1/a"].state(2.0)) == ("stale", "running")
    store.hear(silent(at=4.0))
    assert (store.rows["m1"].fresh(4.0), store.rows["m1"].state(4.0)) == ("dark", "silent")


def test_the_agents_of_a_silent_machine_are_unknown_and_keep_what_was_last_told() -> None:
    store = heard(WISH, told(), silent(at=2.0), silent(at=4.0))
    row = agent(store, "m1/a")
    assert row.state(4.0) == "unknown"
    assert (row.view.state, row.view.image) == ("running", "i1")
    assert row.pulse.age(721.0) == 720.0
    assert store.take(4.0).summary.states == {"unknown": 4}
    assert machine(store, "m1").why == "Nobody listens"


def test_without_any_word_a_machine_grows_stale_and_dark_by_the_time_alone() -> None:
    store = heard(WISH, told())
    ages = {seconds: store.rows["m1"].fresh(1.0 + seconds) for seconds in (5.9, 6.1, 19.9, 20.1)}
    assert ages == {5.9: "live", 6.1: "stale", 19.9: "stale", 20.1: "dark"}


def test_a_large_fleet_that_is_asked_more_rarely_is_not_stale_for_that() -> None:
    slow = Wished(at=0.0, machines=WISH.machines, agents=WISH.agents, beat=5.0)
    store = heard(slow, told())
    assert [store.rows["m1"].fresh(1.0 + seconds) for seconds in (14.9, 15.1, 40.1)] == ["live", "stale", "dark"]


def test_a_machine_that_never_answered_is_never_and_not_dark() -> None:
    store = heard(WISH)
    assert (store.rows["m1"].fresh(99.0), store.rows["m1"].state(99.0)) == ("never", "unknown")
    store.hear(silent(at=99.0))
    assert (store.rows["m1"].fresh(99.0), store.rows["m1"].state(99.0)) == ("never", "silent")


def test_going_dark_and_coming_back_are_events() -> None:
    store = heard(WISH, told(), told("m2"))
    store.take(1.0)
    store.take(30.0)
    store.hear(told(at=40.0))
    store.take(40.0)
    seen = [(one.subject, one.what, one.new) for one in store.events.since(0)]
    assert seen == [("m1", "dark", "timeout"), ("m2", "dark", "timeout"), ("m1", "back", "")]


def test_a_change_of_state_is_an_event_and_the_first_word_is_not() -> None:
    store = heard(WISH, told(), told(at=2.0, state="gave-up"))
    seen = [(one.subject, one.what, one.old, one.new) for one in store.events.since(0)]
    assert seen == [("m1/a", "state", "running", "gave-up"), ("m1/b", "state", "running", "gave-up")]


def test_a_machine_whose_guard_is_gone_answers_and_its_agents_keep_their_values() -> None:
    blind = Told(
        at=2.0, machine="m1", view=MachineView(name="m1", address="a", state="unprepared", agents=2),
        agents=(AgentView(name="a", machine="m1", state="unknown", kind="k", version="1", model="main"),),
    )  # fmt: skip
    store = heard(WISH, told(), blind)
    assert store.rows["m1"].state(2.0) == "unprepared"
    assert (agent(store, "m1/a").view.state, agent(store, "m1/a").view.image) == ("unknown", "i1")


def test_what_left_the_folder_leaves_the_rows_and_late_answers_bring_nothing_back() -> None:
    store = heard(WISH, told(), told("m2"))
    store.take(1.0)
    store.hear(Wished(at=2.0, machines=WISH.machines[:1], agents=WISH.agents[:1]))
    delta = store.take(2.0)
    assert delta.removed == {"m1/b", "m2", "m2/a", "m2/b"}
    assert store.rows.keys() == {"m1", "m1/a"}
    store.hear(told("m2", 3.0))
    store.hear(told("m1", 3.0))
    assert store.rows.keys() == {"m1", "m1/a"}


def test_an_agent_that_is_new_in_the_folder_is_told_by_an_answer_that_was_known_before() -> None:
    store = heard(Wished(at=0.0, machines=WISH.machines, agents=WISH.agents[:1]), told(), WISH)
    assert agent(store, "m1/b").view.state == "unknown"
    store.hear(told(at=2.0))
    assert agent(store, "m1/b").view.state == "running"


def test_todays_tokens_are_summed_by_agent_and_machine_and_older_days_are_kept_in_the_ledger() -> None:
    rows = [("a", "2026-01-02", 5), ("a", "2026-01-02", 6), ("b", "2026-01-02", 100), ("b", "2026-01-01", 7)]
    ledger = tuple(
        UsageRow(agent=name, machine="m1", day=day, model="main", calls=1, input=number, output=1)
        for name, day, number in rows
    )
    store = heard(WISH, told(), Used(at=1.0, machine="m1", today="2026-01-02", rows=ledger))
    assert (agent(store, "m1/a").tokens_in, agent(store, "m1/a").tokens_out, agent(store, "m1/a").calls) == (11, 2, 2)
    assert (agent(store, "m1/b").tokens_today, machine(store, "m1").tokens_today) == (101, 114)
    assert store.take(1.0).summary.tokens == 114
    assert [one.day for one in store.ledger("m1/b")] == ["2026-01-01", "2026-01-02"]
    assert len(store.ledger("m1")) == 4
    store.hear(Used(at=2.0, machine="m1", today="2026-01-03", rows=ledger))
    assert machine(store, "m1").tokens_today == 0


def test_what_we_do_is_on_the_row_until_it_ends_and_its_end_is_an_event() -> None:
    store = heard(WISH, told(), Doing(at=2.0, subject="m1/a", action="restart"))
    store.hear(Doing(at=5.0, subject="m1/a", action="restart", step="step.start"))
    doing = agent(store, "m1/a").doing
    assert doing
    assert (doing.at, doing.step) == (2.0, "step.start")
    store.take(6.0)
    assert "m1/a" in store.take(7.0).changed  # its age is drawn again
    store.hear(Ended(at=8.0, subject="m1/a", action="restart", outcome="failed", text="no"))
    assert agent(store, "m1/a").doing is None
    assert [(one.what, one.old, one.new, one.text) for one in store.events.of("m1/a")] == [
        ("ended", "restart", "failed", "no"),
        ("doing", "restart", "", ""),
    ]


def test_what_is_never_heard_to_end_expires_with_an_unknown_outcome() -> None:
    store = heard(WISH, told(), Doing(at=2.0, subject="m1/a", action="stop"))
    store.take(2.0 + stores.LONGEST_ACTION + 1)
    assert agent(store, "m1/a").doing is None
    assert [one.new for one in store.events.of("m1/a") if one.what == "ended"] == ["unknown"]


def test_the_controllers_own_trouble_is_in_the_summary_until_it_ends() -> None:
    store = heard(WISH, Trouble(at=1.0, text="agents/x.yaml:1:1: broken"))
    assert store.take(1.0).summary.trouble == "agents/x.yaml:1:1: broken"
    store.hear(Trouble(at=2.0, text=""))
    assert store.take(2.0).summary.trouble == ""
    assert [one.what for one in store.events.since(0)] == ["trouble"]


def test_the_summary_counts_who_answered_and_how_old_it_is() -> None:
    store = heard(WISH, told())
    summary = store.take(1.0).summary
    assert (summary.machines, summary.agents, summary.answered, summary.loaded) == (2, 4, 1, True)
    assert summary.fresh == {"live": 1, "never": 1}
    assert summary.states == {"running": 2, "unknown": 2}


def test_an_empty_folder_is_loaded_and_has_no_rows() -> None:
    assert not Store().take(0.0).summary.loaded
    assert heard(Wished(at=0.0)).take(0.0).summary.loaded


@pytest.mark.parametrize("more", [0, 1, 500])
def test_only_the_last_two_thousand_events_are_kept(more: int) -> None:
    events = Events()
    for number in range(KEPT + more):
        events.add(float(number), "m1", "state")
    assert len(events) == KEPT
    assert [one.number for one in events.since(0)] == list(range(1 + more, KEPT + more + 1))
    assert [one.number for one in events.since(KEPT + more - 2)] == [KEPT + more - 1, KEPT + more]
    assert events.since(KEPT + more) == ()


def test_the_events_of_a_machine_are_those_of_its_agents_too() -> None:
    store = heard(WISH, told(), told(at=2.0, state="stopped"))
    assert {one.subject for one in store.events.of("m1")} == {"m1/a", "m1/b"}
    assert [one.subject for one in store.events.of("m1/a")] == ["m1/a"]
    assert store.events.of("m") == ()


def test_a_clock_that_another_thread_read_later_makes_no_negative_age() -> None:
    pulse = Pulse(2.0)
    pulse.answered(5.0)
    assert pulse.age(4.9) == 0.0
    pulse.answered(4.0)
    assert pulse.told_at == 5.0


def test_the_letters_of_a_name_stay_as_they_are() -> None:
    name = string.ascii_lowercase + "-9"
    store = heard(Wished(at=0.0, machines=(WishedMachine(name, "机器.example"),)))
    assert machine(store, name).view.address == "机器.example"
