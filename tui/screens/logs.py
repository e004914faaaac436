"""The logs of one agent or of several together, as they are written."""

from typing import ClassVar

from textual.app import ComposeResult

from fleet.base.words import say
from tui.bars import Part
from tui.follow import Following
from tui.screens.text import TextPage
from tui.state.rows import Row
from tui.state.store import Delta
from tui.textview import TextView

_AT_ONCE = 5000  # lines taken in one tick


class Shown(TextPage):
    """The page."""

    first: ClassVar[tuple[str, ...]] = ("back", "filter", "highlight", "next_hit", "pause")

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self._names = [row.name for row in rows]
        self._following: Following | None = None

    def body(self) -> ComposeResult:
        """Yield the lines."""
        yield TextView(id="text", tinted=True, left=len(self._names) > 1)

    def crumbs(self) -> str:
        """Return whose logs."""
        return f"▸ {say('screen.act.logs')} {', '.join(self._names)}"

    def badges(self) -> list[Part]:
        """Return whether the end is followed, and what other pages of text tell."""
        key = "follows" if self.text.following else "stands"
        return [*super().badges(), Part(say(f"screen.badge.{key}"), "$success" if self.text.following else "$warning")]

    def on_mount(self) -> None:
        """Begin to read."""
        if self.fleet.wiring.hands:
            self._following = Following(self.fleet.wiring.hands, self._names, self.fleet.wiring.foreseen)
            self._following.begin()

    def on_unmount(self) -> None:
        """Read no more."""
        if self._following:
            self._following.end()

    def heard(self, delta: Delta) -> None:
        """Show what was written."""
        del delta
        new = self._following.take(_AT_ONCE) if self._following else ()
        if new:
            self.text.add(new)

    def on_text_view_scrolled(self) -> None:
        """Tell whether the end is followed."""
        self.lines()
