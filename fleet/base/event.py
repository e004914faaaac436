"""What happened: the one language of command line, screen, log and tests."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

Kind = Literal["begun", "progress", "done", "already", "failed", "unknown", "note"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened.

    Attributes:
        kind: what sort of thing.
        subject: the machine or agent that it is about, or both as ``machine/agent``.
        step: the key of the step in the words, for example ``step.docker``.
        params: the values of the text's placeholders.
        elapsed: seconds since the step began.
        moved: bytes that have moved so far, where bytes move.
        total: bytes there are to move; 0 where unknown.
    """

    kind: Kind
    subject: str
    step: str
    params: dict[str, Any] = {}
    elapsed: float = 0.0
    moved: int = 0
    total: int = 0


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
    del event
