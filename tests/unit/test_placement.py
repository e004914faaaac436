"""On which machine each agent comes to live, and that nobody moves."""

import time
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.base.words import say
from fleet.kinds import Kind, Needs, kind
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, Wish
from fleet.placement import GB, Placed, place

Item = TypeVar("Item")
KINDS = {
    "small": replace(kind("openclaw"), needs=Needs(memory=1 * GB, disk=2 * GB)),
    "large": replace(kind("openclaw"), needs=Needs(memory=3 * GB, disk=4 * GB)),
    "intel": replace(kind("openclaw"), needs=Needs(memory=1 * GB, disk=1 * GB), architectures=("amd64",)),
}


def known(name: str) -> Kind:
    return KINDS[name]


def box(memory: int = 8, free: int = 40, architecture: str = "amd64", **agents: str) -> SeenMachine:
    """A machine that was seen; of each agent its kind, with a ~ behind it where it was stopped on purpose."""
    living = {name.replace("_", "-"): on(name.replace("_", "-"), which) for name, which in agents.items()}
    return SeenMachine(id="", engine="27", memory=memory * GB, free=free * GB, architecture=architecture, agents=living)


def on(name: str, which: str) -> SeenAgent:
    stopped = which.endswith("~")
    state = "stopped" if stopped else "running"
    return SeenAgent(name=name, kind=which.rstrip("~"), release="r", container="c", state=state, on_purpose=stopped)


def machine(*tags: str, drained: bool = False) -> Machine:
    return Machine(address="10.0.0.1", tags=tags, drained=drained)


def agent(which: str = "small", *tags: str, at: str = "", group: str = "") -> Agent:
    return Agent(kind=which, machine=at, tags=tags, group=group)


def placed(agents: dict[str, Agent], machines: dict[str, Machine], seen: Mapping[str, SeenMachine | None]) -> Placed:
    return place(Wish(machines=machines, agents=agents), Seen(machines={**seen}), known)


def reason(found: Placed) -> str:
    (one,) = found.unplaced
    return say(one.reason, **one.params)


TWO = {"pc-1": machine(), "pc-2": machine()}


def test_agents_are_spread_and_ties_are_by_name() -> None:
    found = placed({name: agent() for name in "abcd"}, TWO, {"pc-1": box(), "pc-2": box()})
    assert found == Placed({"a": "pc-1", "b": "pc-2", "c": "pc-1", "d": "pc-2"})


def test_members_of_a_group_are_spread_over_machines_that_have_others() -> None:
    agents = {f"social-0{n}": agent(group="social") for n in (1, 2)} | {"x": agent(at="pc-1"), "y": agent(at="pc-1")}
    found = placed(agents, TWO, {"pc-1": box(), "pc-2": box()})
    assert sorted(found.homes[name] for name in ("social-01", "social-02")) == ["pc-1", "pc-2"]


def test_a_file_is_right_and_one_that_is_lost_is_made_good_by_where_the_agent_runs() -> None:
    seen = {"pc-1": box(a="small", b="small"), "pc-2": box()}
    assert placed({"a": agent(), "b": agent(at="pc-1")}, TWO, seen).homes == {"a": "pc-1", "b": "pc-1"}


def test_a_pinned_agent_stays_where_its_machine_is_silent_full_or_drained() -> None:
    for machines, there in (
        (TWO, None),
        (TWO, box(memory=0, a="small")),
        ({**TWO, "pc-1": machine(drained=True)}, box(a="small")),
    ):
        assert placed({"a": agent(at="pc-1")}, machines, {"pc-1": there, "pc-2": box()}).homes == {"a": "pc-1"}


def test_an_agent_that_is_on_two_machines_is_placed_on_neither() -> None:
    found = placed({"a": agent()}, TWO, {"pc-1": box(a="small"), "pc-2": box(a="small")})
    assert (found.homes, found.unplaced[0].reason) == ({}, "place.twice")
    assert "pc-1, pc-2" in reason(found)


