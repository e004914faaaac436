"""A running command, near or far, and the one loop that feeds it and reads it."""

import time
from collections.abc import Iterable, Iterator
from typing import Protocol

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, TimedOut
from fleet.machine.port import Ran, Window

LINE_CAP = 1 << 16
_STEP = 1.0
# A daemon that a command left behind may hold its output open. When the command has ended and nothing has come for
# this long, nothing will.
_LINGER = 3.0
_PACKET = 1 << 15
_SAID = 4096


class Process(Protocol):
    """A command that runs; nothing here blocks but ``wait``. Any method may raise WireCut."""

    def wait(self, seconds: float) -> None:
        """Wait until something happens, at most so long."""
        ...

    def take(self) -> tuple[bytes, bytes]:
        """Return the output and error output that came since."""
        ...

    def put(self, data: bytes) -> int:
        """Give it input; return how many bytes it took. What it no longer reads counts as taken."""
        ...

    def end_input(self) -> None:
        """Say that no more input comes."""
        ...

    def over(self) -> bool:
        """Tell whether no more output will come."""
        ...

    def code(self) -> int | None:
        """Return how it ended (128 + n for signal n), None while it runs."""
        ...

    def kill(self) -> None:
        """End it, with all that it started where that can be done."""
        ...


class Session(Process, Protocol):
    """A command that somebody talks to."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when something happened; ``take``, ``put`` and ``over`` tell what."""
        ...

    def resize(self, window: Window) -> None:
        """Tell the size of its terminal."""
        ...


class _Kept:
    """The beginning of an output, up to a cap."""

    def __init__(self, cap: int) -> None:
        self.data = bytearray()
        self.cut = False
        self._cap = cap

    def add(self, more: bytes) -> None:
        room = self._cap - len(self.data)
        self.data += more[:room]
        self.cut = self.cut or len(more) > room


class Deadline:
    """A moment that work must end by, and what to say when it has not."""

    def __init__(self, where: str, seconds: float) -> None:
        self._where = where
        self._seconds = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            TimedOut: none are.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimedOut("wire.timed_out", where=self._where, seconds=f"{self._seconds:g}")
        return left


def finish(process: Process, stdin: bytes | Iterable[bytes], deadline: Deadline, cap: int) -> Ran:
    """Feed a process, read it to its end, and return what it left. Whatever happens, it is ended.

    Raises:
        TimedOut: it had not ended in time.
        WireCut: the machine is gone.
    """
    out, err = _Kept(cap), _Kept(cap)
    food = _Food(stdin)
    quiet_since = time.monotonic()
    try:
        while not (out.cut or err.cut):
            food.feed(process)
            over, code = process.over(), process.code()
            got = process.take()
            out.add(got[0])
            err.add(got[1])
            now = time.monotonic()
            quiet_since = now if any(got) else quiet_since
            if code is not None and (over or now - quiet_since > _LINGER):
                return Ran(code, bytes(out.data), bytes(err.data), cut=out.cut or err.cut)
            process.wait(min(_STEP, deadline.left()))
        return Ran(128 + 13, bytes(out.data), bytes(err.data), cut=True)
    finally:
        process.kill()


class _Food:
    """Input that is given as fast as the process takes it."""

    def __init__(self, stdin: bytes | Iterable[bytes]) -> None:
        self._pieces = _cut(stdin)
        self._rest = memoryview(b"")
        self._ended = False

    def feed(self, process: Process) -> None:
        while not self._ended:
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    self._ended = True
                    process.end_input()
                    return
                self._rest = memoryview(piece)
            taken = process.put(bytes(self._rest[:_PACKET]))
            if not taken:
                return
            self._rest = self._rest[taken:]


def _cut(stdin: bytes | Iterable[bytes]) -> Iterator[bytes]:
    """Yield the input in pieces, none of them empty."""
    pieces = (stdin,) if isinstance(stdin, bytes) else stdin
    return (piece for piece in pieces if piece)


def lines(process: Process, where: str, idle: float | None) -> Iterator[bytes]:
    """Yield a process's output by lines, without their ends; what a line has beyond 64 KiB is left out.

    Raises:
        TimedOut: nothing came for ``idle`` seconds.
        WireCut: the machine is gone.
        ActionFailed: the command ended, and not with 0.
    """
    splitter, said = _Lines(), b""
    heard = time.monotonic()
    try:
        while True:
            over = process.over()
            out, err = process.take()
            said += err[: _SAID - len(said)]
            heard = time.monotonic() if out else heard
            yield from splitter.add(out)
            if over:
                yield from splitter.rest()
                return _ended_well(process, where, said)
            patience = _STEP if idle is None else idle - (time.monotonic() - heard)
            if patience <= 0:
                raise TimedOut("wire.silent", where=where, seconds=f"{idle:g}")
            process.wait(min(_STEP, patience))
    finally:
        process.kill()


def _ended_well(process: Process, where: str, said: bytes) -> None:
    deadline = Deadline(where, _LINGER)
    while (code := process.code()) is None:
        process.wait(deadline.left())
    if code:
        raise ActionFailed("wire.command_failed", where=where, code=code, said=line(said))


class _Lines:
    """Bytes in, whole lines out."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def add(self, data: bytes) -> Iterator[bytes]:
        *ended, begun = data.split(b"\n")
        for part in ended:
            self._keep(part)
            yield bytes(self._begun)
            self._begun.clear()
        self._keep(begun)

    def rest(self) -> Iterator[bytes]:
        if self._begun:
            yield bytes(self._begun)

    def _keep(self, part: bytes) -> None:
        self._begun += part[: LINE_CAP - len(self._begun)]
