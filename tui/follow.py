"""Logs of agents on their way to a page: read by a thread, taken by the page when it draws."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from fleet.api import Fleet
from fleet.base.errors import ClawrackError
from fleet.base.words import say
from fleet.logs import Asked, Note
from fleet.machine.written import Span
from tui.lines import MOST, Line

_BEGIN = 500  # lines that all logs together begin with


class Following:
    """Follows the logs of some agents in one order.

    Args:
        fleet: reads them.
        names: of the agents.
        foreseen: turns any error into one of ours.
    """

    def __init__(self, fleet: Fleet, names: Sequence[str], foreseen: Callable[[BaseException], ClawrackError]) -> None:
        self._fleet, self._names, self._foreseen = fleet, names, foreseen
        self._waiting: deque[Line] = deque(maxlen=MOST)  # nobody takes them while the page is paused
        self._over = threading.Event()

    def begin(self) -> None:
        """Begin to read."""
        threading.Thread(target=self._run, name="clawrack-logs", daemon=True).start()

    def end(self) -> None:
        """Read no more; the thread ends within a fifth of a second."""
        self._over.set()

    def take(self, most: int) -> list[Line]:
        """Return the next lines, so many at most."""
        return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]

    def _run(self) -> None:
        asked = Asked(follow=True, span=Span(tail=max(20, _BEGIN // len(self._names))))
        try:
            for found in self._fleet.logs_of(self._names, asked, self._note, self._over):
                self._waiting.append(Line(found.agent, found.line.expandtabs(4)))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told in the page
            self._waiting.append(Line("", str(self._foreseen(error)), "bad"))

    def _note(self, note: Note) -> None:
        text = (
            str(note.error)
            if note.error
            else say(note.key, agent=note.agent, machine=note.machine, **dict(note.params))
        )
        self._waiting.append(Line(note.agent, text, "warn"))
