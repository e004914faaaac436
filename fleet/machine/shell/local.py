"""A command of this computer on a terminal of its own."""

import contextlib
import errno
import fcntl
import os
import pty
import pwd
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence

from fleet.machine import quote
from fleet.machine.port import Window

_CHUNK = 1 << 16
_MOST = 1 << 20  # bytes read at once, ahead of whoever takes them
_MERCY = 2.0  # seconds between HUP and KILL
_POLL = 0.2
_LINGER = 0.5  # seconds of silence after its end: what it left behind may hold the terminal open
# The first terminal that the leader of a new session opens becomes its controlling terminal.
_ON = ': <"$1"; shift; exec "$@"'


def login_shell() -> tuple[str, ...]:
    """Return the words that start this login's own shell."""
    return (pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh", "-l")


class LocalTerminal:
    """A command on this computer, on a terminal of its own, whose end we hold."""

    def __init__(self, words: Sequence[str], window: Window) -> None:
        quote.check(words)
        self._ours, theirs = pty.openpty()
        try:
            self.resize(window)
            self._child = subprocess.Popen(
                ("/bin/sh", "-c", _ON, "sh", os.ttyname(theirs), *words),
                stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                env=os.environ | {"TERM": window.kind},
            )  # fmt: skip
        except BaseException:
            os.close(self._ours)
            raise
        finally:
            os.close(theirs)
        os.set_blocking(self._ours, False)
        self._hung_up = False
        self._heard = time.monotonic()

    def fileno(self) -> int:
        """Return the end of the terminal that is ours."""
        return self._ours

    def wait(self, seconds: float) -> None:
        """Wait until something happens, at most so long."""
        if self._hung_up:
            time.sleep(min(seconds, 0.01))
        else:
            select.select([self._ours], [], [], min(seconds, _POLL))

    def take(self) -> tuple[bytes, bytes]:
        """Return the output that came since; a terminal does not tell errors apart."""
        got = bytearray()
        while not self._hung_up and len(got) < _MOST:
            try:
                piece = os.read(self._ours, _CHUNK)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                piece = b""
            self._hung_up = not piece
            got += piece
        if got:
            self._heard = time.monotonic()
        return bytes(got), b""

    def put(self, data: bytes) -> int:
        """Type; return how many bytes were taken. What nobody reads any more counts as taken."""
        try:
            return os.write(self._ours, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def end_input(self) -> None:
        """Say that no more is typed, as a person does."""
        self.put(b"\x04")

    def resize(self, window: Window) -> None:
        """Tell the size of its terminal."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", window.rows, window.columns, 0, 0))

    def over(self) -> bool:
        """Tell whether no more output will come."""
        return self._hung_up or (self.code() is not None and time.monotonic() - self._heard > _LINGER)

    def code(self) -> int | None:
        """Return how it ended (128 + n for signal n), None while it runs."""
        code = self._child.poll()
        return code if code is None or code >= 0 else 128 - code

    def kill(self) -> None:
        """Hang up; what is still there two seconds later is killed."""
        if self._ours < 0:
            return
        os.close(self._ours)
        self._ours = -1
        self._signal(signal.SIGHUP)
        try:
            self._child.wait(_MERCY)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(_MERCY)

    def _signal(self, number: int) -> None:
        if self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # sudo's processes are root's
                os.killpg(self._child.pid, number)
