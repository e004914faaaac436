"""Where we print to: whether a person looks, and how wide it is."""

import os
import shutil
import sys
import threading
from dataclasses import dataclass
from typing import TextIO

from fleet.base.cells import wrap

_COLOURS = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1"}

PROMPTING = threading.Event()
"""Set while a person is asked something: nothing is painted over the question."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """One output of ours.

    Attributes:
        out: what is written to.
        live: a person looks at it and lines may be painted over.
        colour: colours are welcome (NO_COLOR is not set).
        columns: its width in cells.
    """

    out: TextIO
    live: bool = False
    colour: bool = False
    columns: int = 80

    def paint(self, text: str, style: str) -> str:
        """Return the text in a style (good, bad, warn, dim, bold), or as it is where there are no colours."""
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if self.colour else text

    def line(self, text: str = "") -> None:
        """Write one line."""
        print(text, file=self.out, flush=True)

    def paragraphs(self, *texts: str) -> None:
        """Write texts, each wrapped at the terminal's width."""
        for text in texts:
            for row in wrap(text, self.columns):
                self.line(row)


def terminal(out: TextIO) -> Terminal:
    """Return what is known of an output."""
    calm = os.environ.get("CLAWRACK_PLAIN") or os.environ.get("ACCESSIBLE")
    live = out.isatty() and os.environ.get("TERM", "") not in {"", "dumb"} and not calm
    columns = shutil.get_terminal_size((80, 24)).columns if live else 80
    return Terminal(out, live, live and not os.environ.get("NO_COLOR"), max(columns, 20))


def careful() -> None:
    """Let both outputs replace characters that their encoding lacks, rather than fail in the middle of a line."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="replace")
