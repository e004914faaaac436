"""A plan in canaries and waves, and what comes next of it: whatever happens, the rules hold, and a record is enough."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.actions import AnyAction, Deploy, PlaceImage, PlaceMeter, Start
from fleet.model import Agent
from fleet.plan import Plan
from fleet.policy import Policy
from fleet.rollout import Entry, Order, Unit, What, nexts, order, states, stopped

RESULTS: tuple[What, ...] = ("done", "done", "done", "done", "failed", "unknown")


def fleet(machines: int, each: int, *, kinds: int = 1, meters: bool = False) -> Plan:
    """A plan that brings every agent of so many machines to a new image."""
    actions: list[AnyAction] = []
    agents: dict[str, Agent] = {}
    for m in range(machines):
        name = f"m{m:03}"
        if meters:
            actions.append(PlaceImage(machine=name, image="meter", of="meter", reason="reason.image_absent"))
            actions.append(PlaceMeter(machine=name, image="meter", reason="reason.meter_other"))
        for a in range(each):
            kind = f"k{(m * each + a) % kinds}"
            agent = f"a{m:03}-{a}"
            agents[agent] = Agent(kind=kind, machine=name, image=f"image-{kind}", version="2")
            placed = PlaceImage(machine=name, image=f"image-{kind}", of=kind, version="2", reason="reason.image_absent")
            actions += [placed] if placed not in actions else []
            actions.append(
                Deploy(machine=name, agent=agent, release="new", replaces="old", reason="reason.agent_other")
            )
    return Plan(actions=tuple(actions), agents=agents)


def turns(wave: tuple[Unit, ...]) -> list[str]:
    return [unit.action.subject for unit in wave if not unit.ahead]


def test_one_goes_first_then_ever_more() -> None:
    made = order(fleet(100, 1), Policy())
    assert [len(turns(wave)) for wave in made.waves] == [1, 4, 20, 75]
    assert made.canary


def test_each_kind_has_a_canary_of_its_own() -> None:
    made = order(fleet(10, 2, kinds=2), Policy())
    first = [made_.action for made_ in made.waves[0] if not made_.ahead]
    assert len(first) == 2


def test_a_wave_is_spread_over_the_machines() -> None:
    made = order(fleet(4, 4), Policy(canary=1, waves=(5,)))
    assert turns(made.waves[0]) == ["m000/a000-0"]
    assert turns(made.waves[1]) == ["m001/a001-0", "m002/a002-0", "m003/a003-0", "m000/a000-1"]


def test_an_image_is_brought_before_its_agent_is_stopped_and_no_sooner_than_the_canary_has_passed() -> None:
    made = order(fleet(3, 1), Policy(waves=("100%",)))
    assert [unit.ahead for unit in made.waves[0]] == [True, False]
    record: list[Entry] = []
    first = nexts(made, record).begin
    assert [type(unit.action) for unit in first] == [PlaceImage]
    record += [Entry(what="begun", unit=first[0].number), Entry(what="done", unit=first[0].number)]
    (canary,) = nexts(made, record).begin
    assert isinstance(canary.action, Deploy)


def test_a_meter_that_is_replaced_has_its_turn_before_the_agents_of_its_machine() -> None:
    made = order(fleet(3, 2, meters=True), Policy())
    assert turns(made.waves[0]) == ["m000", "m000/a000-0"]


def test_a_meter_where_there_was_none_hurts_nobody_and_needs_no_canary() -> None:
    plan = Plan(
        actions=(
            PlaceImage(machine="m", image="meter", of="meter", reason="reason.image_absent"),
            PlaceMeter(machine="m", image="meter", reason="reason.meter_absent"),
            Deploy(machine="m", agent="a", release="r", reason="reason.agent_absent"),
        ),
        agents={"a": Agent(kind="k", machine="m", image="i")},
    )
    made = order(plan, Policy())
    assert [unit.ahead for unit in made.waves[0]] == [True, True, False]
    assert [unit.after for unit in made.waves[0]] == [(), (0,), (1,)]


def test_what_only_starts_proves_nothing_and_waits_for_no_canary() -> None:
    plan = Plan(actions=tuple(Start(machine=f"m{n}", agent=f"a{n}", reason="reason.agent_down") for n in range(4)))
    assert not order(plan, Policy(waves=("100%",))).canary


def test_a_failed_canary_stops_all_the_rest_however_many_failures_are_borne() -> None:
    made = order(fleet(10, 1), Policy(max_failures=5))
    number = next(unit.number for unit in made.waves[0] if not unit.ahead)
    record = [*brought(made, 0), Entry(what="begun", unit=number), Entry(what="failed", unit=number)]
    assert nexts(made, record).verdict == "stopped"


def brought(made: Order, wave: int) -> list[Entry]:
    ahead = [unit.number for unit in made.waves[wave] if unit.ahead]
    return [Entry(what=what, unit=number) for number in ahead for what in ("begun", "done")]


@pytest.mark.parametrize(("allowed", "failures", "stops"), [(1, 1, True), (2, 1, False), (2, 2, True)])
def test_the_stop_rule_counts_what_this_rollout_touched(allowed: int, failures: int, *, stops: bool) -> None:
    made = order(fleet(10, 1), Policy(canary=0, waves=("100%",), max_failures=allowed))
    deploys = [unit.number for unit in made.waves[0] if not unit.ahead]
    found: dict[int, Any] = dict.fromkeys(deploys[:6], "done") | dict.fromkeys(deploys[:failures], "failed")
    assert stopped(made, found) is stops


@pytest.mark.parametrize(("touched", "failures", "stops"), [(40, 3, False), (40, 4, True), (4, 1, True)])
def test_a_share_of_failures_is_one_of_what_was_touched(touched: int, failures: int, *, stops: bool) -> None:
    made = order(fleet(100, 1), Policy(canary=0, waves=("100%",), max_failures="10%"))
    found: dict[int, Any] = dict.fromkeys(range(touched), "done") | dict.fromkeys(range(failures), "failed")
    assert stopped(made, found) is stops


def test_what_waits_for_something_that_failed_never_begins_and_does_not_hold_the_others_up() -> None:
    made = order(fleet(2, 2), Policy(canary=0, waves=("100%",), max_failures=100, max_parallel=10))
    image = next(unit for unit in made.units if unit.ahead)
    record = [Entry(what="begun", unit=image.number), Entry(what="failed", unit=image.number)]
    begun = play(made, record, lambda _: "done")
    assert {made_.action.machine for made_ in begun} == {"m001"}
    assert nexts(made, record).verdict == "complete"


def test_where_a_meter_cannot_be_had_the_agents_of_its_machine_wait_and_later_waves_do_not() -> None:
    made = order(fleet(3, 1, meters=True), Policy(canary=0, waves=(2, 4, "100%"), max_failures=100))
    image = next(unit for unit in made.waves[0] if unit.ahead and unit.action.machine == "m000")
    record = [Entry(what="begun", unit=image.number), Entry(what="failed", unit=image.number)]
    begun = {unit.action.subject for unit in play(made, record, lambda _: "done")}
    assert not {"m000/a000-0"} & begun
    assert {"m001/a001-0", "m002/a002-0"} <= begun


def test_paused_nothing_begins_and_taken_up_it_goes_on() -> None:
    made = order(fleet(3, 1), Policy())
    record = [Entry(what="paused")]
    assert nexts(made, record).begin == ()
    assert nexts(made, record).verdict == "paused"
    assert nexts(made, [*record, Entry(what="resumed")]).begin


def play(made: Order, record: list[Entry], result: Callable[[Unit], What]) -> list[Unit]:
    """Carry an order out to its end, one unit at a time; return what was begun."""
    begun: list[Unit] = []
    while not (coming := nexts(made, record)).verdict:
        unit = coming.begin[0]
        begun.append(unit)
        record += [Entry(what="begun", unit=unit.number), Entry(what=result(unit), unit=unit.number)]
    return begun


policies = st.builds(
    Policy,
    canary=st.integers(0, 3),
    waves=st.lists(st.one_of(st.integers(1, 20), st.sampled_from(["5%", "25%", "50%", "100%"])), max_size=3).map(tuple),
    max_parallel=st.integers(1, 5),
    max_failures=st.one_of(st.integers(1, 5), st.sampled_from(["10%", "50%"])),
)
plans = st.builds(fleet, st.integers(1, 8), st.integers(1, 3), kinds=st.integers(1, 3), meters=st.booleans())


@settings(max_examples=150, deadline=None)
@given(plan=plans, policy=policies, seed=st.integers(0, 1 << 30))
def test_whatever_happens_the_rules_hold_and_any_prefix_of_the_record_decides_the_same(
    plan: Plan, policy: Policy, seed: int
) -> None:
    chance, made = random.Random(seed), order(plan, policy)
    wave_of = {unit.number: n for n, wave in enumerate(made.waves) for unit in wave}
    assert sorted(wave_of) == list(range(len(plan.actions))), "each action has exactly one place"
    record: list[Entry] = []
    live: dict[int, Unit] = {}
    asked: list[tuple[int, frozenset[int], Any]] = []
    while True:
        coming = nexts(made, record, live)
        asked.append((len(record), frozenset(live), coming))
        if coming.verdict:
            break
        for unit in coming.begin:
            check_may_begin(made, wave_of, states(record), unit)
            live[unit.number] = unit
            record.append(Entry(what="begun", unit=unit.number))
        assert len({unit.action.machine for unit in live.values()}) == len(live), "two at once on one machine"
        assert len(live) <= policy.max_parallel
        number = chance.choice(sorted(live))
        del live[number]
        record.append(Entry(what=chance.choice(RESULTS), unit=number))
    again = msgspec.json.decode(msgspec.json.encode(record), type=list[Entry])
    for length, under_way, coming in asked:
        assert nexts(made, again[:length], under_way) == coming
    if coming.verdict == "complete":
        assert not stopped(made, states(record))


def check_may_begin(made: Order, wave_of: dict[int, int], found: dict[int, What], unit: Unit) -> None:
    """No wave before the gate of the one before; nothing once the stop rule holds; what it needs is done."""
    assert not stopped(made, found)
    assert all(found.get(number) == "done" for number in unit.after)
    if unit.ahead:
        return
    before = [other for other in made.units if wave_of[other.number] < wave_of[unit.number]]
    open_ = [other for other in before if found.get(other.number) not in {"done", "failed", "unknown"}]
    assert all(cannot_begin(made, found, other) for other in open_)


def cannot_begin(made: Order, found: dict[int, What], unit: Unit) -> bool:
    by_number = {other.number: other for other in made.units}
    return any(found.get(n) in {"failed", "unknown"} or cannot_begin(made, found, by_number[n]) for n in unit.after)


@settings(max_examples=100, deadline=None)
@given(plan=plans, policy=policies, seed=st.integers(0, 1 << 30))
def test_a_controller_that_comes_after_looks_at_what_was_under_way_before_it_begins_anything(
    plan: Plan, policy: Policy, seed: int
) -> None:
    chance, made = random.Random(seed), order(plan, policy)
    record: list[Entry] = []

    def result(_: Unit) -> What:
        return chance.choice(RESULTS)

    play(made, record, result)
    prefix = record[: chance.randint(0, len(record))]
    coming = nexts(made, prefix)
    left = {number for number, what in states(prefix).items() if what == "begun"}
    assert {unit.number for unit in coming.look} == left
    assert not (left and coming.begin)
