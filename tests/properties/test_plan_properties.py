"""What holds of every plan, whatever the fleet: over placing, resolving and planning together."""

import random
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import drift
from fleet.actions import AnyAction, Deploy, Mend, PlaceImage, PlaceMeter, Start
from fleet.deciding import decide
from fleet.kinds import kind
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, State, Wish
from fleet.plan import Plan
from fleet.plan_needs import needs
from fleet.plan_view import Planned
from fleet.resolve import Sort
from templates.meter.meter import VERSION

change = msgspec.structs.replace
MACHINES = ("attic", "box", "cellar")
AGENTS = ("ada", "bob", "eve", "joe")
VERSIONS = ("2026.8.2", "2026.9.6")
METER, OLD_METER = "sha256:meter", "sha256:oldmeter"


def image(version: str) -> str:
    return f"sha256:claw-{version}"


def knows(sort: Sort) -> tuple[str, str]:
    """Return every image, as if this computer had built it."""
    return (METER, f"clawrack/meter:{VERSION}-0") if sort.of == "meter" else (image(sort.version), "clawrack/x:y")


@st.composite
def lives(draw: st.DrawFn, name: str) -> SeenAgent:
    version = draw(st.sampled_from(VERSIONS))
    return SeenAgent(
        name=name,
        kind="openclaw",
        version=version,
        image=image(version),
        release=draw(st.sampled_from(["", "older", "older", "older"])),
        trial=draw(st.sampled_from(["", "", "", "tried"])),
        container=draw(st.sampled_from(["c1", "c2"])),
        started=draw(st.sampled_from(["", "2026-11-21T22:00:00Z"])),
        state=draw(st.sampled_from(list[State](["running", "running", "stopped", "absent", "dead"]))),
        on_purpose=draw(st.sampled_from([False, False, True])),
        reason=draw(st.sampled_from(["", "", "gave up"])),
        drift=draw(st.sampled_from([(), (), ("config",), ("image", "label")])),
        failed=draw(st.sampled_from([(), ("older",)])),
    )


@st.composite
def machine(draw: st.DrawFn, name: str) -> SeenMachine:
    return SeenMachine(
        id=draw(st.sampled_from([f"id-{name}", f"id-{name}", f"id-{name}", "id-copied"])),
        engine=draw(st.sampled_from(["29.1", "29.1", "29.1", ""])),
        architecture="amd64",
        store="classic",
        agents={agent: draw(lives(agent)) for agent in draw(st.sets(st.sampled_from(AGENTS), max_size=3))},
        images=frozenset(draw(st.sets(st.sampled_from([METER, OLD_METER, *map(image, VERSIONS)])))),
        meter_image=draw(st.sampled_from(["", METER, OLD_METER])),
        meter_state=draw(st.sampled_from(list[State](["running", "stopped", "absent"]))),
        memory=1 << 36,
        free=1 << 40,
    )


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Wish, dict[str, SeenMachine], Seen]:
    """Files, what is true, and what of it was seen. What lives anywhere was deployed by us, so its file says so."""
    truth = {name: draw(machine(name)) for name in MACHINES}
    alive = {agent for there in truth.values() for agent in there.agents}
    files: dict[str, Agent] = {}
    for name in sorted({*alive, *draw(st.sets(st.sampled_from(AGENTS)))}):
        version = draw(st.sampled_from(VERSIONS))
        deployed = name in alive or draw(st.booleans())
        files[name] = Agent(
            kind="openclaw",
            machine=draw(st.sampled_from(["", *MACHINES])),
            version=version,
            image=image(version) if deployed else "",
            image_of=draw(st.sampled_from(VERSIONS)) if deployed else "",
        )
    meters = st.sampled_from([(METER, f"clawrack/meter:{VERSION}-0"), (OLD_METER, "clawrack/meter:0.0.1-0")])
    machines = {
        name: Machine(address=name, architecture="amd64", meter=meter, meter_ref=ref)
        for name in MACHINES
        for meter, ref in [draw(meters)]
    }
    silent = draw(st.sets(st.sampled_from(MACHINES), max_size=2))
    seen = Seen(machines={name: None if name in silent else there for name, there in truth.items()})
    return Wish(machines=machines, agents=files), truth, seen


def planned(wish: Wish, seen: Seen) -> Planned:
    return decide(wish, seen, knows, {})


def done(truth: dict[str, SeenMachine], found: Planned, order: Sequence[AnyAction]) -> dict[str, SeenMachine]:
    """Carry actions out, in this order, and see each time that what it stands on is there."""
    after = dict(truth)
    for action in order:
        after[action.machine] = step(after[action.machine], action, found.plan)
    return after


