"""What happened: the last events, for the events page. Toasts vanish; these stay."""

from collections import deque
from itertools import islice
from typing import Literal

import msgspec

What = Literal["added", "removed", "state", "dark", "back", "stray", "doing", "ended", "trouble"]
KEPT = 2000


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened.

    Attributes:
        number: counts up from 1.
        at: when, on the store's clock.
        subject: the row's id, or empty for the controller itself.
        what: what sort of thing.
        old: the state before (``state``), or the action's id (``doing``, ``ended``).
        new: the state after, how an action ended, or why a machine is dark.
        text: a sentence with more, or empty.
    """

    number: int
    at: float
    subject: str
    what: What
    old: str = ""
    new: str = ""
    text: str = ""


class Events:
    """The last 2,000 of them, oldest first."""

    def __init__(self) -> None:
        self._ring: deque[Happened] = deque(maxlen=KEPT)
        self.last = 0

    def add(self, at: float, subject: str, what: What, change: tuple[str, str] = ("", ""), text: str = "") -> None:
        """Note one; ``change`` is its `old` and `new`."""
        self.last += 1
        self._ring.append(
            Happened(number=self.last, at=at, subject=subject, what=what, old=change[0], new=change[1], text=text)
        )

    def since(self, number: int) -> tuple[Happened, ...]:
        """Return those after this number, as far as they are kept."""
        lacking = max(0, len(self._ring) - (self.last - number))
        return tuple(islice(self._ring, lacking, None))

    def of(self, subject: str, most: int = 20) -> tuple[Happened, ...]:
        """Return the last ones of one row, newest first; a machine's agents count as its own."""
        below = subject + "/"
        found = (one for one in reversed(self._ring) if one.subject == subject or one.subject.startswith(below))
        return tuple(islice(found, most))

    def __len__(self) -> int:
        return len(self._ring)
