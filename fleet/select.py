"""Which agents a person means (all, NAME, group:x, tag:x, kind:x, machine:x), and the part of a plan that is theirs."""

from collections.abc import Iterable, Sequence

import msgspec

from fleet.actions import AnyAction, PlaceImage, PlaceMeter
from fleet.base.errors import BadInput
from fleet.kinds import METER
from fleet.model import Wish
from fleet.near import no_agent
from fleet.plan import Plan
from fleet.rollout import agent_of

ALL = "all"
_SORTS = ("group", "tag", "kind", "machine")


def select(selectors: Sequence[str], wish: Wish) -> tuple[str, ...]:
    """Return the names of the agents that are meant, sorted.

    Args:
        selectors: ``all``; an agent's or a group's name; ``group:x``, ``tag:x`` (of the agent or of its machine),
            ``kind:x``, ``machine:x``.
        wish: the fleet.

    Raises:
        BadInput: one of them means no agent.
    """
    found: set[str] = set()
    for selector in selectors:
        meant = _meant(selector, wish)
        if not meant:
            raise _nobody(selector, wish)
        found |= meant
    return tuple(sorted(found))


def _meant(selector: str, wish: Wish) -> set[str]:
    if selector == ALL:
        return set(wish.agents)
    if selector in wish.agents:
        return {selector}
    sort, sign, value = selector.partition(":")
    if not sign:
        sort, value = "group", selector
    return {name for name in wish.agents if sort in _SORTS and value in _marks(name, sort, wish)}


def _marks(name: str, sort: str, wish: Wish) -> set[str]:
    agent = wish.agents[name]
    if sort != "tag":
        return {getattr(agent, sort)} - {""}
    machine = wish.machines.get(agent.machine)
    return {*agent.tags, *(machine.tags if machine else ())}


def _nobody(selector: str, wish: Wish) -> BadInput:
    if ":" not in selector and selector != ALL:
        return no_agent(selector, wish)
    return BadInput("select.nobody", selector=selector)


def narrowed(whole: Plan, names: Iterable[str]) -> Plan:
    """Return the part of a plan that is about these agents, with what their machines need for it."""
    mine = {*names}
    chosen = [action for action in whole.actions if agent_of(action) in mine]
    machines = {action.machine for action in chosen}
    images = {
        (action.machine, whole.agents[agent].image) for action in chosen if (agent := agent_of(action)) in whole.agents
    }

    def needed(action: AnyAction) -> bool:
        if isinstance(action, PlaceMeter):
            return action.machine in machines
        if isinstance(action, PlaceImage):
            return (action.machine, action.image) in images or (action.of == METER and action.machine in machines)
        return agent_of(action) in mine

    agents = {name: agent for name, agent in whole.agents.items() if name in mine}
    actions = tuple(action for action in whole.actions if needed(action))
    return msgspec.structs.replace(
        whole,
        actions=actions,
        agents=agents,
        machines={name: machine for name, machine in whole.machines.items() if name in machines},
        unplaced=tuple(one for one in whole.unplaced if one.agent in mine),
        drift=tuple(one for one in whole.drift if one.agent in mine),
    )
