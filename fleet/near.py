"""Names that the fleet does not have, and the nearest that it has."""

import difflib
from collections.abc import Iterable

from fleet.base.errors import BadInput
from fleet.model import Wish


def no_agent(name: str, wish: Wish) -> BadInput:
    """Return the error of a name that is no agent's."""
    near = _nearest(name, wish.everyone)
    return BadInput("fleet.near_agent" if near else "fleet.no_agent", agent=name, near=near)


def no_machine(name: str, wish: Wish) -> BadInput:
    """Return the error of a name that is no machine's."""
    near = _nearest(name, wish.machines)
    return BadInput("fleet.near_machine" if near else "fleet.no_machine", machine=name, near=near)


def no_tag(tag: str, known: Iterable[str], where: str = "") -> BadInput:
    """Return the error of a tag that no machine has; ``where`` it stands."""
    near = _nearest(tag, known)
    return BadInput("fleet.near_tag" if near else "fleet.no_tag", where=where, tag=tag, near=near)


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, list(known), 1)), "")
