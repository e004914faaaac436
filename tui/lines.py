"""Many lines of text as they are read on a screen: wrapped, filtered, searched; no terminal in it."""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from rich.cells import get_character_cell_size

MOST = 50_000  # lines that are kept
_SLACK = 10  # a tenth more is kept before the oldest go, so that each line does not shift all the others


class Line(NamedTuple):
    """A line: what stands at its left (whose it is, or a field's name), its text, and the name of its style."""

    left: str
    text: str
    style: str = "plain"


class Row(NamedTuple):
    """One row of the screen: the number of its line, and which of the line's characters stand in it."""

    line: int
    start: int
    end: int


def pieces(text: str, width: int) -> list[tuple[int, int]]:
    """Return where a text is broken so that no piece takes more than so many cells; the whole where width is 0.

    It is broken after a space, where there is one in the second half of a piece.
    """
    if not width or (text.isascii() and len(text) <= width):
        return [(0, len(text))]
    breaks = [0]
    cells = space = 0
    for place, char in enumerate(text):
        taken = get_character_cell_size(char)
        if cells + taken > width and place > breaks[-1]:
            breaks.append(space if 2 * (space - breaks[-1]) > place - breaks[-1] else place)
            cells = sum(map(get_character_cell_size, text[breaks[-1] : place]))
        cells += taken
        if char == " ":
            space = place + 1
    return list(pairwise([*breaks, len(text)]))


class Lines:
    """The last lines of something, laid out in rows.

    Args:
        most: lines that are kept; the oldest go first.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: list[Line] = []
        self._first = 0  # the number of the oldest line that is kept
        self._width = 0
        self._wanted: tuple[str, ...] = ()
        self._unwanted: tuple[str, ...] = ()
        self.rows: list[Row] = []
        self.only = ""

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def added(self) -> int:
        """How many lines were ever added."""
        return self._first + len(self._kept)

    def __getitem__(self, number: int) -> Line:
        return self._kept[number - self._first]

    def add(self, lines: Iterable[Line]) -> int:
        """Add lines at the end; return how many rows went from the beginning."""
        for line in lines:
            if self._shown(line):
                self.rows += self._rows(self.added, line)
            self._kept.append(line)
        return self._trim() if len(self._kept) > self._most + self._most // _SLACK else 0

    def _trim(self) -> int:
        gone = len(self._kept) - self._most
        del self._kept[:gone]
        self._first += gone
        rows = bisect_left(self.rows, self._first, key=lambda row: row.line)
        del self.rows[:rows]
        return rows

    def replace(self, lines: Iterable[Line]) -> None:
        """Show these lines and no others."""
        self._kept.clear()
        self.rows.clear()
        self.add(lines)

    def lay(self, width: int) -> None:
        """Lay all lines out in rows of so many cells; 0 for rows as long as their lines."""
        self._width = width
        self._again()

    def keep_only(self, words: str) -> None:
        """Show only lines that hold all these words, and none of those after a ``!``; in any case of letters."""
        self.only = words
        told = words.casefold().split()
        self._wanted = tuple(word for word in told if not word.startswith("!"))
        self._unwanted = tuple(word[1:] for word in told if word.startswith("!") and word[1:])
        self._again()

    def _again(self) -> None:
        numbered = enumerate(self._kept, self._first)
        self.rows = [row for number, line in numbered if self._shown(line) for row in self._rows(number, line)]

    def _shown(self, line: Line) -> bool:
        if not self.only:
            return True
        text = f"{line.left} {line.text}".casefold()
        return all(word in text for word in self._wanted) and not any(word in text for word in self._unwanted)

    def _rows(self, number: int, line: Line) -> list[Row]:
        return [Row(number, start, end) for start, end in pieces(line.text, self._width)]

    def find(self, word: str, place: int, step: int) -> int | None:
        """Return the place of the next row, from this one on in steps of 1 or -1, whose line holds the word.

        A line of several rows is found once, at its first.
        """
        wanted = word.casefold()
        while wanted and 0 <= place < len(self.rows):
            row = self.rows[place]
            if row.start == 0 and wanted in self[row.line].text.casefold():
                return place
            place += step
        return None


def spans(text: str, word: str) -> list[tuple[int, int]]:
    """Return where a word stands in a text, in any case of letters; nothing for an empty word."""
    found: list[tuple[int, int]] = []
    small, wanted = text.lower(), word.lower()
    at = small.find(wanted) if wanted and len(small) == len(text) else -1
    while at >= 0:
        found.append((at, at + len(wanted)))
        at = small.find(wanted, at + len(wanted))
    return found
