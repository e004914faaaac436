"""What the screen is put together from, and its colours."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.theme import Theme

from fleet.base.errors import ClawrackError
from tui.state.heard import Message

if TYPE_CHECKING:  # a recording is shown without what reaches machines
    from fleet.api import Fleet
    from tui.watch import Put, Source

NIGHT = Theme(
    name="clawrack",
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#e0af68",
    success="#87c38a",
    warning="#e0af68",
    error="#e5737f",
    foreground="#d5d8dc",
    background="#14171b",
    surface="#1b1f24",
    panel="#262c33",
    dark=True,
)


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What the app needs from outside.

    Attributes:
        source: is given the function that takes messages.
        hands: its methods are what actions name; None where nothing can be done (a recording).
        foreseen: turns any error into one of ours.
        run: runs a line of ours, without its first word, in the terminal that the screen has left (a shell).
        clock: seconds, as messages count them.
        keep: is told each message (to record it), or None.
        read_only: nothing that changes a machine is offered.
    """

    source: "Callable[[Put], Source]"
    hands: "Fleet | None"
    foreseen: Callable[[BaseException], ClawrackError]
    run: Callable[[Sequence[str]], None]
    clock: Callable[[], float] = time.monotonic
    keep: Callable[[Message], None] | None = None
    read_only: bool = False
