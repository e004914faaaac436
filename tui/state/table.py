"""The table as values: which rows stand in which order under which columns, and how wide they are."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from rich.cells import cell_len

from tui.state import columns, query
from tui.state.cells import Cell
from tui.state.columns import Column, Key, Scope
from tui.state.query import Query
from tui.state.rows import AgentRow, MachineRow, Row
from tui.state.store import Delta

HELD = 3.0
"""Seconds after a key for which rows keep their places: what somebody aims at does not run away."""
MEASURED = 100  # rows that are looked at for a column's width
_LIKELY = 0.9  # of the rows whose text has room in its column
_FEW = 20  # rows, of which none is cut for the sake of the others
_BRANCH, _END = "├ ", "└ "


class Heading(NamedTuple):
    """A column as it is shown: its id, its title, its width in cells, whether it stands at the right."""

    id: str
    title: str
    width: int
    right: bool = False


class Table:
    """What is shown of the rows: a scope, a filter, an order, columns; told of changes by deltas.

    Args:
        rows: of the store, by id; read at each use.

    Attributes:
        scope: the tree (machines with their agents), agents only, or machines only.
        query: the filter.
        sort: the id of the column that is sorted by; ``reverse`` turns it round.
        chosen: columns that somebody switched on or off, by id.
    """

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._rows = rows
        self.scope: Scope = "tree"
        self.query = Query()
        self.sort: str = "name"
        self.reverse = False
        self.chosen: dict[str, bool] = {}
        self._order: tuple[str, ...] = ()
        self._last: frozenset[str] = frozenset()
        self._keys: dict[str, Key] = {}
        self._shown: set[str] = set()
        self._columns: tuple[Column, ...] = ()
        self._shape = (0, 2, 2)
        self._headings: tuple[Heading, ...] = ()
        self._measured = 0
        self._dark = False
        self._held_until = float("-inf")
        self._stale = False
        self.resize(columns.NORMAL, 0.0)

    # --- what is shown ---

    @property
    def order(self) -> tuple[str, ...]:
        """The ids of the rows, from the top."""
        return self._order

    @property
    def headings(self) -> tuple[Heading, ...]:
        """The columns that fit, with their widths; the sorted one has an arrow."""
        return self._headings

    @property
    def total(self) -> int:
        """How many rows there would be without a filter."""
        return sum(1 for row in self._rows.values() if self._in_scope(row))

    def cells(self, row: str, now: float) -> tuple[Cell, ...]:
        """Return what stands in the columns of a row; empty for a row that is no more."""
        found = self._rows.get(row)
        if found is None:
            return ()
        made = tuple(column.cell(found, now) for column in self._columns)
        if self.scope == "tree" and isinstance(found, AgentRow):
            branch = _END if row in self._last else _BRANCH
            return (Cell(branch + made[0].text, made[0].style), *made[1:])
        return made

    # --- what changes it ---

    def touch(self, now: float) -> None:
        """A key was pressed: the order is held for three seconds."""
        self._held_until = now + HELD

    def held(self, now: float) -> bool:
        """Return whether rows would stand elsewhere if the order were not held."""
        return self._stale and now < self._held_until

    def refresh(self, delta: Delta, now: float) -> frozenset[str]:
        """Take a delta in and return the ids of rows that have to be drawn again."""
        touched = delta.changed | delta.added
        moved = self._rekey(touched, now) | bool(delta.removed)
        for row in delta.removed:
            self._keys.pop(row, None)
            self._shown.discard(row)
        before = self._last
        if delta.added or delta.removed:
            self._settle(delta, now)
        elif (moved or self._stale) and now >= self._held_until:
            self._arrange()
        else:
            self._stale |= moved
        self._measure_again(delta, now)
        return touched | (before ^ self._last)

    def narrow(self, text: str, now: float) -> Query:
        """Filter by this text and return it as it was understood; never raises."""
        self.query = query.parse(text)
        self._again(now)
        return self.query

    def look_at(self, scope: Scope, now: float) -> None:
        """Show another scope."""
        self.scope = scope
        self._measure(now)
        self._again(now)

    def sort_by(self, column: str, now: float) -> None:
        """Sort by this column; by the same one again, the other way round."""
        if column == self.sort:
            self.reverse = not self.reverse
        elif any(one.id == column for one in self._columns):
            self.sort, self.reverse = column, False
        self._entitle()
        self._again(now)

    def sort_beside(self, step: int, now: float) -> None:
        """Sort by the column so many to the right of the one that is sorted by; it ends at the edges."""
        ids = [one.id for one in self._columns]
        at = ids.index(self.sort) if self.sort in ids else 0
        beside = ids[max(0, min(at + step, len(ids) - 1))]
        if beside != self.sort:
            self.sort_by(beside, now)

    def choose(self, column: str, now: float) -> None:
        """Show a column that is not shown, or the other way round; the name always is."""
        there = any(one.id == column for one in self._columns)
        self.chosen[column] = not there
        self._measure(now)

    def resize(self, width: int, now: float, *, gutter: int = 2, between: int = 2) -> None:
        """Fit the columns into so many cells, of which some stand before the first and between two."""
        shape = (width, gutter, between)
        if shape != self._shape:
            self._shape = shape
            self._measure(now)

    # --- order ---

    def _in_scope(self, row: Row) -> bool:
        return self.scope == "tree" or isinstance(row, AgentRow) == (self.scope == "agents")

    def _again(self, now: float) -> None:
        self._keys.clear()
        self._shown.clear()
        self._rekey(self._rows, now)
        self._arrange()

    def _rekey(self, rows: Iterable[str], now: float) -> bool:
        """Work out again by what rows are sorted, and whether they are shown; return whether that changes anything."""
        column = next((one for one in columns.COLUMNS if one.id == self.sort), columns.COLUMNS[0])
        moved = False
        for row in rows:
            found = self._rows.get(row)
            if found is None:
                continue
            key = column.key(found, now)
            shown = self._in_scope(found) and self.query.matches(found, now)
            moved |= self._keys.get(row) != key or (row in self._shown) != shown
            self._keys[row] = key
            (self._shown.add if shown else self._shown.discard)(row)
        return moved

    def _settle(self, delta: Delta, now: float) -> None:
        """Rows came or went. While the order is held the others keep their places, and what is new comes last."""
        if now >= self._held_until or self.scope == "tree":
            self._arrange()
            return
        stay = [row for row in self._order if row not in delta.removed]
        new = sorted(delta.added & self._shown)
        self._order = (*stay, *new)
        self._stale = True

    def _arrange(self) -> None:
        self._stale = False
        self._shown &= self._rows.keys()
        if self.scope == "tree":
            self._arrange_tree()
        else:
            self._last = frozenset()
            self._order = tuple(self._sorted(self._shown))

    def _arrange_tree(self) -> None:
        """Each machine with those of its agents that match below it; a machine stands there for its agents, too."""
        agents: dict[str, list[str]] = {}
        for row in self._shown:
            if isinstance(self._rows[row], AgentRow):
                agents.setdefault(self._rows[row].machine, []).append(row)
        heads = {row for row in self._shown if isinstance(self._rows[row], MachineRow)} | agents.keys()
        groups = [(head, *self._sorted(agents.get(head, ()))) for head in self._sorted(heads)]
        self._last = frozenset(group[-1] for group in groups if len(group) > 1)
        self._order = tuple(chain.from_iterable(groups))

    def _sorted(self, rows: Iterable[str]) -> list[str]:
        """Return rows by their keys, equal ones by name, whichever way round."""
        named = sorted(rows, key=columns.natural)
        return sorted(named, key=self._keys.__getitem__, reverse=self.reverse)

    # --- columns ---

    def _measure_again(self, delta: Delta, now: float) -> None:
        """Measure anew when there is twice as much to see, or the first machine goes dark; never with every tick."""
        told = delta.summary.answered > delta.summary.machines // 2
        known = (delta.summary.machines + delta.summary.agents) * (2 if told else 1)
        dark = bool(delta.summary.fresh.get("dark"))
        first_dark, self._dark = dark and not self._dark, dark
        if known >= max(1, 2 * self._measured) or known < self._measured // 4 or first_dark:
            self._measured = known
            self._measure(now)

    def _measure(self, now: float) -> None:
        width, gutter, between = self._shape
        self._columns = columns.shown(self.scope, width, self.chosen)
        rows = list(self._rows)[:: max(1, len(self._rows) // MEASURED)]
        texts = [self.cells(row, now) for row in rows if self._in_scope(self._rows[row])]
        wanted = [self._wanted(n, column, texts) for n, column in enumerate(self._columns)]
        self._columns, widths = _fitted(self._columns, wanted, width - gutter, between)
        self._headings = tuple(
            Heading(one.id, one.title, width, one.right) for one, width in zip(self._columns, widths, strict=True)
        )
        self._entitle()

    def _wanted(self, place: int, column: Column, texts: Sequence[tuple[Cell, ...]]) -> int:
        lengths = sorted(cell_len(line[place].text) for line in texts)
        share = _LIKELY if len(lengths) > _FEW else 1.0
        likely = lengths[min(len(lengths) - 1, int(len(lengths) * share))] if lengths else 0
        wide = max(likely, column.least, cell_len(column.title) + 2)
        return min(wide, column.most) if column.most else wide

    def _entitle(self) -> None:
        arrow = " ▼" if self.reverse else " ▲"
        titles: Callable[[Column], str] = lambda one: one.title + (arrow if one.id == self.sort else "")  # noqa: E731
        self._headings = tuple(
            heading._replace(title=titles(one)) for heading, one in zip(self._headings, self._columns, strict=True)
        )


def _fitted(
    wanted: tuple[Column, ...], widths: list[int], room: int, between: int
) -> tuple[tuple[Column, ...], list[int]]:
    """Return the columns that fit into the room, with their widths.

    What is too much is taken from the widest first, down to what it keeps, then to its least; then columns go, from
    the right. What is left over goes to the column that takes all there is, else to the name.
    """
    kept, cells = list(wanted), list(widths)
    while sum(cells) + between * (len(cells) - 1) > room:
        spare = [width - max(column.least, column.keeps) for width, column in zip(cells, kept, strict=True)]
        if max(spare) <= 0:
            spare = [width - column.least for width, column in zip(cells, kept, strict=True)]
        if max(spare) > 0:
            cells[spare.index(max(spare))] -= 1
        elif len(kept) > 1:
            del kept[-1], cells[-1]
        else:
            cells = [max(1, room)]
            break
    left = room - sum(cells) - between * (len(cells) - 1)
    elastic = next((n for n, column in enumerate(kept) if not column.most), 0)
    cells[elastic] += max(0, left)
    return tuple(kept), cells
