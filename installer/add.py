"""A machine made ready without an agent: for a fleet whose groups place their agents themselves."""

import msgspec

from fleet import observe


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of the fleet that is ready for agents.

    Attributes:
        machine: its name in the fleet.
        changed: whether anything was done.
        strays: agents of ours that run there and are in no file, as after a controller was lost.
    """

    machine: str
    address: str
    changed: bool
    strays: tuple[str, ...] = ()


def strays_of(port: observe.Port, known: set[str]) -> tuple[str, ...]:
    """Return the agents that a machine says it has, and that are not among the known."""
    return tuple(sorted(set(observe.look(port).agents) - known))