def test_of_two_machines_the_one_where_it_was_stopped_on_purpose_is_not_its_home() -> None:
    assert placed({"a": agent()}, TWO, {"pc-1": box(a="small~"), "pc-2": box(a="small")}).homes == {"a": "pc-2"}
    assert placed({"a": agent()}, TWO, {"pc-1": box(a="small~"), "pc-2": box(a="small~")}).homes == {}


def test_one_that_was_deployed_and_lost_its_home_waits_for_the_silent_machine() -> None:
    lost = replace(agent(), image="sha256:1")
    assert placed({"a": lost}, TWO, {"pc-1": None, "pc-2": box()}).unplaced[0].reason == "place.maybe_elsewhere"
    assert placed({"a": lost}, TWO, {"pc-1": box(), "pc-2": box()}).homes == {"a": "pc-1"}
    assert placed({"a": agent()}, TWO, {"pc-1": None, "pc-2": box()}).homes == {"a": "pc-2"}  # never deployed


def test_an_agents_kind_is_not_changed_where_it_lives() -> None:
    found = placed({"a": agent("large", at="pc-1")}, TWO, {"pc-1": box(a="small"), "pc-2": box()})
    assert found.unplaced[0].reason == "place.kind"
    assert "small" in reason(found)
    assert "large" in reason(found)


def test_strangers_and_members_beyond_their_group_take_room_too() -> None:
    wish = Wish(machines={"pc-1": machine()}, agents={"new": agent("large")}, beyond={"old-9": agent("large")})
    seen = Seen(machines={"pc-1": box(5, stranger="small", old_9="large")})
    assert place(wish, seen, known).unplaced[0].reason == "place.memory"


def test_one_on_its_way_takes_room_too() -> None:
    agents = {"a": agent("large", at="pc-1"), "b": agent("large")}
    found = placed(agents, {"pc-1": machine()}, {"pc-1": box(5)})
    assert (found.homes, reason(found)[:26]) == ({"a": "pc-1"}, "it needs 3.0 GB of memory;")
    found = placed(agents, {"pc-1": machine()}, {"pc-1": box(8, 7)})
    assert reason(found).startswith(
        "it needs 4.0 GB of disk; of 1 machines that may have it, pc-1 has the most left: 3.0"
    )


RACK = {
    "pc-1": machine("rack-a", "gpu"),
    "pc-2": machine("rack-a"),
    "pc-3": machine("rack-a"),
    "pc-4": machine(drained=True),
}


@pytest.mark.parametrize(
    ("wanted", "seen", "key", "numbers"),
    [
        (agent("small", "rack-b"), {}, "place.tags", ["rack-b"]),
        (agent("small", "gpu", "rack-b"), {}, "place.tags", ["gpu, rack-b"]),
        (agent("small", "rack-a"), {"pc-1": None}, "place.silent", ["of 3 machines"]),
        (agent("small"), {"pc-4": box()}, "place.drained", ["of 4 machines", "1 are drained", "3 could not"]),
        (agent("intel", "gpu"), {"pc-1": box(architecture="arm64")}, "place.architecture", ["intel", "of 1 machines"]),
        (
            agent("large", "rack-a"),
            {"pc-1": box(2), "pc-2": box(4, x="large"), "pc-3": box(9, 40, q="large", r="large", s="small")},
            "place.memory",
            ["needs 3.0 GB", "of 3 machines", "pc-1 has the most left: 2.0 GB"],
        ),
        (
            agent("large", "rack-a"),
            {"pc-1": box(2, 400), "pc-2": box(8, 3), "pc-3": box(8, 2)},
            "place.disk",
            ["needs 4.0 GB", "pc-2 has the most left: 3.0 GB"],
        ),
    ],
)
def test_who_finds_no_place_is_told_what_nobody_has(
    wanted: Agent, seen: dict[str, SeenMachine | None], key: str, numbers: list[str]
) -> None:
    found = placed({"a": wanted}, RACK, seen)
    assert [(one.agent, one.reason) for one in found.unplaced] == [("a", key)]
    for number in numbers:
        assert number in reason(found)


