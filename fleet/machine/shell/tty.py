"""The terminal that a person sits at, lent to a far shell, and given back as it was, whatever happens.

Every key reaches the far side, Ctrl-C and Ctrl-Z too; its size is told at the start and whenever it changes. It comes
back at the end, at an error, at a signal; and where we are killed outright, a process that waits for that sees to it.
"""

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import termios
import tty
from collections.abc import Generator
from types import FrameType
from typing import Self

from fleet.machine.port import Window
from fleet.machine.process import Session
from fleet.machine.shell.talk import Near, talk

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
# What a program that was cut off may have left on: mouse, pasting in brackets, a hidden cursor, colours …
_PLAIN = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m\r\n"
# … and the second screen.
_SECOND, _FIRST = b"\x1b[?1049h", b"\x1b[?1049l"
_WAIT = 'trap "" HUP INT QUIT TERM TSTP TTIN TTOU; read -r word; [ "$word" = ended ] || stty "$1" <&1'


def window(fd: int = 1) -> Window:
    """Return the terminal behind a descriptor; 80 by 24 where it does not tell."""
    try:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        rows, columns = 0, 0
    return Window(columns or 80, rows or 24, os.environ.get("TERM", "") or "xterm")


def lend(far: Session, stdin: int = 0, stdout: int = 1) -> int:
    """Lend the terminal to a session until that ends; return its exit code.

    Raises:
        WireCut: the machine is gone.
        SystemExit: a signal told us to end.
    """
    with _Raw(stdin, stdout) as raw, _bell() as bell:

        def rung() -> None:
            with contextlib.suppress(BlockingIOError):
                os.read(bell, 64)
            raw.again()
            far.resize(window(stdout))

        far.resize(window(stdout))  # it may have changed while we connected
        return talk(far, Near(stdin, stdout, stdout, bell, rung, raw.heard))


class _Raw:
    """A terminal in raw mode for as long as the block lasts."""

    def __init__(self, stdin: int, stdout: int) -> None:
        self._stdin, self._stdout = stdin, stdout
        self._second = False

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._stdin)
        self._keeper = _keeper(self._stdin)
        tty.setraw(self._stdin)
        return self

    def again(self) -> None:
        """Be raw once more: who stopped us and let us go on took the terminal in between."""
        tty.setraw(self._stdin, termios.TCSANOW)

    def heard(self, out: bytes) -> None:
        """Learn which screen is on."""
        on, off = out.rfind(_SECOND), out.rfind(_FIRST)
        if on != off:
            self._second = on > off

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(termios.error):  # the terminal may be gone itself
            termios.tcsetattr(self._stdin, termios.TCSADRAIN if kind is None else termios.TCSANOW, self._before)
        if kind is not None:
            with contextlib.suppress(OSError):
                os.write(self._stdout, (_FIRST if self._second else b"") + _PLAIN)
        _dismiss(self._keeper)


def _keeper(fd: int) -> "subprocess.Popen[bytes] | None":
    """Start a process that puts the terminal back where we died without; None where there is no stty."""
    try:
        saved = subprocess.run(("stty", "-g"), stdin=fd, capture_output=True, check=True, timeout=5).stdout
        words = ("/bin/sh", "-c", _WAIT, "sh", saved.decode().strip())
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=fd, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None


def _dismiss(keeper: "subprocess.Popen[bytes] | None") -> None:
    if keeper:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            keeper.communicate(b"ended\n", timeout=5)


@contextlib.contextmanager
def _bell() -> Generator[int]:
    """Yield a descriptor that becomes readable at a change of size or after a stop; other signals end the block."""
    reader, writer = os.pipe()
    for end in (reader, writer):
        os.set_blocking(end, False)
    old = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGWINCH, signal.SIGCONT)}
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        for number in old:
            signal.signal(number, _end if number in _ENDING else _pass)
        yield reader
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in old.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _pass(number: int, frame: FrameType | None) -> None:
    del number, frame
