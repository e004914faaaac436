"""The logs of one agent or of several together, as they are written."""

from typing import ClassVar

from textual.app import ComposeResult

from fleet.base.words import say
from tui.bars import Part
from tui.follow import Sink
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
        self._sink = Sink()

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
        super().on_mount()
        for name in self._names:
            self.fleet.readers.of(name).attach(self._sink)

    def on_unmount(self) -> None:
        """Read no more."""
        for name in self._names:
            self.fleet.readers.of(name).detach(self._sink)

    def heard(self, delta: Delta) -> None:
        """Show what was written."""
        del delta
        new = self._sink.take(_AT_ONCE)
        if new:
            self.text.add(new)

    def on_text_view_scrolled(self) -> None:
        """Tell whether the end is followed."""
        self.lines()
