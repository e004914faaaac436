"""The fleet's page: machines and their agents in one live table."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult

from fleet.base.words import say
from tui.bars import Part
from tui.grid import BETWEEN, GUTTER, Cell, RowGrid
from tui.screens.page import Page
from tui.state.actions import Place
from tui.state.columns import Scope
from tui.state.rows import Row
from tui.state.store import Delta
from tui.state.table import Table

_SCROLLBAR = 1  # cells
_NAMES: dict[Scope, str] = {"tree": "all", "agents": "agents", "machines": "machines"}


class Shown(Page):
    """The table."""

    place: ClassVar[Place] = "table"
    first: ClassVar[tuple[str, ...]] = ("show", "logs", "ask", "restart", "start", "stop", "filter", "palette")

    def body(self) -> ComposeResult:
        """Yield the table."""
        self._table = Table(self.fleet.store.rows)
        yield RowGrid(self._cells, id="grid")

    def _cells(self, row: str) -> Sequence[Cell]:
        return self._table.cells(row, self.fleet.clock())

    @property
    def grid(self) -> RowGrid:
        """The table's widget."""
        return self.query_one("#grid", RowGrid)

    def on_mount(self) -> None:
        """Let keys move in the table."""
        self.grid.focus()

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def crumbs(self) -> str:
        """Return the scope."""
        return f"▸ {say(f'screen.act.{_NAMES[self._table.scope]}')}"

    def badges(self) -> list[Part]:
        """Return the filter, how many of how many are shown, how many are marked."""
        table = self._table
        told: list[Part] = []
        if table.query.text:
            told.append(Part(f"/{table.query.text}", "bold $accent"))
            told.append(Part(say("screen.badge.shown", count=self._matching(), total=table.total), "$accent"))
        if self.grid.marks:
            told.append(Part(say("screen.badge.marked", count=len(self.grid.marks)), "bold $accent"))
        if table.held(self.fleet.clock()):
            told.append(Part(say("screen.badge.held"), "$text-muted"))
        return told

    def _matching(self) -> int:
        now, query, rows = self.fleet.clock(), self._table.query, self.fleet.store.rows
        return sum(1 for row in self._table.order if row in rows and query.matches(rows[row], now))

    def rows(self) -> list[Row]:
        """Return the marked rows, else the one under the cursor."""
        rows = self.fleet.store.rows
        here = self.grid.marks or ({self.grid.cursor} if self.grid.cursor else set())
        order = [row for row in self._table.order if row in here]
        hidden = sorted(row for row in here - set(order) if row)
        return [rows[row] for row in (*order, *hidden) if row in rows]

    def heard(self, delta: Delta) -> None:
        """Show what changed."""
        dirty = self._table.refresh(delta, self.fleet.clock())
        self.grid.forget(delta.removed)
        if self.grid.headings != self._table.headings:
            self.grid.set_headings(self._table.headings)
        self.grid.set_rows(self._table.order, dirty, self._notice())

    def renew(self) -> None:
        """Show everything again, for this width."""
        now = self.fleet.clock()
        self._table.resize(self.fleet.size.width, now, gutter=GUTTER + _SCROLLBAR, between=BETWEEN)
        rows = frozenset(self.fleet.store.rows)
        gone = frozenset(self._table.order) - rows  # other pages heard of it, while this one was below them
        self.heard(Delta(changed=frozenset(), added=rows, removed=gone, summary=self.fleet.summary, generation=0))
        self.grid.set_headings(self._table.headings)

    def _notice(self) -> tuple[str, ...]:
        if not self.fleet.summary.loaded:
            return ()
        if self._table.query.text and self._table.total:
            return (say("screen.no_match", filter=self._table.query.text, total=self._table.total), "",
                    say("screen.no_match_next"))  # fmt: skip
        return (say("screen.empty"), "", say("screen.empty_next"))

    # ---- moving ----------------------------------------------------------------------------------------------------

    def move(self, name: str) -> bool:
        """Move the cursor."""
        page = max(1, self.grid.room - 1)
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "top": -(10**9), "end": 10**9}
        self._table.touch(self.fleet.clock())
        if name in steps:
            self.grid.move(steps[name])
        elif name == "range":
            self.grid.mark_range()
        else:
            return False
        return True

    def on_row_grid_moved(self) -> None:
        """Show the keys of the row."""
        self.lines()

    def on_row_grid_opened(self, message: RowGrid.Opened) -> None:
        """Open the row's page."""
        self.fleet.show("detail", message.row)

    def on_row_grid_pressed(self, message: RowGrid.Pressed) -> None:
        """Sort by the column."""
        self._table.sort_by(message.column, self.fleet.clock())
        self._again()

    def _again(self) -> None:
        self.grid.set_headings(self._table.headings)
        self.grid.set_rows(self._table.order, (), self._notice())
        self.lines()

    # ---- the registry's actions ------------------------------------------------------------------------------------

    def do_show(self) -> None:
        """Open the page of the row under the cursor."""
        if self.grid.cursor:
            self.fleet.show("detail", self.grid.cursor)

    def do_all(self) -> None:
        """Show machines and their agents."""
        self._look_at("tree")

    def do_agents(self) -> None:
        """Show agents only."""
        self._look_at("agents")

    def do_machines(self) -> None:
        """Show machines only."""
        self._look_at("machines")

    def _look_at(self, scope: Scope) -> None:
        self._table.look_at(scope, self.fleet.clock())
        self._again()

    def do_mark(self) -> None:
        """Mark the row under the cursor."""
        self.grid.toggle()

    def do_mark_all(self) -> None:
        """Mark all agents that are shown; where there are none, all machines."""
        rows = self._table.order
        agents = {row for row in rows if "/" in row}
        self.grid.set_marks(agents or rows)

    def do_mark_others(self) -> None:
        """Mark what is not marked."""
        rows = {row for row in self._table.order if "/" in row} or set(self._table.order)
        self.grid.set_marks(rows - self.grid.marks)

    def do_unmark(self) -> None:
        """Take all marks away."""
        self.grid.set_marks(())

    def do_sort_left(self) -> None:
        """Sort by the column to the left."""
        self._table.sort_beside(-1, self.fleet.clock())
        self._again()

    def do_sort_right(self) -> None:
        """Sort by the column to the right."""
        self._table.sort_beside(1, self.fleet.clock())
        self._again()

    def do_reverse(self) -> None:
        """Sort the other way round."""
        self._table.sort_by(self._table.sort, self.fleet.clock())
        self._again()

    def do_columns(self) -> None:
        """Choose the columns."""
        self.fleet.show("columns", self._table)

    def do_filter(self) -> None:
        """Show only what matches."""
        before = self._table.query.text

        def changed(text: str) -> None:
            self._table.narrow(text, self.fleet.clock())
            self._again()

        def ended(text: str | None) -> None:
            changed(before if text is None else text)
            self.grid.focus()
            wrong = self._table.query.wrong
            if wrong:
                self.fleet.tell(wrong.sentence, "warning")

        self.prompt.open("screen.prompt.filter", before, ended, changed)

    def do_back(self) -> None:
        """Take marks away first, then the filter; then leave."""
        if self.grid.marks:
            self.do_unmark()
        elif self._table.query.text:
            self._table.narrow("", self.fleet.clock())
            self._again()
        else:
            self.fleet.do_back()
