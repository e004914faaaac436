"""A dialog with a list to choose from, found by typing."""

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.widgets import Input

from fleet.base.words import say
from tui.grid import Cell, RowGrid
from tui.keys import motion
from tui.screens.dialog import Dialog
from tui.state.cells import Cell as Shown
from tui.state.table import Heading

_MOST = 200  # choices that are shown
_KEYS = 26  # cells of the second column, at most


class Choice(NamedTuple):
    """Something to choose: its id, its text, what stands beside it, and whether it can be chosen now."""

    id: str
    text: str
    beside: str = ""
    usable: bool = True


class Choose(Dialog[str]):
    """The dialog; its answer is the id of what was chosen, or None.

    Args:
        heading: stands in its frame.
        typed: whether a line to type into is there.
    """

    def __init__(self, heading: str, *, typed: bool = True) -> None:
        super().__init__()
        self.heading = heading
        self._typed = typed
        self._found: dict[str, Choice] = {}

    def choices(self, words: str) -> list[Choice]:
        """Return what there is to choose, the best first."""
        del words
        return []

    def inside(self) -> ComposeResult:
        """Yield the line and the list."""
        if self._typed:
            yield Input(placeholder=say("screen.prompt.palette"), id="words", compact=True)
        yield RowGrid(self._cells, id="choices")

    def _cells(self, row: str) -> Sequence[Cell]:
        one = self._found[row]
        return Shown(one.text, "plain" if one.usable else "dim"), Shown(one.beside, "dim")

    @property
    def grid(self) -> RowGrid:
        """The list."""
        return self.query_one("#choices", RowGrid)

    def on_mount(self) -> None:
        """Show all choices."""
        self.query_one("#words" if self._typed else "#choices").focus()
        self.call_after_refresh(self.fill)

    def fill(self, words: str = "") -> None:
        """Show what is found by these words."""
        found = self.choices(words)[:_MOST]
        self._found = {one.id: one for one in found}
        beside = min(_KEYS, max((cell_len(one.beside) for one in found), default=0))
        room = max(10, self.grid.size.width - beside - 5)
        self.grid.set_headings((Heading("text", "", room), Heading("beside", "", beside)))
        self.grid.set_rows(list(self._found), (), (say("screen.nothing_found"),))
        self.grid.redraw(self._found)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Find again."""
        self.fill(event.value)
        self.grid.move_to(0)

    def on_input_submitted(self) -> None:
        """Choose what the cursor is on."""
        self.choose()

    def on_row_grid_opened(self) -> None:
        """Choose what was clicked twice."""
        self.choose()

    def on_key(self, event: events.Key) -> None:
        """Move in the list, whatever has the focus."""
        steps = {"up": -1, "down": 1, "page_up": -10, "page_down": 10}
        name = motion(event.key) or ""
        if name in steps:
            event.stop()
            self.grid.move(steps[name])
        elif event.key in {"enter", "space"} and not self._typed:
            event.stop()
            self.choose()

    def choose(self) -> None:
        """Answer with what the cursor is on, where it can be chosen."""
        row = self.grid.cursor
        if row and self._found[row].usable:
            self.dismiss(row)
