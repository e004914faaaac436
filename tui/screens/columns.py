"""The dialog in which columns are switched on and off."""

from fleet.base.words import say
from tui.screens.choose import Choice, Choose
from tui.state import columns
from tui.state.table import Table


class Shown(Choose):
    """The dialog; Enter or Space switches, Esc closes."""

    def __init__(self, table: Table) -> None:
        super().__init__(say("screen.act.columns"), typed=False)
        self._table = table

    def choices(self, words: str) -> list[Choice]:
        """Return the columns of the table."""
        del words
        there = {one.id for one in self._table.headings}
        own = [one for one in columns.COLUMNS if self._table.scope in one.scopes and one.id != "name"]
        return [Choice(one.id, ("[x] " if one.id in there else "[ ] ") + one.title) for one in own]

    def choose(self) -> None:
        """Switch the column and stay."""
        if self.grid.cursor:
            self._table.choose(self.grid.cursor, self.fleet.clock())
            self.fill()
