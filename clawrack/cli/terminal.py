"""Where we print to: whether a person looks, how wide it is, and text measured in the cells that it takes there."""

import os
import re
import shutil
import sys
import threading
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len, set_cell_size

_COLOURS = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1"}
# A break may come after a space, and on either side of a character that takes two cells.
_WIDE = r"\u1100-\U0003ffff"
# … but not before the marks that end a clause.
_ENDS = r",.:;!?)\uff0c\u3002\uff1a\uff1b\uff01\uff1f\uff09\u3001\u201d"
_PIECES = re.compile(rf"[^\s{_WIDE}]+\s*|\s+|[{_WIDE}][{_ENDS}]*\s*")

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


def width(text: str) -> int:
    """Return the number of cells that the text takes."""
    return cell_len(text)


def pad(text: str, cells: int) -> str:
    """Return the text with spaces up to so many cells; longer text is left whole."""
    return text + " " * max(0, cells - width(text))


def cut(text: str, cells: int) -> str:
    """Return the text in at most so many cells, ended by ``…`` where it was longer."""
    return text if width(text) <= cells else set_cell_size(text, cells - 1).rstrip() + "…"


def wrap(text: str, cells: int, indent: str = "") -> list[str]:
    """Return the text in lines of at most so many cells, each after the indent; its own line ends are kept.

    A word that is longer than a line (an address, a digest) stays whole, so that it can be copied.
    """
    room = max(1, cells - width(indent))
    return [indent + row for paragraph in text.splitlines() or [""] for row in _filled(paragraph, room)]


def _filled(paragraph: str, room: int) -> list[str]:
    rows: list[str] = []
    row = ""
    for piece in _PIECES.findall(paragraph):
        if row and width(row + piece.rstrip()) > room:
            rows.append(row.rstrip())
            row = ""
        row += piece
    return [*rows, row.rstrip()]
