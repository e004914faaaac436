"""The commands that do the same as the screen, to copy."""

from collections.abc import Iterator
from typing import ClassVar

from fleet.base.words import say
from tui.lines import Line
from tui.screens.page import Page
from tui.screens.text import TextPage


class Shown(TextPage):
    """The page of commands for the rows of another page."""

    name_key: ClassVar[str] = "screen.act.cli"

    def __init__(self, about: Page) -> None:
        super().__init__()
        self._rows = about.rows()
        self._actions = about.actions()

    def renew(self) -> None:
        """Show the commands."""
        self.text.show(self._lines())

    def _lines(self) -> Iterator[Line]:
        for row in self._rows or [None]:
            yield Line("", row.id if row else say("screen.act.all"), "strong")
            for action in self._actions:
                command = action.cli(row) if action.applies(row) else ""
                if command and (row is None or row.name in command):
                    yield Line(action.label, command)
            yield Line("", "")
