"""A terminal as a person sits at it: a program on a pty of this computer's; we press the keys, and read."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ENTER, ESCAPE, UP, DOWN, CTRL_C = "\r", "\x1b", "\x1b[A", "\x1b[B", "\x03"
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*\x1b\\"
    r"|\x1b[()][0-9A-Z]|\x1b[0-9=>A-OZ]"
)
_BEGUN = re.compile(r"(?:\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[()])?)\Z")


class AtTerminal:
    """A program that leads a session on a terminal of its own; used as a context, which ends it.

    Attributes:
        said: every byte that it printed.
        text: the same without what moves the cursor and colours.
    """

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        rows: int = 24,
        columns: int = 80,
        cwd: Path | None = None,
    ) -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(rows, columns)
        self._before = termios.tcgetattr(self._theirs)
        self.said, self.text = b"", ""
        self._seen, self._begun = 0, ""
        self._decoded = codecs.getincrementaldecoder("utf-8")("replace")
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *words],
            stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, env=dict(environment), cwd=cwd,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._ours)
        os.close(self._theirs)

    def resize(self, rows: int, columns: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def sees(self, words: str, within: float = 60) -> str:
        """Wait until the words are shown, after what was waited for before; return what was shown up to their end."""
        end = time.monotonic() + within
        while (at := self.text.find(words, self._seen)) < 0:
            over = self.process.poll() is not None
            came = self._read(0 if over else 0.1)
            assert came or not over, f"ended before {words!r}:\n{self.text[-3000:]}"
            assert time.monotonic() < end, f"no {words!r} in:\n{self.text[-3000:]}"
        begin, self._seen = self._seen, at + len(words)
        return self.text[begin : self._seen]

    def rests(self, seconds: float = 0.5) -> str:
        """Wait until nothing has been shown for so long; return what was shown and not waited for."""
        while self._read(seconds):
            pass
        return self.text[self._seen :]

    def forget(self) -> None:
        """Look only at what is shown from now on."""
        self._seen = len(self.text)

    def ends(self, within: float = 60) -> int:
        """Wait for its end and return its exit code."""
        end = time.monotonic() + within
        while (code := self.process.poll()) is None:
            assert time.monotonic() < end, f"still there:\n{self.text[-3000:]}"
            self._read(0.05)
        self._read(0)
        return code

    @property
    def raw(self) -> bool:
        """Whether the terminal passes every key on."""
        return not termios.tcgetattr(self._theirs)[3] & (termios.ICANON | termios.ISIG | termios.ECHO)

    def restored(self, within: float = 5) -> bool:
        """Whether the terminal is as it was before."""
        end = time.monotonic() + within
        while termios.tcgetattr(self._theirs) != self._before and time.monotonic() < end:
            time.sleep(0.02)
        return termios.tcgetattr(self._theirs) == self._before

    def _read(self, seconds: float) -> bool:
        """Read what comes within so many seconds, and whatever comes with it; tell whether anything did."""
        before = len(self.said)
        while select.select([self._ours], [], [], seconds)[0]:
            piece = os.read(self._ours, 1 << 16)
            self.said += piece
            self._show(self._decoded.decode(piece))
            seconds = 0
        return len(self.said) > before

    def _show(self, piece: str) -> None:
        """Add to the text; a sequence that has only begun waits for its end."""
        piece = self._begun + piece
        begun = _BEGUN.search(piece)
        whole, self._begun = (piece[: begun.start()], begun.group()) if begun else (piece, "")
        self.text += re.sub(r"[\r\x0f]", "", _SEQUENCE.sub("", whole))
