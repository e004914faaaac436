"""The page of what happened; toasts vanish, these stay."""

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult

from fleet.base.words import say
from tui.lines import Line
from tui.screens.telling import clock, sentence, style
from tui.screens.text import TextPage
from tui.state.happened import Happened
from tui.state.store import Delta
from tui.textview import TextView


class Shown(TextPage):
    """The page; the newest are at the end, which is followed."""

    name_key: ClassVar[str] = "screen.act.events"

    def __init__(self) -> None:
        super().__init__(name="events")
        self._told = 0

    def body(self) -> ComposeResult:
        """Yield the lines."""
        yield TextView(id="text", tinted=True)

    def renew(self) -> None:
        """Show what came meanwhile."""
        if not self._told:
            self.text.show(())
        new = self.fleet.store.events.since(self._told)
        self._told = self.fleet.store.events.last
        self.text.add(self._lines(new))
        if not self._told:
            self.text.show([Line("", say("screen.no_events"), "dim")])

    def heard(self, delta: Delta) -> None:
        """Add what came."""
        del delta
        if self.fleet.store.events.last != self._told:
            self.renew()

    def _lines(self, new: Iterable[Happened]) -> list[Line]:
        return [Line(f"{clock(self.fleet.wall(one.at))}  {_who(one)}", sentence(one), style(one)) for one in new]


def _who(one: Happened) -> str:
    return one.subject or say("screen.controller")
