"""Bytes from and to a command on a machine, as many as there are and never many at once."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fleet.base.errors import ActionFailed, TimedOut
from fleet.machine.port import Ran

if TYPE_CHECKING:
    from fleet.machine.process import Session

IDLE = 120.0  # seconds without a byte after which a machine counts as unreachable
FLOOR = 1 << 14  # bytes per second, in the mean of a window: what is slower would never come to an end
WINDOW = 600.0  # seconds of waiting
_SAID = 1 << 16
_STEP = 1.0
_PACKET = 1 << 15
_END = 600.0  # seconds for what a command does once it has all its input


class Idle:
    """How long nothing has moved, and whether enough has: a byte now and then would hold us for ever."""

    def __init__(self, where: str, seconds: float = IDLE) -> None:
        self._where = where
        self._seconds = seconds
        self._since = time.monotonic()
        self._waited = 0.0
        self._moved = 0

    def moved(self, count: int) -> None:
        """So many bytes have."""
        self._since = time.monotonic()
        self._moved += count

    def wait(self, session: "Session") -> None:
        """Wait a moment for a session; only such time counts, not what is done with what came.

        Raises:
            TimedOut: it has been too long, or too little has moved for too long.
        """
        if self._waited > WINDOW:
            if self._moved < FLOOR * self._waited:
                raise TimedOut("backup.too_slow", where=self._where, kib=f"{self._moved / self._waited / 1024:.1f}")
            self._waited, self._moved = 0.0, 0
        began = time.monotonic()
        session.wait(self.left())
        self._waited += time.monotonic() - began

    def left(self) -> float:
        """Return the seconds to wait for.

        Raises:
            TimedOut: it has been too long.
        """
        left = self._since + self._seconds - time.monotonic()
        if left <= 0:
            raise TimedOut("wire.silent", where=self._where, seconds=f"{self._seconds:g}")
        return min(_STEP, left)


def pull(session: "Session", where: str, size: int) -> Iterator[bytes]:
    """Yield what a command prints: exactly as many bytes as the machine said.

    Raises:
        ActionFailed: there are more or fewer, or the command failed.
        Unreachable: the machine is gone, silent, or slower than `FLOOR`.
    """
    came, idle = 0, Idle(where)
    session.end_input()
    while True:
        over = session.over()
        out, _ = session.take()
        if out:
            idle.moved(len(out))
            came += len(out)
            if came > size:
                raise ActionFailed("backup.sent_more", where=where, bytes=size)
            yield out
        elif over:
            break
        else:
            idle.wait(session)
    if came != size or _code(session, where):
        raise ActionFailed("backup.sent_less", where=where, bytes=size, came=came)


def _code(session: "Session", where: str) -> int:
    idle = Idle(where)
    while (code := session.code()) is None:
        session.wait(idle.left())
    return code


class Push:
    """Gives a command its input; what it says is kept."""

    def __init__(self, session: "Session", where: str) -> None:
        self._session = session
        self._where = where
        self._idle = Idle(where)
        self._out = bytearray()
        self._err = bytearray()

    @property
    def ended(self) -> bool:
        """Whether the command has ended, whatever else there is to give."""
        return self._session.over() or self._session.code() is not None

    def __call__(self, data: bytes) -> None:
        """Give it these bytes.

        Raises:
            Stopped: it has ended, and wants no more.
            Unreachable: the machine is gone, or takes nothing any more.
        """
        view = memoryview(data)
        while view:
            taken = self._session.put(bytes(view[:_PACKET]))
            self._hear()
            if taken:
                self._idle.moved(taken)
                view = view[taken:]
            else:
                self._idle.wait(self._session)
            if self.ended:
                raise Stopped

    def finish(self) -> Ran:
        """Say that this was all, and return what the command left.

        Raises:
            Unreachable: the machine is gone, or does not come to an end.
        """
        if not self.ended:
            self._session.end_input()
        idle = Idle(self._where, _END)
        while not self._session.over() or (code := self._session.code()) is None:
            self._hear()
            self._session.wait(idle.left())
        self._hear()
        return Ran(code, bytes(self._out), bytes(self._err))

    def _hear(self) -> None:
        out, err = self._session.take()
        self._out += out[: _SAID - len(self._out)]
        self._err += err[: _SAID - len(self._err)]


class Stopped(Exception):
    """A command ended before it had all its input; why, it has said."""
