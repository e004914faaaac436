"""Logs of agents, of one or of many, in one order: what each engine kept, and what it goes on writing.

The order is that of the engines' own times. Read whole, a line comes out once every log has shown its next one. While
following nobody knows what is still to come, so a line waits a fifth of a second for an earlier one. Clocks of machines
differ; nothing is put right for that, and it is told (``logs.clock``).

Each log is read by a thread of its own, which waits while as many of its lines as it may hold have not been taken: a
flood waits in its engine, and the others go on.
"""

import re
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from fleet.base.clean import clean
from fleet.base.errors import ActionFailed, ClawrackError, Unreachable
from fleet.logs_order import Order, Over
from fleet.machine import containers, written
from fleet.machine.port import Port
from fleet.machine.written import Log, Span, nanoseconds

LONGEST = 2000  # characters of one line that are shown
ALL = Span()
_POLL = 1.0  # seconds between two looks whether an agent runs again
_AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds until a machine that was lost is asked again
_DIFFERS = 2.5  # seconds that a clock may differ untold; the engine tells it to the second
_COLOURS = re.compile(rb"\x1b\[[0-9;]*m")


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of an agent's log.

    Attributes:
        at: when, by the clock of its machine (RFC 3339, UTC); empty where its engine does not say.
        line: the text, cleaned.
    """

    agent: str
    machine: str
    at: str
    line: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a log that is no line of it.

    Attributes:
        key: of the text in the words; empty where ``error`` says it all.
        error: why the agent's log could not be read.
        last: no more comes of this agent.
    """

    agent: str
    machine: str
    key: str = ""
    error: ClawrackError | None = None
    last: bool = False
    params: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What is wanted of logs.

    Attributes:
        follow: go on as long as somebody listens; over restarts and upgrades too.
        span: which part of each.
        wanted: whether a line is to be shown; it is called by several threads.
    """

    follow: bool = False
    span: Span = ALL
    wanted: Callable[[str], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Source:
    """An agent whose log is to be read.

    Attributes:
        open: returns the port of its machine.
    """

    agent: str
    machine: str
    open: Callable[[], Port]


Ears = Callable[[Note], None]


def read(sources: Sequence[Source], asked: Asked, tell: Ears, stop: threading.Event | None = None) -> Iterator[LogLine]:
    """Yield the lines of several logs in one order, cleaned.

    Args:
        sources: the agents.
        asked: what is wanted of them.
        tell: called, between two lines, with what is no line; a log that cannot be read is left out.
        stop: ends it from another thread, within a fifth of a second.
    """
    order: Order[LogLine, Note] = Order(len(sources), asked.follow)
    readers = [_Reader(number, source, asked, order) for number, source in enumerate(sources)]
    for reader in readers:
        threading.Thread(target=reader.run, name=f"clawrack-log-{reader.source.agent}", daemon=True).start()
    try:
        for found in order.taken(stop or threading.Event()):
            if isinstance(found, Note):
                tell(found)
            else:
                yield found
    finally:
        order.close()
        for reader in readers:
            reader.stop()


def strict(note: Note) -> None:
    """Raise the error of a log that cannot be read."""
    if note.error and note.last:
        raise note.error


class _Reader:
    """Reads one log in a thread of its own, and gives its lines to the order."""

    def __init__(self, number: int, source: Source, asked: Asked, order: Order[LogLine, Note]) -> None:
        self.source = source
        self._number = number
        self._asked = asked
        self._order = order
        self._span = asked.span
        self._log: Log | None = None
        self._stopped = threading.Event()
        self._last = 0

    def run(self) -> None:
        """Read to the end, or for ever; whatever goes wrong is told."""
        try:
            self._follow() if self._asked.follow else self._read()
        except Over:
            pass
        except ClawrackError as error:
            self._tell(error=error, last=True)
        finally:
            self._order.ended(self._number)

    def stop(self) -> None:
        """End it."""
        self._stopped.set()
        log = self._log
        if log:
            log.stop()

    def _read(self) -> None:
        with self._opened(self.source.open()) as log:
            self._told_clock(log)
            for found in log:
                self._give(found)

    def _follow(self) -> None:
        """Read on, whatever becomes of the container or of the wire to it."""
        run, lost = "", 0
        while not self._stopped.is_set():
            try:
                run = self._follow_run(run)
                lost = 0
            except (Unreachable, ActionFailed) as error:
                if not self._order.begun(self._number):
                    raise
                if not lost:
                    self._tell(error=error)
                self._stopped.wait(_AGAIN[min(lost, len(_AGAIN) - 1)])
                lost += 1

    def _follow_run(self, before: str) -> str:
        """Read one run of the container to its end; return its id and start. ``before`` is the run before it."""
        port = self.source.open()
        run = self._next_run(port, before)
        if before and run != before:
            same = before.partition(" ")[0] == run.partition(" ")[0]
            self._tell("logs.again" if same else "logs.replaced")
        with self._opened(port) as log:
            if not before:
                self._told_clock(log)
            for found in log:
                self._give(found)
        if not self._stopped.is_set() and not _runs(port, self._container, run):
            self._tell("logs.ended")
        return run

    @property
    def _container(self) -> str:
        return f"clawrack-{self.source.agent}"

    def _next_run(self, port: Port, before: str) -> str:
        """Wait until the container runs another time; the first time one that does not run will do."""
        while not self._stopped.wait(_POLL if before else 0):
            found = containers.inspect(port, self._container)
            run = _run_of(found)
            if run and (not before or (run != before and _is_running(found))):
                return run
            if not before:
                raise ActionFailed("logs.none", where=port.name, container=self._container)
            if run == before and _is_running(found):
                return run  # it was the wire that ended, or the engine
        return before

    @contextmanager
    def _opened(self, port: Port) -> Generator[Log]:
        log = written.log(port, self._container, self._span, follow=self._asked.follow)
        self._log = log
        try:
            if self._stopped.is_set():
                raise Over
            self._order.opened(self._number)
            yield log
        finally:
            log.stop()

    def _give(self, found: written.Written) -> None:
        moment = nanoseconds(found.at)
        self._last = max(self._last, moment or 0)
        if self._asked.follow and self._last:
            self._span = replace(self._span, tail=None, since=self._last + 1)
        text = shown(found.text)
        if self._asked.wanted(text):
            entry = LogLine(agent=self.source.agent, machine=self.source.machine, at=found.at, line=text)
            self._order.put(self._number, self._last, entry)

    def _told_clock(self, log: Log) -> None:
        differs = _differs(log.clock)
        if abs(differs) > _DIFFERS:
            self._tell("logs.clock", seconds=round(differs))

    def _tell(self, key: str = "", *, error: ClawrackError | None = None, last: bool = False, **params: object) -> None:
        note = Note(self.source.agent, self.source.machine, key, error, last, tuple(params.items()))
        self._order.note(note)


def shown(text: bytes) -> str:
    """Return a line as it may be shown: without colours, cleaned, its indentation kept, at most 2000 characters."""
    return clean(_COLOURS.sub(b"", text.rstrip()), LONGEST).replace("\n", " ")


def _differs(clock: datetime | None) -> float:
    """Return by how many seconds a clock is ahead of ours; it was told without its fraction."""
    return (clock - datetime.now(UTC)).total_seconds() + 0.5 if clock else 0.0


def _run_of(found: dict[str, Any] | None) -> str:
    with suppress(KeyError, TypeError):
        return f"{found['Id']} {found['State']['StartedAt']}" if found else ""
    return ""


def _is_running(found: dict[str, Any] | None) -> bool:
    with suppress(KeyError, TypeError):
        return bool(found and found["State"]["Running"])
    return False


def _runs(port: Port, container: str, run: str) -> bool:
    found = containers.inspect(port, container)
    return _run_of(found) == run and _is_running(found)
