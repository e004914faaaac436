"""Text measured and wrapped in the cells that it takes on a terminal."""

import re

from rich.cells import cell_len, set_cell_size

# A break may come after a space, and on either side of a character that takes two cells.
_WIDE = r"\u1100-\U0003ffff"
# … but not before the marks that end a clause.
_ENDS = r",.:;!?)\uff0c\u3002\uff1a\uff1b\uff01\uff1f\uff09\u3001\u201d"
_PIECES = re.compile(rf"[^\s{_WIDE}]+\s*|\s+|[{_WIDE}][{_ENDS}]*\s*")


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
