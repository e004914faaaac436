"""Groups of agents that are alike: ``social: {count: 20, tags: [rack-a]}`` is social-01 to social-20 (fleet.yaml).

What an agent does not say in its own file comes from its group, and what neither says from the defaults.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from fleet.base.patterns import PLAIN, WORD

MOST = 100_000  # members of one group
_PLACES = re.compile(r"#+")

Tag = Annotated[str, msgspec.Meta(pattern=PLAIN)]
Word = Annotated[str, msgspec.Meta(pattern=WORD)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What agents may have in common; what is left out is not said here.

    Attributes:
        kind: the folder under templates/kinds.
        version: of the kind's program.
        machine: the name of the machine that they live on; left out, a place is found for each.
        tags: their machine must have all of them.
        model: the name of the route at the meter.
    """

    kind: Word | UnsetType = UNSET
    version: Word | UnsetType = UNSET
    machine: Word | UnsetType = UNSET
    tags: tuple[Tag, ...] | UnsetType = UNSET
    model: Word | UnsetType = UNSET

    def said(self) -> dict[str, Any]:
        """Return what is said here, by the name of the agent's field."""
        values = {name: getattr(self, name) for name in Settings.__struct_fields__}
        return {name: value for name, value in values.items() if value is not UNSET}


class Group(Settings, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Agents that are alike (fleet.yaml, ``groups:``).

    Attributes:
        count: how many there are.
        names: how they are called: the #s are the digits of the member's number; left out, GROUP-##.
    """

    count: Annotated[int, msgspec.Meta(ge=0, le=MOST)]
    names: str = ""

    def called(self, group: str) -> str:
        """Return how its members are called; ``group`` is its own name."""
        return self.names or f"{group}-##"

    def members(self, group: str) -> Iterator[str]:
        """Yield the names of its members, in order; ``group`` is its own name."""
        names = self.called(group)
        return (member(names, number) for number in range(1, self.count + 1))


def member(names: str, number: int) -> str:
    """Return the name of a group's member: its number in the place of the #s, with zeros before it to fill them."""
    return _PLACES.sub(lambda found: str(number).zfill(len(found[0])), names, count=1)


def number_of(names: str, agent: str) -> int:
    """Return which member of a group an agent of this name is or would be; 0 where it is called otherwise."""
    before, digits, after = names.partition(_places(names))
    middle = agent.removeprefix(before).removesuffix(after)
    number = int(middle) if digits and middle.isascii() and middle.isdigit() else 0
    return number if member(names, number) == agent else 0


def numbered(names: str) -> bool:
    """Return whether names have a place for a number, and one alone."""
    return len(_PLACES.findall(names)) == 1


def _places(names: str) -> str:
    found = _PLACES.search(names)
    return found[0] if found else "#"
