"""A plan as people and scripts are shown it: the stable form of ``clawrack plan --json``. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from fleet.actions import AnyAction, Deploy, Impact, Mend
from fleet.base.clean import line
from fleet.base.errors import ClawrackError
from fleet.base.words import find, say
from fleet.diff import Lying, changes
from fleet.drift import Drift, Then
from fleet.kinds import METER
from fleet.model import Seen, Target, Unplaced, Wish
from fleet.plan import Plan
from fleet.plan_needs import needs


class Planned(NamedTuple):
    """A plan, and what it was planned upon.

    Attributes:
        wish: with the agents' homes and images.
        targets: of the agents on machines that answered, by name.
        troubles: why machines did not answer, by name.
    """

    plan: Plan
    wish: Wish
    seen: Seen
    targets: dict[str, Target]
    troubles: dict[str, ClawrackError]


class ActionView(msgspec.Struct, frozen=True, kw_only=True):
    """One action.

    Attributes:
        number: its place in the plan, from 0.
        what: ``PlaceImage``, ``PlaceMeter``, ``Deploy``, ``Mend``, ``Start`` …
        of: the kind whose image or agent it is, or ``meter``.
        reason: a key, the same in every language; ``because`` says it in the one in use.
        needs: the numbers of those that must be done before.
        impact: what is noticed: ``none``, ``new`` (one more agent), ``restart``, ``calls`` (they wait), ``stop``.
        runs: the version that there is, ``version`` the one that will be; each empty where it is not known.
        replaces: the release that there is, ``release`` the one that will be; empty where an image has no id yet.
        image: its id; empty where it is made or asked for first.
        diff: the lines that change, as a unified diff; empty where none does, or where they could not be read.
    """

    number: int
    what: str
    machine: str
    agent: str = ""
    of: str = ""
    reason: str
    because: str
    needs: tuple[int, ...] = ()
    impact: Impact
    runs: str = ""
    version: str = ""
    replaces: str = ""
    release: str = ""
    image: str = ""
    diff: tuple[str, ...] = ()


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a machine is not as it was left by us.

    Attributes:
        key: names what it is, the same in every language; ``what`` says it in the one in use.
        then: what follows: ``mended``, ``replaced`` (with a new release), ``left``, ``held`` until a person says more.
        next: what to type, or empty.
    """

    machine: str
    agent: str = ""
    key: str
    what: str
    then: Then
    next: str = ""


class UnknownView(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that did not answer; its agents are unknown, not missing."""

    machine: str
    why: str
    agents: tuple[str, ...] = ()


class UnplacedView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that no machine can take, and why."""

    agent: str
    reason: str
    why: str


class PlanView(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, and what is known of what is not.

    Attributes:
        hash: names what was decided; `clawrack apply --hash` refuses where it would be another one by now.
        empty: whether there is nothing to do.
        alike: how many agents are as they should be.
        unwell: agents that their supervisor gave up: ``machine/agent``.
        strays: agents that are in no file, or not on the machine of their file: ``machine/agent``.
    """

    hash: str
    empty: bool
    alike: int
    actions: tuple[ActionView, ...]
    drift: tuple[DriftView, ...] = ()
    unknown: tuple[UnknownView, ...] = ()
    unplaced: tuple[UnplacedView, ...] = ()
    unwell: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()


def because(action: AnyAction) -> str:
    """Return why an action is to be done, in the language in use."""
    return say(action.reason, **_fields(action))


def _fields(value: msgspec.Struct) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def view(upon: Planned, there: Mapping[tuple[str, str], Lying], part: Plan | None = None) -> PlanView:
    """Return a plan as it is shown.

    Args:
        upon: the plan, and what it was planned upon.
        there: files of releases as they lie, by machine and agent, where they were read.
        part: of the plan, where only that is shown.
    """
    plan = upon.plan if part is None else part  # an empty part is one too
    waits = needs(plan.actions, plan.agents)
    return PlanView(
        hash=plan.fingerprint,
        empty=not plan,
        alike=_alike(plan, upon),
        actions=tuple(_action(n, waits[n], plan, upon, there) for n in range(len(plan.actions))),
        drift=tuple(map(drift_view, plan.drift)),
        unknown=tuple(_unknown(name, upon) for name in plan.unknown),
        unplaced=tuple(map(_unplaced, plan.unplaced)),
        unwell=plan.unwell,
        strays=plan.strays,
    )


def _action(
    number: int, waits: tuple[int, ...], plan: Plan, upon: Planned, there: Mapping[tuple[str, str], Lying]
) -> ActionView:
    action = plan.actions[number]
    agent: str = getattr(action, "agent", "")
    lies = there.get((action.machine, agent))
    changed = isinstance(action, Deploy) or (isinstance(action, Mend) and action.what == "config")
    return ActionView(
        number=number,
        what=type(action).__name__,
        machine=action.machine,
        agent=agent,
        of=getattr(action, "of", "") or (plan.agents[agent].kind if agent in plan.agents else METER),
        reason=action.reason,
        because=because(action),
        needs=waits,
        impact=action.impact,
        runs=getattr(action, "runs", ""),
        version=getattr(action, "version", ""),
        replaces=getattr(action, "replaces", ""),
        release=getattr(action, "release", ""),
        image=getattr(action, "image", "") or (plan.agents[agent].image if agent in plan.agents else ""),
        diff=changes(lies, upon.targets[agent]) if changed and lies and agent in upon.targets else (),
    )


def drift_view(drift: Drift) -> DriftView:
    """Return drift as it is shown."""
    values = {"machine": drift.machine, "agent": drift.agent, **drift.params}
    after = say(f"{drift.what}.next", **values) if find(f"{drift.what}.next") else ""
    return DriftView(
        machine=drift.machine,
        agent=drift.agent,
        key=drift.what,
        what=say(f"{drift.what}.what", **values),
        then=drift.then,
        next=after,
    )


def _unknown(name: str, upon: Planned) -> UnknownView:
    agents = tuple(sorted(agent for agent, found in upon.wish.agents.items() if found.machine == name))
    trouble = upon.troubles.get(name)
    return UnknownView(machine=name, why=line(str(trouble)) if trouble else "", agents=agents)


def _unplaced(one: Unplaced) -> UnplacedView:
    return UnplacedView(agent=one.agent, reason=one.reason, why=say(one.reason, **({"agent": one.agent} | one.params)))


def _alike(plan: Plan, upon: Planned) -> int:
    """Return how many agents nothing is done with, and nothing is the matter with."""
    odd = {*plan.agents, *(one.agent for one in plan.drift), *(name.rpartition("/")[2] for name in plan.unwell)}
    held = {one.machine for one in plan.drift if not one.agent and one.then == "held"} | {*plan.unknown}
    return sum(
        name not in odd and agent.machine not in held and upon.seen.machines.get(agent.machine) is not None
        for name, agent in upon.wish.agents.items()
    )