def test_little_memory_is_told_in_megabytes() -> None:
    tight = replace(box(1), memory=GB - 1)
    assert "needs 1.0 GB of memory; of 1 machines that may have it, pc-1 has the most left: 1023 MB" in reason(
        placed({"a": agent()}, {"pc-1": machine()}, {"pc-1": tight})
    )


def test_without_machines_that_is_the_reason() -> None:
    assert placed({"a": agent()}, {}, {}).unplaced[0].reason == "place.nobody"


def test_a_machine_that_does_not_say_its_memory_gets_nothing_new() -> None:
    assert placed({"a": agent()}, TWO, {"pc-1": box(0), "pc-2": None}).unplaced[0].reason == "place.memory"


def test_two_machines_with_one_id_get_nothing_new() -> None:
    twin = replace(box(), id="same")
    assert placed({"a": agent()}, TWO, {"pc-1": twin, "pc-2": twin}).unplaced[0].reason == "place.silent"


def test_nothing_new_comes_to_a_drained_machine_though_its_file_says_so() -> None:
    machines = {**TWO, "pc-1": machine(drained=True)}
    found = placed({"a": agent(at="pc-1")}, machines, {"pc-1": box(), "pc-2": box()})
    assert found.unplaced[0].reason == "place.home_drained"


# --- properties -------------------------------------------------------------------------------------------------------

NAMES = [f"a-{n}" for n in range(12)]
PLACES = [f"pc-{n}" for n in range(5)]
MACHINES = st.dictionaries(
    st.sampled_from(PLACES),
    st.builds(machine, st.sampled_from(["rack-a", "rack-b"]), drained=st.booleans()),
    min_size=1,
)


def told(which: str, tags: list[str], group: str) -> Agent:
    return agent(which, *tags, group=group)


def boxed(memory: int, free: int, architecture: str, agents: dict[str, str]) -> SeenMachine:
    living = {name: on(name, which) for name, which in agents.items()}
    return replace(box(memory, free, architecture), agents=living)


AGENTS = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(
        told,
        st.sampled_from(sorted(KINDS)),
        st.lists(st.sampled_from(["rack-a", "rack-b"]), max_size=1),
        st.sampled_from(["", "g", "h"]),
    ),
)
BOXES = st.builds(
    boxed,
    st.integers(0, 12),
    st.integers(0, 40),
    st.sampled_from(["amd64", "arm64"]),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["small", "large", "small~"]), max_size=4),
)


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Wish, Seen]:
    machines, agents = draw(MACHINES), draw(AGENTS)
    homes = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(sorted(machines))))
    agents = {name: replace(one, machine=homes.get(name, "")) for name, one in agents.items()}
    seen = {name: draw(st.none() | BOXES) for name in machines}
    return Wish(machines=machines, agents=agents), Seen(machines=dict(seen))


def carried_out(wish: Wish, seen: Seen, found: Placed) -> tuple[Wish, Seen]:
    """The files say where everybody lives, and those whose machine answered live there."""
    agents = {name: replace(one, machine=found.homes.get(name, one.machine)) for name, one in wish.agents.items()}
    machines = dict(seen.machines)
    for name, home in found.homes.items():
        there = machines.get(home)
        if there and name not in there.agents:
            free = there.free - KINDS[wish.agents[name].kind].needs.disk
            living = {**there.agents, name: on(name, wish.agents[name].kind)}
            machines[home] = replace(there, agents=living, free=max(0, free))
    return replace(wish, agents=agents), Seen(machines=machines)


@settings(deadline=None)
@given(fleets())
def test_every_agent_has_a_home_or_a_reason_and_never_both(fleet: tuple[Wish, Seen]) -> None:
    found = place(*fleet, known)
    told = [*found.homes, *(one.agent for one in found.unplaced)]
    assert sorted(told) == sorted(fleet[0].agents)
    for one in found.unplaced:
        assert say(one.reason, **one.params)


