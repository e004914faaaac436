"""A person's hands at a terminal: types, waits for words, reads the screen."""

import fcntl
import os
import pty
import re
import select
import struct
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

_ESCAPES = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-_=>()][0-9A-B]?")
ENTER, ESCAPE, UP, DOWN, CTRL_C = b"\r", b"\x1b", b"\x1b[A", b"\x1b[B", b"\x03"


class Hands:
    """A program at a terminal of its own; used as a context, which ends it."""

    def __init__(
        self, words: tuple[str, ...], environment: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(words[0], words, dict(environment))
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.raw = b""
        self.code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.code is None:
            os.kill(self._pid, 9)
            os.waitpid(self._pid, 0)
        os.close(self._terminal)

    @property
    def text(self) -> str:
        """All that was printed, without what moves the cursor and colours."""
        return _ESCAPES.sub(b"", self.raw).replace(b"\r\n", b"\n").decode(errors="replace")

    def type(self, keys: bytes | str) -> None:
        """Type."""
        os.write(self._terminal, keys.encode() if isinstance(keys, str) else keys)

    def sees(self, words: str, seconds: float = 60) -> None:
        """Wait until the words are printed, after what was waited for before."""
        deadline = time.monotonic() + seconds
        while words not in self.text[self._seen :]:
            assert time.monotonic() < deadline, f"no {words!r} in:\n{self.text[-3000:]}"
            assert self._read(0.2), f"ended before {words!r}:\n{self.text[-3000:]}"
        self._seen = self.text.index(words, self._seen) + len(words)

    _seen = 0

    def ends(self, seconds: float = 60) -> int:
        """Wait for its end and return its exit code."""
        deadline = time.monotonic() + seconds
        while self._read(0.2):
            assert time.monotonic() < deadline, f"still there:\n{self.text[-3000:]}"
        _, status = os.waitpid(self._pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        return self.code

    def keep(self, path: Path) -> None:
        """Write what was printed to a file, for eyes."""
        path.write_bytes(self.raw)

    def _read(self, seconds: float) -> bool:
        """Read what there is; return whether there may be more."""
        ready, _, _ = select.select([self._terminal], [], [], seconds)
        if not ready:
            return True
        try:
            piece = os.read(self._terminal, 1 << 16)
        except OSError:  # Linux says so when the program has gone
            return False
        self.raw += piece
        return bool(piece)
