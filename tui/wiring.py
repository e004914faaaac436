"""What the screen is put together from, and its colours."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from textual.theme import Theme

from fleet.base.errors import ClawrackError
from tui.state.heard import Message
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
        hands: with the methods that actions name (`fleet.api.Fleet`); None where nothing can be done (a recording).
        foreseen: turns any error into one of ours.
        clock: seconds, as messages count them.
        keep: is told each message (to record it), or None.
        read_only: nothing that changes a machine is offered.
    """

    source: Callable[[Put], Source]
    hands: object | None
    foreseen: Callable[[BaseException], ClawrackError]
    clock: Callable[[], float] = time.monotonic
    keep: Callable[[Message], None] | None = None
    read_only: bool = False
