"""Real shells at a terminal: what a person sees who presses TAB."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b\][^\x07]*\x07|\x1b[=>]|\r|\x0f")
STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
# `clawrack` is a function that says what was typed in the end; then no program can be found any more.
SETS_UP = {
    "bash": "source {script}; clawrack() {{ echo \"ran:$*\"; }}; PS1='> '; PATH=/nowhere; echo rea'dy'",
    "zsh": 'autoload -U compinit; compinit -u -d {home}/dump; source {script}; clawrack() {{ echo "ran:$*" }};'
    " PS1='> '; path=(/nowhere); echo rea'dy'",
    "fish": "source {script}; function clawrack; echo ran:(string join ' ' -- $argv); end;"
    " function fish_prompt; echo '> '; end; set PATH /nowhere 2>/dev/null; echo rea'dy'",
}


# How a shell begins that is to find the script by itself, where install.sh put it for a person.
FINDS = {
    "bash": "source /usr/share/bash-completion/bash_completion; ",
    "zsh": "fpath+=({home}/.local/share/zsh/site-functions); ",
    "fish": "",
}


class Shell:
    """A shell that has read the script, or with ``script=None`` one that has to find it, in a home of its own."""

    def __init__(self, name: str, script: Path | None, home: Path, **more: str) -> None:
        self.name = name
        argv = STARTS[name] if script else [word for word in STARTS[name] if word != "--no-config"]
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", "LANG": "C.UTF-8", **more}
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *argv], stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=home
        )
        os.close(theirs)
        self._seen = b""
        begin = FINDS[name] if script is None else ""
        self.type((begin + SETS_UP[name]).format(script=script or "/dev/null", home=home) + "\n")
        self.sees("ready")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, keys: str) -> None:
        """Press keys; what was shown before is forgotten."""
        self._seen = b""
        os.write(self._ours, keys.encode())

    def sees(self, text: str, within: float = 20.0) -> str:
        """Wait until a text is shown; return all that was shown since the last keys.

        Raises:
            AssertionError: it was not shown in that time.
        """
        end = time.monotonic() + within
        while text not in self.shown():
            left = end - time.monotonic()
            assert left > 0, f"{self.name} does not show {text!r}: {self.shown()!r}"
            if select.select([self._ours], [], [], min(left, 1))[0]:
                self._seen += os.read(self._ours, 65536)
        return self.shown()

    def rests(self, seconds: float = 0.5) -> str:
        """Wait until nothing has been shown for so long; return what was."""
        while select.select([self._ours], [], [], seconds)[0]:
            self._seen += os.read(self._ours, 65536)
        return self.shown()

    def shown(self) -> str:
        """What the person sees, without what moves the cursor or colours."""
        return _ESCAPES.sub(b"", self._seen).decode(errors="replace")

    def ran(self, line: str) -> str:
        """Type a line in which ``TAB`` stands for the key, and return what `clawrack` was called with in the end."""
        for part in re.split("(TAB)", line):
            self.type("\t" if part == "TAB" else part)
            self.rests(0.15)
        self.type("\n")
        return re.findall(r"ran:(.*)", self.sees("ran:") + self.rests(0.15))[-1].strip()
