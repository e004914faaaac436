"""Lines from several threads in one order, bounded: who has too many waiting has to wait itself."""

import heapq
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Line = TypeVar("Line")
Note = TypeVar("Note")
ALL = 8192  # lines that wait at most, of all together …
EACH = (64, 2048)  # … and of each: no fewer, no more
HOLD = 0.2  # seconds that a line waits for an earlier one, where nobody knows what is still to come
PATIENCE = 10.0  # seconds until a log that has not even been opened is not waited for
_TICK = 0.1


class Over(Exception):
    """Nobody listens any more."""


class Order(Generic[Line, Note]):
    """Takes lines with their times from threads, and gives them out in the order of their times.

    Args:
        sources: how many; they are numbered from 0.
        live: the sources go on for ever, so that a line cannot wait until each has another.
    """

    def __init__(self, sources: int, live: bool) -> None:
        self._live = live
        self._each = max(EACH[0], min(EACH[1], ALL // max(1, sources)))
        self._waiting = [0] * sources
        self._opened = [False] * sources
        self._ended = [False] * sources
        self._heap: list[tuple[int, int, float, int, Line]] = []
        self._notes: deque[Note] = deque()
        self._count = 0
        self._closed = False
        self._since = time.monotonic()
        self._changed = threading.Condition()

    # What the sources' threads call.

    def put(self, source: int, at: int, line: Line) -> None:
        """Add a line; wait while this source has too many waiting.

        Raises:
            Over: nobody listens any more.
        """
        with self._changed:
            while self._waiting[source] >= self._each and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Over
            self._count += 1
            self._waiting[source] += 1
            heapq.heappush(self._heap, (at, self._count, time.monotonic(), source, line))
            self._changed.notify_all()

    def note(self, note: Note) -> None:
        """Add something that is no line; it comes out at once."""
        with self._changed:
            self._notes.append(note)
            self._changed.notify_all()

    def opened(self, source: int) -> None:
        """Learn that lines of this source may come from now on."""
        with self._changed:
            self._opened[source] = True
            self._changed.notify_all()

    def begun(self, source: int) -> bool:
        """Tell whether this source was ever opened."""
        return self._opened[source]

    def ended(self, source: int) -> None:
        """Learn that no more comes of this source."""
        with self._changed:
            self._ended[source] = True
            self._changed.notify_all()

    # What the listener calls.

    def taken(self, stop: threading.Event) -> Iterator[Line | Note]:
        """Yield everything in order, until all sources have ended or ``stop`` is set."""
        while not stop.is_set():
            with self._changed:
                if not (self._notes or self._ready()):
                    if not self._heap and all(self._ended):
                        return
                    self._changed.wait(_TICK)
                    continue
                found = self._notes.popleft() if self._notes else self._pop()
            yield found

    def close(self) -> None:
        """Let all threads go that wait to put something."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _pop(self) -> Line:
        _, _, _, source, line = heapq.heappop(self._heap)
        self._waiting[source] -= 1
        self._changed.notify_all()
        return line

    def _ready(self) -> bool:
        """Tell whether the earliest line can be given out."""
        if not self._heap:
            return False
        missing = [n for n, waiting in enumerate(self._waiting) if not waiting and not self._ended[n]]
        now = time.monotonic()
        if now - self._since > PATIENCE:
            missing = [n for n in missing if self._opened[n]]
        if not missing:
            return True
        return self._live and all(self._opened[n] for n in missing) and now - self._heap[0][2] >= HOLD
