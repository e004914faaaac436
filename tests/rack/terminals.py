"""A terminal as a person sits at it: a pty of this computer's, with a command of the controller's on it."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from types import TracebackType
from typing import Self

from tests.rack.controller import Controller

# The command is the leader of a session of its own, on this terminal.
START = (
    "import os, sys, fcntl, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, '-m', 'clawrack', *sys.argv[1:]])"
)


class AtTerminal:
    """A command on a terminal of its own; `said` is what it printed and nobody has waited for yet."""

    def __init__(self, controller: Controller, *words: str, rows: int = 24, columns: int = 80) -> None:
        self.ours, self.theirs = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.theirs)
        self.said = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *words],
            stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
            env=controller.environment | {"TERM": "xterm-256color"},
        )  # fmt: skip

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, text: str) -> None:
        """Type something; `\\x03` is Ctrl-C."""
        os.write(self.ours, text.encode())

    def until(self, text: str, within: float = 30) -> str:
        """Wait until it has printed a text; what it printed, with it."""
        end, wanted = time.monotonic() + within, text.encode()
        while wanted not in self.said:
            over = self.process.poll() is not None
            self._read(0 if over else 0.1)
            assert wanted in self.said or (not over and time.monotonic() < end), (text, self.said, self.process.poll())
        head, _, self.said = self.said.partition(wanted)
        return (head + wanted).decode(errors="replace")

    def end(self, within: float = 30) -> int:
        """Wait for its end; its exit code."""
        end = time.monotonic() + within
        while (code := self.process.poll()) is None:
            assert time.monotonic() < end, self.said
            self._read(0.05)
        self._read(0)
        return code

    def _read(self, seconds: float) -> None:
        while select.select([self.ours], [], [], seconds)[0]:
            self.said += os.read(self.ours, 1 << 16)
            seconds = 0

    @property
    def raw(self) -> bool:
        """Whether the terminal passes every key on."""
        return not termios.tcgetattr(self.theirs)[3] & (termios.ICANON | termios.ISIG | termios.ECHO)

    def restored(self, within: float = 5) -> bool:
        """Whether the terminal is as it was before."""
        end = time.monotonic() + within
        while termios.tcgetattr(self.theirs) != self.before and time.monotonic() < end:
            time.sleep(0.02)
        return termios.tcgetattr(self.theirs) == self.before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self.ours)
        os.close(self.theirs)
