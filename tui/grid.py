"""A table for many rows that change all the time. It knows nothing of fleets.

Textual's DataTable renders every visible line again when one cell has changed. This widget draws by lines, keeps what
it has drawn, and draws again only rows that it is told about; its cost follows the rows that can be seen.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import ClassVar, Protocol

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

GUTTER = 2  # cells at the left: the cursor, the mark
BETWEEN = 2  # cells between columns
_KEPT = 4000  # drawn lines that are kept
_STYLES = ("plain", "good", "warn", "bad", "dim", "strong", "doing")


class Cell(Protocol):
    """What stands in one column of a row: cleaned text, and the name of its style."""

    @property
    def text(self) -> str:
        """The text, on one line."""
        ...

    @property
    def style(self) -> str:
        """One of plain, good, warn, bad, dim, strong, doing."""
        ...


class Heading(Protocol):
    """A column: its id, its title, its width in cells, whether it stands at the right."""

    @property
    def id(self) -> str:
        """Names it."""
        ...

    @property
    def title(self) -> str:
        """What stands above it."""
        ...

    @property
    def width(self) -> int:
        """In cells."""
        ...

    @property
    def right(self) -> bool:
        """Whether it stands at the right."""
        ...


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """Return the text in exactly so many cells, ended by ``…`` where it was longer."""
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(set_cell_size(text, width - 1).rstrip() + "…", width) if width > 0 else ""
    room = " " * (width - cells)
    return room + text if right else text + room


class RowGrid(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows under headings, with a cursor and marks; both stay with a row's id when its place changes.

    Args:
        draw: returns the cells of a row by its id, one for each heading.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--header", "grid--cursor", *(f"grid--{name}" for name in _STYLES)}

    DEFAULT_CSS = "RowGrid { scrollbar-gutter: stable; scrollbar-size-vertical: 1; }"

    class Opened(Message):
        """A row was chosen by Enter or by a second click."""

        def __init__(self, row: str) -> None:
            super().__init__()
            self.row = row

    class Moved(Message):
        """The cursor stands on another row, or the marks are others."""

    class Pressed(Message):
        """A heading was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, draw: Callable[[str], Sequence[Cell]], *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._draw = draw
        self._headings: tuple[Heading, ...] = ()
        self._order: Sequence[str] = ()
        self._places: dict[str, int] = {}
        self._lines: dict[tuple[str, bool, bool], Strip] = {}
        self._notice: tuple[str, ...] = ()
        self._anchor: str | None = None
        self.cursor: str | None = None
        self.marks: set[str] = set()

    # ---- what is shown ---------------------------------------------------------------------------------------------

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The columns."""
        return self._headings

    @property
    def order(self) -> Sequence[str]:
        """The ids of the rows, from the top."""
        return self._order

    @property
    def room(self) -> int:
        """The rows that fit."""
        return max(0, self.scrollable_content_region.height - 1)

    @property
    def top(self) -> int:
        """The place of the first row that can be seen."""
        return self.scroll_offset.y

    def set_headings(self, headings: Sequence[Heading]) -> None:
        """Show these columns."""
        self._headings = tuple(headings)
        self._redraw()

    def set_rows(self, order: Sequence[str], dirty: Collection[str], notice: tuple[str, ...] = ()) -> None:
        """Show these rows; those that are dirty are drawn again.

        Args:
            order: all ids, from the top.
            dirty: ids whose cells have changed.
            notice: lines that stand there when there is no row.
        """
        if order != self._order:
            self._reorder(order)
        if notice != self._notice:
            self._notice = notice
            self.refresh()
        self.redraw(dirty)

    def _reorder(self, order: Sequence[str]) -> None:
        before = self._places.get(self.cursor or "", 0)
        self._order = order
        self._places = {row: place for place, row in enumerate(order)}
        if self.cursor not in self._places:
            self.cursor = order[min(before, len(order) - 1)] if order else None
        self.virtual_size = Size(self._width(), len(order) + 1)
        shift = self._places.get(self.cursor or "", 0) - before
        if shift and self.top <= before < self.top + self.room:
            self.scroll_to(y=self.top + shift, animate=False, force=True)
        self.refresh()

    def redraw(self, dirty: Iterable[str]) -> None:
        """Draw these rows again."""
        for row in dirty:
            self._drop(row)
            self._refresh_row(row)

    def forget(self, gone: Iterable[str]) -> None:
        """Take the marks off rows that are no more."""
        self.marks.difference_update(gone)

    def _redraw(self) -> None:
        self._lines.clear()
        self.virtual_size = Size(self._width(), len(self._order) + 1)
        self.refresh()

    def _drop(self, row: str) -> None:
        for variant in ((False, False), (False, True), (True, False), (True, True)):
            self._lines.pop((row, *variant), None)

    def _refresh_row(self, row: str | None) -> None:
        y = self._places.get(row or "", -1) - self.top + 1
        if 1 <= y < self.size.height:
            self.refresh(Region(0, y, self.size.width, 1))

    def _width(self) -> int:
        return GUTTER + sum(heading.width + BETWEEN for heading in self._headings) - BETWEEN

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Return one line of what can be seen; the first is the headings, whatever is scrolled."""
        place = y - 1 + self.top
        if y == 0:
            line = self._header()
        elif place < len(self._order):
            line = self._line(self._order[place])
        else:
            line = self._after(y)
        left = self.scroll_offset.x
        return line.crop_extend(left, left + self.size.width, self.rich_style)

    def _header(self) -> Strip:
        style = self.get_component_rich_style("grid--header")
        titles = (fitted(one.title, one.width, right=one.right) for one in self._headings)
        text = " " * GUTTER + (" " * BETWEEN).join(titles)
        return Strip([Segment(fitted(text, max(self.size.width, cell_len(text))), style)])

    def _after(self, y: int) -> Strip:
        text = self._notice[y - 2] if not self._order and 0 <= y - 2 < len(self._notice) else ""
        return Strip([Segment(" " * GUTTER + text, self.rich_style)])

    def _line(self, row: str) -> Strip:
        key = (row, row == self.cursor, row in self.marks)
        line = self._lines.get(key)
        if line is None:
            if len(self._lines) >= _KEPT:
                self._lines.clear()
            line = self._lines[key] = self._drawn(*key)
        return line

    def _drawn(self, row: str, under: bool, marked: bool) -> Strip:
        over = self.get_component_rich_style("grid--cursor") if under else None
        gutter = ("▌" if under else " ") + ("▪" if marked else " ")
        pieces = [Segment(gutter, self._style("strong", over))]
        for heading, cell in zip(self._headings, self._draw(row), strict=False):
            text = fitted(cell.text, heading.width, right=heading.right)
            pieces += [Segment(text, self._style(cell.style, over)), Segment(" " * BETWEEN, self._style("plain", over))]
        line = Strip(pieces[:-1] if len(pieces) > 1 else pieces)
        return line.extend_cell_length(max(self.size.width, self._width()), self._style("plain", over))

    def _style(self, name: str, over: Style | None) -> Style:
        style = self.get_component_rich_style(f"grid--{name}" if name in _STYLES else "grid--plain")
        return style + Style(bgcolor=over.bgcolor, bold=over.bold, reverse=over.reverse) if over else style

    # ---- the cursor ------------------------------------------------------------------------------------------------

    def move(self, by: int) -> None:
        """Move the cursor so many rows down, or up; it stops at both ends."""
        self.move_to(self._places.get(self.cursor or "", 0) + by)

    def move_to(self, place: int) -> None:
        """Move the cursor to the row at this place; a negative one is the first."""
        if self._order:
            self.point(self._order[max(0, min(place, len(self._order) - 1))])

    def point(self, row: str) -> None:
        """Move the cursor to a row and let it be seen."""
        if row not in self._places:
            return
        before, self.cursor = self.cursor, row
        self._refresh_row(before)
        self._refresh_row(row)
        self._bring(self._places[row])
        if before != row:
            self.post_message(self.Moved())

    def _bring(self, place: int) -> None:
        if place < self.top:
            self.scroll_to(y=place, animate=False, force=True)
        elif self.room and place >= self.top + self.room:
            self.scroll_to(y=place - self.room + 1, animate=False, force=True)

    # ---- marks -----------------------------------------------------------------------------------------------------

    def toggle(self) -> None:
        """Mark the row under the cursor, or take its mark off, and go one down."""
        if self.cursor is not None:
            self._anchor = self.cursor
            self.set_marks(self.marks ^ {self.cursor})
            self.move(1)

    def mark_range(self) -> None:
        """Mark all rows from the one that was marked last to the cursor."""
        if self.cursor is None:
            return
        ends = sorted((self._places.get(self._anchor or "", self._places[self.cursor]), self._places[self.cursor]))
        self._anchor = self.cursor
        self.set_marks(self.marks | set(self._order[ends[0] : ends[1] + 1]))

    def set_marks(self, marks: Iterable[str]) -> None:
        """Mark these rows and no others."""
        before, self.marks = self.marks, set(marks)
        for row in before ^ self.marks:
            self._refresh_row(row)
        self.post_message(self.Moved())

    # ---- the mouse and the window ----------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to what was clicked; a second click opens it; a heading says so."""
        if event.y == 0:
            column = self.column_at(event.x + self.scroll_offset.x)
            if column:
                self.post_message(self.Pressed(column))
        elif event.y - 1 + self.top < len(self._order):
            row = self._order[event.y - 1 + self.top]
            self.point(row)
            if event.chain > 1:
                self.post_message(self.Opened(row))

    def column_at(self, x: int) -> str | None:
        """Return the id of the column at this cell of a line, or None."""
        left = GUTTER
        for heading in self._headings:
            if left <= x < left + heading.width + BETWEEN:
                return heading.id
            left += heading.width + BETWEEN
        return None

    def on_resize(self) -> None:
        """Draw everything again for the new width."""
        self._redraw()
        if self.cursor in self._places:
            self._bring(self._places[self.cursor])

    def notify_style_update(self) -> None:
        """Draw everything again in the new colours."""
        super().notify_style_update()
        self._lines.clear()
