"""The difference between the fleet that is wished and the fleet that is: pure, deterministic, as data.

Read `plan` from top to bottom: machine by machine, first its images, then its meter, then its agents. What did not
answer is unknown, never missing: nothing is planned for it, and the plan says so. What is not as we left it is drift
(fleet/drift.py), told beside what is done about it.
"""

import hashlib
from collections.abc import Iterator, Mapping

import msgspec

from fleet import drift
from fleet.actions import AnyAction, Deploy, Mend, PlaceImage, PlaceMeter, Start
from fleet.drift import Drift
from fleet.kinds import METER
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, Target, Unplaced, Wish
from fleet.plan_agent import Known, Meter, Scene, of_agent


class Plan(msgspec.Struct, frozen=True):
    """What is to be done, in order, and what could not be looked at.

    Attributes:
        actions: in an order that respects what each needs (`fleet.plan_needs`); machines are independent.
        unknown: names of machines that did not answer.
        strays: ``machine/agent`` that run there and are in no file; they are left alone.
        unwell: ``machine/agent`` that the supervisor gave up; starting them is a person's decision.
        agents: those that something is done with, by name, as they are to be: placed, their image resolved.
        unplaced: agents that no machine can take, each with its reason.
        drift: where a machine is not as it was left by us, and what follows from it.
        machines: those whose meter is replaced, by name, as they are to be.
    """

    actions: tuple[AnyAction, ...] = ()
    unknown: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    unwell: tuple[str, ...] = ()
    agents: dict[str, Agent] = {}
    unplaced: tuple[Unplaced, ...] = ()
    drift: tuple[Drift, ...] = ()
    machines: dict[str, Machine] = {}

    @property
    def fingerprint(self) -> str:
        """A hash of what was decided, and upon what, to refuse a plan that is stale: 16 hexadecimal digits.

        Machines that were silent, and what is somebody else's, decide nothing: they may come and go.
        """
        weighed = (self.actions, self.agents, self.machines, self.unplaced, [one for one in self.drift if one.weighs])
        return hashlib.sha256(msgspec.json.encode(weighed, order="deterministic")).hexdigest()[:16]

    @property
    def unmade(self) -> bool:
        """Whether an image has no id yet, because it is to be made or asked for first."""
        return any(isinstance(action, PlaceImage) and not action.image for action in self.actions)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.actions)


def plan(wish: Wish, seen: Seen, targets: Mapping[str, Target], known: Known | None = None) -> Plan:
    """Return what turns the seen fleet into the wished one.

    Args:
        wish: the fleet as its files say, every agent placed.
        seen: the fleet as its machines say.
        targets: of the agents on machines that answered, by name. One without an image is one that is yet to be made.
        known: what else there is to know.
    """
    scene = Scene(wish, seen, targets, known or Known(), _living(wish), drift.homes(seen), drift.twice(seen))
    found = [one for name in sorted(wish.machines) for one in _machine(scene, name)]
    actions = tuple(one for one in found if not isinstance(one, Drift))
    touched = {action.agent for action in actions if isinstance(action, (Deploy, Start, Mend))}
    meters = {action.machine for action in actions if isinstance(action, PlaceMeter)}
    return Plan(
        actions=actions,
        unknown=scene.silent,
        strays=tuple(sorted(strays(wish, seen))),
        unwell=tuple(sorted(_unwell(seen))),
        agents={name: wish.agents[name] for name in sorted(touched)},
        unplaced=scene.known.unplaced,
        drift=tuple(one for one in found if isinstance(one, Drift)),
        machines={name: wish.machines[name] for name in sorted(meters)},
    )


def _living(wish: Wish) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for agent in sorted(wish.agents):
        found.setdefault(wish.agents[agent].machine, []).append(agent)
    return found


def _machine(scene: Scene, name: str) -> Iterator[AnyAction | Drift]:
    machine, there = scene.wish.machines[name], scene.seen.machines.get(name)
    if there is None:
        return
    held = drift.of_machine(name, machine, there, scene.twins)
    if held:
        yield held
        return
    yield from drift.around(name, there, scene.wish, scene.unplaced)
    mine = [agent for agent in scene.living.get(name, ()) if agent in scene.targets]
    if mine:
        yield from _meter(name, machine, there, scene.known.meters.get(name, Meter()))
    placed = set(there.images)
    for agent in mine:
        seen = there.agents.get(agent) or SeenAgent(name=agent)
        for found in of_agent(scene, name, seen):
            if not isinstance(found, Drift):
                yield from _image(scene, found, seen, placed)
            yield found


def _meter(name: str, machine: Machine, there: SeenMachine, known: Meter) -> Iterator[AnyAction]:
    right = there.meter_image == machine.meter and bool(machine.meter)
    alike = right and (not known.release or not there.meter or there.meter == known.release)
    if alike and there.meter_state == "running":
        return
    if not machine.meter or machine.meter not in there.images:
        reason = "reason.image_absent" if machine.meter else "reason.image_unmade"
        yield PlaceImage(
            machine=name, image=machine.meter, of=METER, ref=machine.meter_ref, version=known.version, reason=reason
        )
    reason = "reason.meter_down" if alike else "reason.meter_cage" if right else _other_meter(there, known)
    yield PlaceMeter(machine=name, image=machine.meter, version=known.version, runs=known.runs, reason=reason)


def _other_meter(there: SeenMachine, known: Meter) -> str:
    if not there.meter_image:
        return "reason.meter_absent"
    return "reason.meter_old" if known.runs and known.version else "reason.meter_other"


def _image(scene: Scene, action: AnyAction, seen: SeenAgent, placed: set[str]) -> Iterator[AnyAction]:
    """Yield that the image is placed which an action needs, where the machine lacks it; ``placed`` is added to."""
    makes_box = isinstance(action, Deploy) or (isinstance(action, Mend) and action.what == "box")
    if not makes_box and not (isinstance(action, Start) and seen.state == "absent"):
        return
    agent, image = scene.wish.agents[seen.name], scene.targets[seen.name].image
    mark = image or f"{agent.kind} {agent.version}"
    if mark in placed:
        return
    placed.add(mark)
    reason = "reason.image_absent" if image else "reason.image_unmade"
    yield PlaceImage(
        machine=action.machine, image=image, of=agent.kind, ref=agent.ref, version=agent.version, reason=reason
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
