"""Logs that are followed: a thread for each agent, which goes on reading when a log ends and begins again.

A reader that waits for a quiet agent cannot be ended from outside; it is kept, and used again by the next page that
wants the same log, so that there is one for each agent and no more.
"""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from fleet.base.clean import line
from fleet.base.errors import ClawrackError
from fleet.base.words import say
from tui.lines import MOST, Line

TAIL = 200  # lines that a log begins with
_AGAIN = 3.0  # seconds until a log that ended is asked for again
_LONGEST = 2000  # characters of a line


class Reads(Protocol):
    """Reads an agent's log (`fleet.api.Fleet.logs`)."""

    def __call__(self, name: str, *, follow: bool, tail: int) -> Iterator[str]:
        """Yield its lines."""
        ...


class Sink:
    """The lines of several logs on their way to a page; the oldest go first when nobody takes them."""

    def __init__(self) -> None:
        self._waiting: deque[Line] = deque(maxlen=MOST)

    def put(self, lines: Iterable[Line]) -> None:
        """Add lines; any thread may."""
        self._waiting.extend(lines)

    def take(self, most: int) -> list[Line]:
        """Return the next lines, so many at most."""
        taken: list[Line] = []
        while self._waiting and len(taken) < most:
            taken.append(self._waiting.popleft())
        return taken


class Reader:
    """Follows one log in a thread while a sink listens."""

    def __init__(self, reads: Reads, name: str, told: Callable[[BaseException], ClawrackError]) -> None:
        self._reads = reads
        self._name = name
        self._told = told
        self._lock = threading.Lock()
        self._last: deque[Line] = deque(maxlen=2 * TAIL)
        self._sinks: list[Sink] = []
        self._wake = threading.Event()
        self._runs = False

    def attach(self, sink: Sink) -> None:
        """Let a sink have the last lines and all that come."""
        with self._lock:
            sink.put(self._last)
            self._sinks.append(sink)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._run, daemon=True, name=f"log of {self._name}").start()

    def detach(self, sink: Sink) -> None:
        """Give a sink no more; without any, the reader ends at the next line."""
        with self._lock:
            if sink in self._sinks:
                self._sinks.remove(sink)
        self._wake.set()

    def _wanted(self) -> bool:
        with self._lock:
            self._runs = bool(self._sinks)
            return self._runs

    def _run(self) -> None:
        while self._wanted():
            try:
                for text in self._new():
                    self._give(Line(self._name, text))
                    if not self._wanted():
                        return
                self._note(say("screen.log_ended"))
            except Exception as error:  # noqa: BLE001 - whatever it was, it is told in the page
                self._note(str(self._told(error)))
            self._wake.clear()
            if self._wanted():
                self._wake.wait(_AGAIN)

    def _new(self) -> Iterator[str]:
        """Yield the log's lines, without those at its beginning that were given before it was asked for again."""
        known = {one.text for one in self._last if one.style == "plain"}
        cleaned = (line(text, _LONGEST) for text in self._reads(self._name, follow=True, tail=TAIL))
        return itertools.dropwhile(lambda text: text in known, cleaned)

    def _give(self, one: Line) -> None:
        with self._lock:
            self._last.append(one)
            for sink in self._sinks:
                sink.put((one,))

    def _note(self, text: str) -> None:
        """Say something of our own once, however often it is so."""
        last = next((one.text for one in reversed(self._last)), "")
        if last != text:
            self._give(Line(self._name, text, "warn"))


class Readers:
    """The readers of all logs that were ever opened."""

    def __init__(self, reads: Reads, told: Callable[[BaseException], ClawrackError]) -> None:
        self._reads = reads
        self._told = told
        self._made: dict[str, Reader] = {}

    def of(self, name: str) -> Reader:
        """Return the reader of an agent's log."""
        if name not in self._made:
            self._made[name] = Reader(self._reads, name, self._told)
        return self._made[name]