def step(there: SeenMachine, action: AnyAction, plan: Plan) -> SeenMachine:
    agents = dict(there.agents)
    match action:
        case PlaceImage():
            return change(there, images=there.images | {action.image})
        case PlaceMeter():
            assert action.image in there.images, "a meter without its image"
            return change(there, meter_image=action.image, meter="", meter_state="running")
        case Deploy():
            wished = plan.agents[action.agent]
            assert wished.image in there.images, "an agent without its image"
            assert there.meter_state == "running", "an agent without a meter"
            agents[action.agent] = SeenAgent(
                name=action.agent, kind=wished.kind, release=action.release, version=wished.version, image=wished.image,
                state="running",
            )  # fmt: skip
        case Mend():
            assert action.what == "config" or plan.agents[action.agent].image in there.images
            agents[action.agent] = change(agents[action.agent], drift=(), state="running")
        case Start():
            assert there.meter_state == "running", "an agent without a meter"
            agents[action.agent] = change(agents[action.agent], state="running")
        case _:
            raise AssertionError(action)
    return change(there, agents=agents)


def homes(truth: dict[str, SeenMachine]) -> dict[str, int]:
    """How many copies of each agent run, or may start by themselves."""
    found: dict[str, int] = {}
    for there in truth.values():
        for name, agent in there.agents.items():
            found[name] = found.get(name, 0) + (not drift.settled(agent))
    return found


@given(fleets())
@settings(max_examples=300)
def test_there_are_never_two_of_one_agent(told: tuple[Wish, dict[str, SeenMachine], Seen]) -> None:
    wish, truth, seen = told
    found = planned(wish, seen)
    before, after = homes(truth), homes(done(truth, found, found.plan.actions))
    assert all(copies <= max(1, before.get(name, 0)) for name, copies in after.items())
    answered = {name: there for name, there in seen.machines.items() if there}
    twice = {name for name, copies in homes(answered).items() if copies > 1}
    assert not twice & {getattr(action, "agent", "-") for action in found.plan.actions}


@given(fleets())
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(told: tuple[Wish, dict[str, SeenMachine], Seen]) -> None:
    wish, truth, seen = told
    found = planned(wish, seen)
    after = done(truth, found, found.plan.actions)
    written = change(
        wish, agents=wish.agents | found.plan.agents, machines=wish.machines | found.plan.machines
    )  # the wish is written before it is done
    answered = {name: after[name] if there else None for name, there in seen.machines.items()}
    assert not planned(written, Seen(machines=answered)).plan


@given(fleets(), st.randoms(use_true_random=False))
def test_in_any_order_that_the_graph_allows_no_dependency_is_violated(
    told: tuple[Wish, dict[str, SeenMachine], Seen], dice: random.Random
) -> None:
    wish, truth, seen = told
    found = planned(wish, seen)
    waits = dict(enumerate(needs(found.plan.actions, found.plan.agents)))
    order: list[int] = []
    while waits:
        ready = [number for number, before in waits.items() if set(before) <= set(order)]
        order.append(dice.choice(ready))
        del waits[order[-1]]
    assert all(
        found.plan.actions[number].machine == found.plan.actions[before].machine
        for number, earlier in enumerate(needs(found.plan.actions, found.plan.agents))
        for before in earlier
    ), "machines are independent"
    by_graph = done(truth, found, [found.plan.actions[number] for number in order])
    assert by_graph == done(truth, found, found.plan.actions)


@given(fleets(), st.randoms(use_true_random=False))
def test_the_same_fleet_gives_the_same_plan_in_whatever_order_it_is_told(
    told: tuple[Wish, dict[str, SeenMachine], Seen], dice: random.Random
) -> None:
    wish, _, seen = told

    def shuffled(known: dict[str, object]) -> dict[str, object]:
        items = list(known.items())
        dice.shuffle(items)
        return dict(items)

    def stirred(there: SeenMachine) -> SeenMachine:
        agents = {name: change(agent, container="c9", started="now") for name, agent in there.agents.items()}
        return change(there, agents=shuffled(dict(agents)))

    machines = {name: stirred(there) if there else None for name, there in seen.machines.items()}
    other = change(wish, agents=shuffled(dict(wish.agents)), machines=shuffled(dict(wish.machines)))
    one, two = planned(wish, seen).plan, planned(other, Seen(machines=shuffled(dict(machines)))).plan  # pyright: ignore[reportArgumentType]
    assert one == two
    assert one.fingerprint == two.fingerprint


@given(fleets())
def test_what_did_not_answer_is_left_alone_and_said(told: tuple[Wish, dict[str, SeenMachine], Seen]) -> None:
    wish, _, seen = told
    made = planned(wish, seen).plan
    dark = {name for name, there in seen.machines.items() if there is None}
    asleep = {name for name, there in seen.machines.items() if there and not there.engine}
    copied = set(drift.twice(seen))
    assert set(made.unknown) == dark
    assert not {action.machine for action in made.actions} & (dark | asleep | copied)
    assert {one.machine for one in made.drift if one.then == "held" and not one.agent} == asleep | copied


@given(fleets())
def test_every_agent_that_something_is_done_with_is_in_the_plan_as_it_is_to_be(
    told: tuple[Wish, dict[str, SeenMachine], Seen],
) -> None:
    wish, _, seen = told
    made = planned(wish, seen).plan
    for action in made.actions:
        if isinstance(action, Deploy):
            agent = made.agents[action.agent]
            assert agent.machine == action.machine
            assert (agent.image_of, agent.image) == (agent.version, image(agent.version))
            assert agent.version in VERSIONS
            assert agent.kind == kind("openclaw").name
