"""All that is known of one machine or agent: its values, what it used by day, what happened to it."""

from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

from fleet.base.words import find, say
from fleet.views import UsageRow
from tui.lines import Line
from tui.screens.telling import clock, sentence, style
from tui.screens.text import TextPage
from tui.state import cells
from tui.state.actions import Place
from tui.state.rows import MachineRow, Row
from tui.state.store import Delta

_DAYS = 14


class Shown(TextPage):
    """The page."""

    place: ClassVar[Place] = "table"
    first: ClassVar[tuple[str, ...]] = ("back", "logs", "ask", "restart", "start", "stop", "filter")

    def __init__(self, row: str) -> None:
        super().__init__()
        self._row = row

    def crumbs(self) -> str:
        """Return the row's id."""
        return f"▸ {self._row}"

    def rows(self) -> list[Row]:
        """Return the row."""
        row = self.fleet.store.rows.get(self._row)
        return [row] if row else []

    def heard(self, delta: Delta) -> None:
        """Show what changed; ages grow by themselves."""
        del delta
        self.renew()

    def renew(self) -> None:
        """Show all of it."""
        row = self.row()
        self.text.show(list(self._lines(row)) if row else [Line("", say("screen.gone", name=self._row), "warn")])

    def _lines(self, row: Row) -> Iterator[Line]:
        now = self.fleet.clock()
        yield from (Line("", say("screen.part.summary"), "strong"), *values(row, now))
        if isinstance(row, MachineRow):
            yield from self._agents(row, now)
        yield from (Line("", ""), Line("", say("screen.part.tokens"), "strong"))
        yield from used(self.fleet.store.ledger(row.id), whole=isinstance(row, MachineRow))
        yield from (Line("", ""), Line("", say("screen.part.events"), "strong"))
        happened = self.fleet.store.events.of(row.id)
        for one in happened:
            who = "" if one.subject == row.id else f"{one.subject.rpartition('/')[2]}: "
            yield Line(clock(self.fleet.wall(one.at)), who + sentence(one), style(one))
        if not happened:
            yield Line("", say("screen.no_events"), "dim")

    def _agents(self, row: MachineRow, now: float) -> Iterator[Line]:
        yield from (Line("", ""), Line("", say("screen.part.agents"), "strong"))
        for member in self.fleet.store.members(row.id):
            agent = self.fleet.store.rows[member]
            shown = cells.state(agent, now)
            yield Line(agent.name, f"{shown.text}  {cells.last(agent)}".rstrip(), shown.style)
        for stray in row.strays:
            yield Line(stray, say("screen.part.stray"), "warn")


def values(row: Row, now: float) -> Iterator[Line]:
    """Yield the row's fields; those that are empty are left out."""
    shown, fresh = cells.state(row, now), cells.fresh(row, now)
    yield Line(say("field.state"), shown.text, shown.style)
    yield Line(say("screen.part.fresh"), fresh.text, fresh.style)
    if isinstance(row, MachineRow) and row.why:
        yield Line(say("field.trouble"), row.why, "warn")
    dim = "dim" if row.fresh(now) == "dark" else "plain"
    for field in row.view.__struct_fields__:
        value = getattr(row.view, field)
        if field not in {"name", "state"} and value not in (None, "", 0):
            yield Line(find(f"field.{field}") or field, _text(field, value), dim)


def _text(field: str, value: object) -> str:
    if isinstance(value, bool):
        return say("show.yes" if value else "show.no")
    if field == "free" and isinstance(value, int):
        return cells.size(value)
    return find(f"value.{field}.{value}") or str(value)


def used(rows: tuple[UsageRow, ...], *, whole: bool) -> Iterator[Line]:
    """Yield the tokens of each day, the newest first: of each agent and model, with ``whole`` of the machine."""
    days: defaultdict[str, list[UsageRow]] = defaultdict(list)
    for row in rows:
        days[row.day].append(row)
    for day in sorted(days, reverse=True)[:_DAYS]:
        for row in sorted(days[day], key=lambda one: (one.agent, one.model)):
            name = f"{row.agent}  " if whole else ""
            told = say("screen.used", calls=row.calls, tokens_in=cells.amount(row.input), out=cells.amount(row.output))
            yield Line(day, f"{name}{told}  {find(f'value.model.{row.model}') or row.model}")
    if not days:
        yield Line("", say("screen.no_usage"), "dim")