@settings(deadline=None)
@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_of_files_and_of_answers_does_not_matter(fleet: tuple[Wish, Seen], random: Random) -> None:
    wish, seen = fleet
    mixed = replace(wish, machines=shuffled(wish.machines, random), agents=shuffled(wish.agents, random))
    assert place(mixed, Seen(shuffled(seen.machines, random)), known) == place(wish, seen, known)


def shuffled(some: dict[str, Item], random: Random) -> dict[str, Item]:
    items = list(some.items())
    random.shuffle(items)
    return dict(items)


@settings(deadline=None)
@given(fleets())
def test_nobody_who_is_placed_anew_overfills_a_machine_or_comes_where_it_must_not(fleet: tuple[Wish, Seen]) -> None:
    wish, seen = fleet
    found = place(wish, seen, known)
    lives = {name for there in seen.machines.values() if there for name in there.agents}
    for name in (n for n in found.homes if not wish.agents[n].machine and n not in lives):
        home = found.homes[name]
        there, which = seen.machines[home], KINDS[wish.agents[name].kind]
        assert there
        assert not wish.machines[home].drained
        assert set(wish.agents[name].tags) <= set(wish.machines[home].tags)
        assert there.architecture in which.architectures
        mine = {n: wish.agents[n].kind for n, at in found.homes.items() if at == home}
        others = {n: one.kind for n, one in there.agents.items() if n not in mine}
        assert sum(KINDS[k].needs.memory for k in (mine | others).values()) <= there.memory
        new = [n for n in mine if n not in there.agents]
        assert sum(KINDS[mine[n]].needs.disk for n in new) <= there.free


@settings(deadline=None)
@given(fleets(), st.sampled_from([*NAMES, "zz", "0"]), st.sampled_from(sorted(KINDS)))
def test_nobody_moves_when_one_is_added_removed_or_a_machine_goes_or_comes_back(
    fleet: tuple[Wish, Seen], name: str, which: str
) -> None:
    found = place(*fleet, known)
    wish, seen = carried_out(*fleet, found)
    before = {n: home for n, home in found.homes.items() if n != name}
    more = replace(wish, agents={**wish.agents, name: agent(which)})
    fewer = replace(wish, agents={n: one for n, one in wish.agents.items() if n != name})
    silent = Seen(machines=dict.fromkeys(seen.machines))
    for wished, looked in ((more, seen), (fewer, seen), (wish, silent), (wish, seen)):
        after = place(wished, looked, known).homes
        assert {n: home for n, home in after.items() if n in before and n != name} == before


@settings(deadline=None)
@given(fleets())
def test_a_lost_file_is_made_good_by_the_machine_that_has_the_agent(fleet: tuple[Wish, Seen]) -> None:
    wish, seen = carried_out(*fleet, place(*fleet, known))
    homes = place(wish, seen, known).homes
    lives = Counter(name for there in seen.machines.values() if there for name in there.agents)
    for name, home in homes.items():
        there = seen.machines.get(home)
        if lives[name] == 1 and there and name in there.agents:
            lost = replace(wish, agents={**wish.agents, name: replace(wish.agents[name], machine="")})
            assert place(lost, seen, known).homes[name] == home


def test_10000_new_agents_find_their_places_on_1000_machines_in_a_moment() -> None:
    machines = {f"pc-{n:04}": machine("rack-a") for n in range(1000)}
    agents = {f"a-{n:05}": agent("small", "rack-a", group=f"g-{n % 3}") for n in range(10_000)}
    begun = time.process_time()
    found = placed(agents, machines, {name: box(10, 100) for name in machines})
    took = time.process_time() - begun
    assert set(Counter(found.homes.values()).values()) == {10}
    assert took < 3
    full = placed(agents | {f"b-{n:05}": agent("large", "rack-a") for n in range(10_000)}, machines, {})
    assert len(full.unplaced) == 20_000
