"""From what the files and the machines say to a plan: placed, resolved, rendered, planned. No machine is asked."""

from collections.abc import Mapping
from dataclasses import replace

from fleet import meter, placement, resolve
from fleet.base.errors import ClawrackError
from fleet.kinds import home_of, kind
from fleet.model import Agent, Machine, Seen, Target, Wish
from fleet.plan import plan
from fleet.plan_agent import Known, Meter
from fleet.plan_view import Planned
from fleet.render import Mould, configs
from templates.meter.meter import VERSION


def decide(
    files: Wish, seen: Seen, knows: resolve.Knows, troubles: Mapping[str, ClawrackError], *, again: bool = False
) -> Planned:
    """Return the plan, and what it was planned upon.

    Args:
        files: the fleet as its files say.
        seen: the fleet as its machines say.
        knows: the images that this computer has built.
        troubles: why machines did not answer, by name.
        again: releases that failed before are tried again.
    """
    placed = placement.place(files, seen)
    found = resolve.resolve(placed.of(files), seen, knows, VERSION)
    there = {name for name, answered in seen.machines.items() if answered}
    moulds = {of: mould_of(of) for of in {agent.kind for agent in found.wish.agents.values()}}
    agents = found.wish.agents.items()
    targets = {name: moulds[agent.kind].target(name, agent) for name, agent in agents if agent.machine in there}
    known = Known(
        meters={name: _with_release(one, found.wish.machines[name]) for name, one in found.meters.items()},
        deployed=frozenset(name for name, agent in files.agents.items() if agent.image),
        unplaced=placed.unplaced,
        again=again,
    )
    return Planned(plan(found.wish, seen, targets, known), found.wish, seen, targets, dict(troubles))


def target_of(name: str, agent: Agent) -> Target:
    """Return what an agent should be."""
    return mould_of(agent.kind).target(name, agent)


def mould_of(of: str) -> Mould:
    """Return what makes the targets of a kind's agents."""
    return Mould(kind(of), configs(home_of(of)))


def _with_release(known: Meter, machine: Machine) -> Meter:
    return replace(known, release=meter.release(machine.meter)) if machine.meter else known
