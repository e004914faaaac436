"""What was taken for a support bundle, as it is: pieces, what could not be had, and whom they would betray."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fleet.base.clean import line
from fleet.base.errors import ClawrackError

Made = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Had:
    """A piece; or ``why`` it could not be had, which is empty otherwise."""

    value: Any = None
    why: str = ""


def had(made: Made) -> Had:
    """Return what is made, or what went wrong with it: a bundle is made where things are not as they should be."""
    try:
        return Had(made())
    except ClawrackError as error:
        return Had(why=line(str(error)))
    except Exception as error:  # noqa: BLE001 - see above; its text could hold anything
        return Had(why=f"{type(error).__module__}.{type(error).__qualname__}")


@dataclass
class Taken:
    """What was taken from one machine.

    Attributes:
        machine: its name.
        pieces: texts and plain values, by the name of the file that they become.
        secrets: values that are secret there.
        names: values that are somebody's, each with what sort of name it is.
        left_out: why a piece is not there, by its name.
        silent: why nothing is there at all, or empty.
    """

    machine: str
    pieces: dict[str, Any] = field(default_factory=dict[str, Any])
    secrets: set[str] = field(default_factory=set[str])
    names: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    silent: str = ""

    def add(self, name: str, piece: Had) -> None:
        """Add a piece, or why it could not be had."""
        if piece.why:
            self.left_out[name] = piece.why
        else:
            self.pieces[name] = piece.value
