"""A page of lines that can be followed, filtered and searched: logs, details, help."""

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.grid import fitted
from tui.lines import MOST, Line, Lines, spans

_TINTS = 6
_STYLES = ("plain", "good", "warn", "bad", "dim", "strong", "doing", "hit")
_WIDEST = 24  # cells of the left column


class TextView(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines with a column at their left.

    Args:
        tinted: whether each text of the left column has a colour of its own; the end is followed then.
        left: whether the left column is shown.
        most: lines that are kept.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"text--{name}" for name in _STYLES),
        *(f"text--tint-{number}" for number in range(_TINTS)),
    }

    DEFAULT_CSS = "TextView { scrollbar-gutter: stable; scrollbar-size-vertical: 1; }"

    class Scrolled(Message):
        """What is seen is another part, or it is followed no more."""

    def __init__(
        self,
        *,
        tinted: bool = False,
        left: bool = True,
        most: int = MOST,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(id=id)
        self._lines = Lines(most)
        self._tinted = tinted
        self._left = 0
        self._has_left = left
        self._tints: dict[str, int] = {}
        self._hit = 0
        self.term = ""
        self.following = tinted
        self.wrapping = True

    @property
    def lines(self) -> Lines:
        """What is shown."""
        return self._lines

    @property
    def top(self) -> int:
        """The place of the first row that can be seen."""
        return self.scroll_offset.y

    @property
    def bottom(self) -> int:
        """The place of the first row at which nothing below would be left out."""
        return max(0, len(self._lines.rows) - self.scrollable_content_region.height)

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def add(self, lines: Iterable[Line]) -> None:
        """Add lines at the end, and go there where it is followed."""
        new = list(lines)
        if self._widen(new):
            self.lay()
        gone = self._lines.add(new)
        self._resized()
        if self.following:
            self._scroll(self.bottom)
        elif gone:
            self._scroll(max(0, self.top - gone))
        self.refresh()

    def show(self, lines: Iterable[Line]) -> None:
        """Show these lines and no others, where the reader is."""
        new = list(lines)
        self._widen(new)
        self._lines.replace(new)
        self.lay()

    def _widen(self, lines: list[Line]) -> bool:
        if not self._has_left:
            return False
        widest = min(_WIDEST, max((cell_len(line.left) for line in lines), default=0))
        for line in lines:
            self._tints.setdefault(line.left, len(self._tints) % _TINTS)
        before, self._left = self._left, max(self._left, widest)
        return before != self._left

    def lay(self) -> None:
        """Lay the rows out for the width there is."""
        room = self.scrollable_content_region.width - self._margin()
        self._lines.lay(max(1, room) if self.wrapping else 0)
        self._resized()
        if self.following:
            self._scroll(self.bottom)
        self.refresh()

    def keep_only(self, words: str) -> None:
        """Show only lines that hold these words; see Lines.keep_only."""
        self._lines.keep_only(words)
        self.lay()

    def wrap(self) -> None:
        """Break long lines, or do so no more."""
        self.wrapping = not self.wrapping
        self.lay()

    def _margin(self) -> int:
        return self._left + 3 if self._left else 1

    def _resized(self) -> None:
        longest = 0 if self.wrapping else self._margin() + max(map(self._cells, self._lines.rows), default=0)
        self.virtual_size = Size(longest or self.scrollable_content_region.width, len(self._lines.rows))

    def _cells(self, row: tuple[int, int, int]) -> int:
        return cell_len(self._lines[row[0]].text)

    def on_resize(self) -> None:
        """Lay everything out for the new width."""
        self.lay()

    # ---- where the reader is ---------------------------------------------------------------------------------------

    def go(self, place: int) -> None:
        """Go to the row at this place; at the end, follow where lines still come."""
        place = max(0, min(place, self.bottom))
        self.following = self._tinted and place >= self.bottom
        self._scroll(place)
        self.post_message(self.Scrolled())

    def _scroll(self, place: int) -> None:
        self.scroll_to(y=place, animate=False, force=True)
        self.vertical_scrollbar.position = place  # it hears of it only where it was there before

    def on_mouse_scroll_up(self) -> None:
        """Look at what was before: the end is followed no more."""
        self.following = False
        self.post_message(self.Scrolled())

    def search(self, term: str) -> int | None:
        """Mark what is looked for, and go to the last place where it stands; return the row."""
        self.term = term
        found = self._lines.find(term, self.top, 1)
        if found is None:
            found = self._lines.find(term, self.top, -1)
        return self._found(found)

    def next_hit(self, step: int) -> int | None:
        """Go to the next row (1) or the one before (-1) where it stands; return it, or None where there is none."""
        return self._found(self._lines.find(self.term, self._hit + step, step))

    def _found(self, place: int | None) -> int | None:
        if place is not None:
            self._hit = place
            self.go(place - self.scrollable_content_region.height // 3)
        self.refresh()
        return place

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Return one line of what can be seen."""
        place = y + self.top
        pieces = self._row(place) if place < len(self._lines.rows) else []
        left = self.scroll_offset.x
        return Strip(pieces).crop_extend(left, left + self.size.width, self.rich_style)

    def _row(self, place: int) -> list[Segment]:
        row = self._lines.rows[place]
        line = self._lines[row.line]
        style = self._style(line.style)
        return [*self._lefts(line, row.start == 0), *self._texts(line.text[row.start : row.end], style)]

    def _lefts(self, line: Line, first: bool) -> list[Segment]:
        if not self._left or (line.style == "strong" and not line.left):  # a heading stands at the left
            return [Segment(" ", self.rich_style)]
        name = f"tint-{self._tints.get(line.left, 0)}" if self._tinted else "dim"
        text = fitted(line.left if first else "", self._left)
        return [Segment(f" {text}  ", self._style(name))]

    def _texts(self, text: str, style: Style) -> list[Segment]:
        found: list[Segment] = []
        at = 0
        for start, end in spans(text, self.term):
            found += [Segment(text[at:start], style), Segment(text[start:end], self._style("hit"))]
            at = end
        return [*found, Segment(text[at:], style)]

    def _style(self, name: str) -> Style:
        known = name in _STYLES or name.startswith("tint-")
        return self.get_component_rich_style(f"text--{name}" if known else "text--plain")
