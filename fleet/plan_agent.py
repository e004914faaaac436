"""What is planned for one agent, and why nothing is where nothing is: pure. The rules that keep an agent from harm."""

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from fleet import drift
from fleet.actions import AnyAction, Deploy, Mend, Start
from fleet.drift import Drift
from fleet.model import Agent, Seen, SeenAgent, Target, Unplaced, Wish


@dataclass(frozen=True)
class Meter:
    """What is known of a machine's meter beside its image.

    Attributes:
        release: that it should be; empty where only its image counts.
        version: of the one that it should run.
        runs: the version of the one that there is.
    """

    release: str = ""
    version: str = ""
    runs: str = ""


@dataclass(frozen=True)
class Known:
    """What a planner is told beside the wish and the seen.

    Attributes:
        meters: of machines, by name.
        deployed: agents whose own files say that they were deployed once; where they are not, a silent machine may
            have them.
        unplaced: agents that no machine can take.
        again: releases that failed on a machine are tried there again.
    """

    meters: Mapping[str, Meter] = field(default_factory=dict[str, Meter])
    deployed: Collection[str] = ()
    unplaced: tuple[Unplaced, ...] = ()
    again: bool = False


@dataclass(frozen=True)
class Scene:
    """All that is planned upon.

    Attributes:
        living: the agents of each machine, by its name.
        homes: the machines on which each agent was seen, by its name.
        twins: machines with another one's id, each with the other.
    """

    wish: Wish
    seen: Seen
    targets: Mapping[str, Target]
    known: Known
    living: Mapping[str, list[str]]
    homes: Mapping[str, list[str]]
    twins: Mapping[str, str]

    @functools.cached_property
    def unplaced(self) -> frozenset[str]:
        """Names of agents that have no place."""
        return frozenset(one.agent for one in self.known.unplaced)

    @functools.cached_property
    def silent(self) -> tuple[str, ...]:
        """Machines that did not answer."""
        return tuple(sorted(name for name in self.wish.machines if self.seen.machines.get(name) is None))


def of_agent(scene: Scene, machine: str, seen: SeenAgent) -> Iterator[AnyAction | Drift]:
    """Yield what is done with an agent on its machine, and what was found changed."""
    target = scene.targets[seen.name]
    release = target.release if target.image else ""
    held = _held(scene, machine, seen, release)
    if held:
        yield held
        return
    same = bool(release) and seen.release == release and not seen.trial
    yield from drift.of_agent(machine, seen, same=same)
    if not same:
        yield _deploy(scene, machine, seen, release)
    elif not seen.reason:
        yield from _kept(machine, seen)


def _held(scene: Scene, machine: str, seen: SeenAgent, release: str) -> Drift | None:
    """Return why nothing is done with an agent, or None."""
    other = _copy(scene, machine, seen)
    if other:
        return other
    if seen.trial or not seen.release:
        return None
    same = bool(release) and seen.release == release
    if seen.on_purpose:
        what = "drift.stopped" if same else "drift.stopped_other"
        return Drift(machine=machine, agent=seen.name, what=what, then="left")
    if not same and release in seen.failed and not scene.known.again:
        told = {"release": release, "runs": seen.release}
        return Drift(machine=machine, agent=seen.name, what="drift.failed_before", then="held", params=told)
    return None


def _copy(scene: Scene, machine: str, seen: SeenAgent) -> Drift | None:
    """Return that the agent lives, or may live, on another machine too; there are never two of one."""
    there = scene.seen.machines
    for other in scene.homes.get(seen.name, ()):
        found = there[other]
        if other != machine and found and not drift.settled(found.agents[seen.name]):
            what = "drift.twice" if seen.state == "running" else "drift.elsewhere"
            return Drift(machine=machine, agent=seen.name, what=what, then="held", params={"other": other})
    absent = not seen.release and not seen.trial
    if absent and scene.silent and seen.name in scene.known.deployed:
        told = {"others": ", ".join(scene.silent)}
        return Drift(machine=machine, agent=seen.name, what="drift.maybe_elsewhere", then="held", params=told)
    return None


def _deploy(scene: Scene, machine: str, seen: SeenAgent, release: str) -> Deploy:
    wished = scene.wish.agents[seen.name]
    return Deploy(
        machine=machine,
        agent=seen.name,
        release=release,
        replaces=seen.release,
        resumes=bool(release) and seen.trial == release,
        version=wished.version,
        runs=seen.version,
        reason=_why(scene, machine, seen, wished),
    )


def _why(scene: Scene, machine: str, seen: SeenAgent, wished: Agent) -> str:
    if seen.trial:
        return "reason.trial_left"
    if not seen.release:
        moved = any(home != machine for home in scene.homes.get(seen.name, ()))
        return "reason.agent_moved" if moved else "reason.agent_absent"
    if seen.version and wished.version and seen.version != wished.version:
        return "reason.agent_version"
    if seen.image and wished.image and seen.image != wished.image and "image" not in seen.drift:
        return "reason.agent_image"
    return "reason.agent_other"


def _kept(machine: str, seen: SeenAgent) -> Iterator[AnyAction]:
    """Yield what an agent lacks whose release is the right one."""
    if drift.CONFIG in seen.drift:
        yield Mend(
            machine=machine, agent=seen.name, release=seen.release, what="config", reason="reason.config_changed"
        )
    if drift.BOX & {*seen.drift}:
        yield Mend(machine=machine, agent=seen.name, release=seen.release, what="box", reason="reason.box_changed")
    elif seen.state != "running" and drift.CONFIG not in seen.drift:
        yield Start(machine=machine, agent=seen.name, reason="reason.agent_down")
