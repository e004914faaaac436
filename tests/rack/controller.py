"""A controller of its own: the real command line, with folders of its own, as a person would type it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.terminal import AtTerminal

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Typed:
    """What a command left: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The last JSON document that it printed."""
        return json.loads(self.out.strip().splitlines()[-1])


class Controller:
    """`clawrack` as one person types it; `folder` keeps all that it writes but the images."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "LC_ALL": "C.UTF-8",
            "CLAWRACK_LANG": "en",
            "COLUMNS": "80",
        }

    def start(
        self, *words: str, stdin: int = subprocess.DEVNULL, more: Mapping[str, str] = NOTHING
    ) -> subprocess.Popen[bytes]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "clawrack", *words],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment | dict(more),
        )  # fmt: skip

    def type(self, *words: str, stdin: str = "", timeout: float = 580, more: Mapping[str, str] = NOTHING) -> Typed:
        """Type a command and wait for its end; `more` goes to its environment."""
        process = self.start(*words, stdin=subprocess.PIPE, more=more)
        out, err = process.communicate(stdin.encode(), timeout)
        return Typed(process.returncode, out.decode(), err.decode())

    def done(self, *words: str, stdin: str = "", timeout: float = 580, more: Mapping[str, str] = NOTHING) -> Typed:
        """Type a command that must succeed."""
        typed = self.type(*words, stdin=stdin, timeout=timeout, more=more)
        assert typed.code == 0, f"{words} → {typed.code}\n{typed.out[-3000:]}\n{typed.err[-3000:]}"
        return typed

    def at_terminal(
        self, *words: str, rows: int = 24, columns: int = 80, more: Mapping[str, str] = NOTHING
    ) -> AtTerminal:
        """Type a command at a terminal of so many cells; `more` goes to its environment."""
        plain = {name: value for name, value in self.environment.items() if name not in {"COLUMNS", "NO_COLOR"}}
        environment = {**plain, "TERM": "xterm-256color", **more}
        return AtTerminal([sys.executable, "-m", "clawrack", *words], environment, rows=rows, columns=columns)

    def answers(self, agent: str, message: str, within: float) -> str:
        """Ask until the agent answers."""
        end = time.monotonic() + within
        while True:
            typed = self.type("agent", "ask", agent, message)
            if typed.code == 0:
                return typed.out
            assert time.monotonic() < end, f"{agent} gave no answer within {within:g} s: {typed.err}"
            time.sleep(1)

    def written(self) -> bytes:
        """Everything that it keeps on disk, one after another."""
        return b"\n".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())
