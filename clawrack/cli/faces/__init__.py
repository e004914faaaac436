"""The front ends that put an interview's questions to the person at the terminal."""

import os
import sys

from clawrack.cli.terminal import terminal
from installer.wizard.interview import Face


def face() -> Face | None:
    """Return the front end that suits the terminal; None where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    if plain():
        from clawrack.cli.faces.lines import Lines  # noqa: PLC0415 - one of the two is needed

        return Lines()
    from clawrack.cli.faces.keys import Keys  # noqa: PLC0415 - likewise; prompt_toolkit takes 100 ms

    return Keys()


def plain() -> bool:
    """Return whether questions are to be plain lines: nothing painted over, nothing told by colour."""
    return bool(os.environ.get("NO_COLOR")) or not terminal(sys.stderr).live
