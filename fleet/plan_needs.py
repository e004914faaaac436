"""What an action waits for: the graph of a plan, pure. Machines are independent of each other."""

from collections.abc import Iterable, Mapping

from fleet.actions import AnyAction, PlaceImage, PlaceMeter, Rollback
from fleet.kinds import METER
from fleet.model import Agent


def needs(actions: Iterable[AnyAction], agents: Mapping[str, Agent]) -> tuple[tuple[int, ...], ...]:
    """Return of each action the numbers of those that must be done before it: image, meter, what is the agent's own.

    Nothing waits for another machine. An agent that is not among ``agents`` waits for every image of its machine.
    """
    found: list[tuple[int, ...]] = []
    before: dict[str, list[tuple[int, AnyAction]]] = {}
    for number, action in enumerate(actions):
        earlier = before.setdefault(action.machine, [])
        found.append(tuple(n for n, other in earlier if _serves(other, action, agents)))
        earlier.append((number, action))
    return tuple(found)


def _serves(earlier: AnyAction, action: AnyAction, agents: Mapping[str, Agent]) -> bool:
    agent: str = getattr(action, "agent", "")
    if isinstance(earlier, PlaceImage):
        return _is_image_of(earlier, action, agents.get(agent))
    if isinstance(earlier, PlaceMeter):
        return bool(agent)
    return bool(agent) and getattr(earlier, "agent", "") == agent


def _is_image_of(image: PlaceImage, action: AnyAction, agent: Agent | None) -> bool:
    if isinstance(action, PlaceMeter):
        return image.of == METER
    if isinstance(action, (PlaceImage, Rollback)):
        return False
    if agent is None or image.of == METER:
        return agent is None and image.of != METER
    return image.image == agent.image and image.of == agent.kind and image.version == agent.version
