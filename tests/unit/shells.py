"""Real shells at a terminal: what a person sees who presses TAB."""

import os
import re
from pathlib import Path

from tests.terminal import AtTerminal

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


class Shell(AtTerminal):
    """A shell that has read the script, or with ``script=None`` one that has to find it, in a home of its own."""

    def __init__(self, name: str, script: Path | None, home: Path, **more: str) -> None:
        self.name = name
        words = STARTS[name] if script else [word for word in STARTS[name] if word != "--no-config"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", "LANG": "C.UTF-8", **more}
        super().__init__(words, environment, rows=50, columns=200, cwd=home)
        begin = FINDS[name] if script is None else ""
        self.press((begin + SETS_UP[name]).format(script=script or "/dev/null", home=home) + "\n")
        self.sees("ready")

    def press(self, keys: str) -> None:
        """Press keys; what was shown before is forgotten."""
        self.forget()
        super().press(keys)

    def ran(self, line: str) -> str:
        """Type a line in which ``TAB`` stands for the key, and return what `clawrack` was called with in the end."""
        for part in re.split("(TAB)", line):
            self.press("\t" if part == "TAB" else part)
            self.rests(0.15)
        self.press("\n")
        return re.findall(r"ran:(.*)", self.sees("ran:") + self.rests(0.15))[-1].strip()
