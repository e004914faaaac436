"""A terminal with a person's keys: tmux, on a socket of its own, so that no other tmux of the box is touched."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Terminal:
    """A program in a terminal of so many cells.

    Args:
        words: the program and its arguments.
        environment: of the program.
        size: columns and rows.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], size: tuple[int, int] = (80, 24)) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="clawrack-terminal-"))
        columns, rows = map(str, size)
        self._tmux("new-session", "-d", "-x", columns, "-y", rows, *words, environment=environment)

    def _tmux(self, *words: str, environment: Mapping[str, str] | None = None, check: bool = True) -> str:
        command = ["tmux", "-S", str(self._folder / "socket"), "-f", os.devnull, *words]
        done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def press(self, *keys: str) -> None:
        """Press keys, by their names (`Enter`, `Escape`, `C-q`) or as characters."""
        self._tmux("send-keys", *keys)

    @property
    def text(self) -> str:
        """What stands in it now; empty once the program has ended."""
        return self._tmux("capture-pane", "-p", check=False)

    def shows(self, *texts: str, within: float = 10.0) -> str:
        """Wait until all these texts stand in it, and return all that does."""
        return self._until(lambda shown: all(text in shown for text in texts), texts, within)

    def hides(self, *texts: str, within: float = 10.0) -> str:
        """Wait until none of these texts stands in it any more."""
        return self._until(lambda shown: not any(text in shown for text in texts), texts, within)

    def _until(self, wanted: Callable[[str], bool], texts: Sequence[str], within: float) -> str:
        end = time.monotonic() + within
        while not wanted(shown := self.text):
            assert time.monotonic() < end, f"after {within:g} s, of {texts}:\n{shown}"
            time.sleep(0.1)
        return shown

    def ends(self, within: float = 10.0) -> None:
        """Wait until the program has ended."""
        end = time.monotonic() + within
        while self._tmux("list-sessions", check=False):
            assert time.monotonic() < end, f"it still runs:\n{self.text}"
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tmux("kill-server", check=False)
        shutil.rmtree(self._folder, ignore_errors=True)
