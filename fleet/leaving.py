"""How a machine is left: what of ours, and of what came with us, goes."""

from collections.abc import Callable
from dataclasses import dataclass

from fleet.base.secret import Secret

Password = Callable[[str, str], Secret | None]
"""Returns the password of a login (its name, and the machine's); None where there is none to be had."""


def nobody(user: str, place: str) -> None:
    """Know no password."""
    del user, place


@dataclass(frozen=True, slots=True)
class Leaving:
    """What goes and what stays.

    Attributes:
        keep: the agents' state stays on the machine.
        docker: Docker goes too, where it came with us and nobody else uses it.
        password: asked once, where sudo wants one: our own right is for the guard alone, and Docker is more.
    """

    keep: bool = True
    docker: bool = False
    password: Password = nobody
