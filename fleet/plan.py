"""The difference between the fleet that is wished and the fleet that is: pure, deterministic, as data.

Read `plan` from top to bottom: machine by machine, first its images, then its meter, then its agents. What did not
answer is unknown, never missing: nothing is planned for it, and the plan says so.
"""

import hashlib
from collections.abc import Iterator

import msgspec

from fleet.actions import AnyAction, Deploy, PlaceImage, PlaceMeter, Start
from fleet.drift import Drift
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, Target, Unplaced, Wish


class Plan(msgspec.Struct, frozen=True):
    """What is to be done, in order, and what could not be looked at.

    Attributes:
        actions: an action depends on those before it on its own machine; machines are independent.
        unknown: names of machines that did not answer.
        strays: ``machine/agent`` that run there and are in no file; they are left alone.
        unwell: ``machine/agent`` that the supervisor gave up; starting them is a person's decision.
        agents: those that are deployed, by name, as they are to be: placed, their image resolved.
        unplaced: agents that no machine can take, each with its reason.
        drift: where a machine is not as it was left by us, and what follows from it.
    """

    actions: tuple[AnyAction, ...] = ()
    unknown: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    unwell: tuple[str, ...] = ()
    agents: dict[str, Agent] = {}
    unplaced: tuple[Unplaced, ...] = ()
    drift: tuple[Drift, ...] = ()

    @property
    def fingerprint(self) -> str:
        """A hash of the whole plan, to refuse one that is stale: 16 hexadecimal digits."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.actions)


def plan(wish: Wish, seen: Seen, targets: dict[str, Target]) -> Plan:
    """Return what turns the seen fleet into the wished one.

    Args:
        wish: the fleet as its files say.
        seen: the fleet as its machines say.
        targets: of every agent in the wish, by name.
    """
    actions: list[AnyAction] = []
    living: dict[str, list[str]] = {}
    for agent in sorted(wish.agents):
        living.setdefault(wish.agents[agent].machine, []).append(agent)
    for name in sorted(wish.machines):
        there = seen.machines.get(name)
        if there is not None:
            mine = {agent: targets[agent] for agent in living.get(name, ())}
            actions += _machine(name, wish, there, mine)
    return Plan(
        actions=tuple(actions),
        unknown=tuple(sorted(name for name in wish.machines if seen.machines.get(name) is None)),
        strays=tuple(sorted(strays(wish, seen))),
        unwell=tuple(sorted(_unwell(seen))),
    )


def _machine(name: str, wish: Wish, there: SeenMachine, agents: dict[str, Target]) -> Iterator[AnyAction]:
    if agents:
        yield from _meter(name, wish.machines[name], there)
    placed = set(there.images)
    for agent, target in agents.items():
        seen = there.agents.get(agent, SeenAgent(name=agent))
        if seen.release != target.release and target.image not in placed:
            placed.add(target.image)
            wished = wish.agents[agent]
            yield PlaceImage(
                machine=name, image=target.image, of=wished.kind, ref=wished.ref, reason="reason.image_absent"
            )
        yield from _agent(name, seen, target)


def _meter(name: str, machine: Machine, there: SeenMachine) -> Iterator[AnyAction]:
    right = there.meter_image == machine.meter
    if right and there.meter_state == "running":
        return
    if machine.meter not in there.images:
        ref = machine.meter_ref
        yield PlaceImage(machine=name, image=machine.meter, of="meter", ref=ref, reason="reason.image_absent")
    reason = "reason.meter_absent" if not there.meter_image else "reason.meter_other"
    yield PlaceMeter(machine=name, image=machine.meter, reason="reason.meter_down" if right else reason)


def _agent(machine: str, seen: SeenAgent, target: Target) -> Iterator[AnyAction]:
    if seen.trial:
        reason = "reason.trial_left"
    elif not seen.release:
        reason = "reason.agent_absent"
    elif seen.release != target.release:
        reason = "reason.agent_other"
    elif seen.state != "running" and not seen.on_purpose and not seen.reason:
        yield Start(machine=machine, agent=seen.name, reason="reason.agent_down")
        return
    else:
        return
    resumes = seen.trial == target.release
    yield Deploy(
        machine=machine, agent=seen.name, release=target.release, replaces=seen.release, resumes=resumes, reason=reason
    )


def strays(wish: Wish, seen: Seen) -> Iterator[str]:
    """Yield ``machine/agent`` for whatever runs on a machine and is in no file, or belongs on another machine."""
    for name, there in seen.machines.items():
        for agent in there.agents if there else ():
            if agent not in wish.agents or wish.agents[agent].machine != name:
                yield f"{name}/{agent}"


def _unwell(seen: Seen) -> Iterator[str]:
    for name, there in seen.machines.items():
        for agent in there.agents.values() if there else ():
            if agent.reason and not agent.on_purpose:
                yield f"{name}/{agent.name}"
