"""Two ends of a conversation tied together: a session on a machine, and descriptors of ours. Knows no terminal.

Nothing is read that the other side does not take yet: a flood over there waits over there.
"""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fleet.machine.process import Session

_PIECE = 1 << 14
_STEP = 1.0
_AGAIN = 0.02  # seconds between two attempts to give what was not taken
# A daemon that a command left behind may hold its output open. When the command has ended and nothing has come for
# this long, nothing will.
_LINGER = 3.0
Rung = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Near:
    """Our end.

    Attributes:
        stdin: read from; None where nothing is to be sent.
        stdout: written to.
        stderr: likewise.
        bell: a descriptor that is readable when ``rung`` is to be called, for example after a signal.
        rung: called then.
        heard: called with all output before it is written.
        kept: called with output and error output in place of writing them; no more is wanted where it returns false.
    """

    stdin: int | None = 0
    stdout: int = 1
    stderr: int = 2
    bell: int | None = None
    rung: Rung = lambda: None
    heard: Callable[[bytes], None] = lambda _: None
    kept: Callable[[bytes, bytes], bool] | None = None


def talk(far: Session, near: Near) -> int:
    """Pass everything both ways until the far side ends; return its exit code.

    Raises:
        WireCut: the machine is gone.
        ActionFailed: what should have run did not start.
        OSError: our end is gone (BrokenPipeError where nobody reads any more).
    """
    return _Talk(far, near).run()


class _Talk:
    def __init__(self, far: Session, near: Near) -> None:
        self._far = far
        self._near = near
        self._stdin = near.stdin
        self._unsent = b""
        self._unwritten: list[tuple[int, bytes]] = []
        self._heard = time.monotonic()
        self._enough = False
        if near.stdin is None:
            far.end_input()

    def run(self) -> int:
        while True:
            over, code = self._far.over(), self._far.code()
            self._take()
            if self._enough:
                return 128 + signal.SIGPIPE
            quiet = time.monotonic() - self._heard
            if code is not None and not self._unwritten and (over or quiet > _LINGER):
                return code
            self._once(_AGAIN if self._unsent or over or code is not None else _STEP)

    def _take(self) -> None:
        if self._unwritten:
            return
        out, err = self._far.take()
        if out or err:
            self._heard = time.monotonic()
            self._near.heard(out)
        if self._near.kept:
            self._enough = not self._near.kept(out, err)
            return
        self._unwritten = [(to, data) for to, data in ((self._near.stdout, out), (self._near.stderr, err)) if data]

    def _once(self, seconds: float) -> None:
        readable, writable, _ = select.select(
            list(self._reads()), [self._unwritten[0][0]] if self._unwritten else [], [], seconds
        )
        self._far.wait(0)
        if writable:
            self._write()
        if self._near.bell in readable:
            self._near.rung()
        if self._stdin in readable:
            self._read()
        self._send()

    def _reads(self) -> Iterator[int]:
        if not self._unwritten:
            yield self._far.fileno()
        if self._near.bell is not None:
            yield self._near.bell
        if self._stdin is not None and not self._unsent:
            yield self._stdin

    def _read(self) -> None:
        assert self._stdin is not None  # noqa: S101 - it was readable
        try:
            self._unsent = os.read(self._stdin, _PIECE)
        except OSError:  # a terminal that is gone
            self._unsent = b""
        if not self._unsent:
            self._stdin = None
            self._far.end_input()

    def _send(self) -> None:
        if self._unsent:
            self._unsent = self._unsent[self._far.put(self._unsent) :]

    def _write(self) -> None:
        (to, data), *rest = self._unwritten
        left = data[os.write(to, data[:_PIECE]) :]
        self._unwritten = [(to, left), *rest] if left else rest
