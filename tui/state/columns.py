"""The columns of the table: for which width, how wide, what stands in them, and how rows are sorted by them."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import msgspec

from fleet.base.words import find, say
from tui.state import cells
from tui.state.cells import NOTHING, Cell
from tui.state.rows import AgentRow, MachineRow, Row

Scope = Literal["tree", "agents", "machines"]
Width = Literal["narrow", "normal", "wide", "chosen"]
"""From which width of the terminal on: always, 80, 120, or only where somebody chose it."""
Key = tuple[float | str | int, ...]
NORMAL, WIDE = 80, 120
_STATES = ("gave-up", "no-engine", "silent", "unknown", "absent", "unprepared", "trial", "starting", "stopped")
_DIGITS = re.compile(r"([0-9]+)")


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column.

    Attributes:
        id: names it, and its title: ``screen.column.ID``.
        cell: what stands in it, by row and time.
        key: what rows are sorted by.
        scopes: the tables that have it.
        width: from which width of the terminal on.
        least, most: cells; ``most`` 0 is as wide as there is room.
        keeps: cells that it gives up only when no other column has any to give.
        right: it stands at the right.
    """

    id: str
    cell: Callable[[Row, float], Cell]
    key: Callable[[Row, float], Key]
    scopes: tuple[Scope, ...] = ("tree", "agents", "machines")
    width: Width = "normal"
    least: int = 4
    most: int = 12
    keeps: int = 0
    right: bool = False

    @property
    def title(self) -> str:
        """Its title in the language in use."""
        return say(f"screen.column.{self.id}")


@lru_cache(maxsize=20_000)
def natural(name: str) -> Key:
    """Return a key by which pc-2 stands before pc-10."""
    parts = _DIGITS.split(name)
    return tuple(part for n, text in enumerate(parts) for part in ((1, int(text[:18]), "") if n % 2 else (0, 0, text)))


def _name(row: Row, _: float) -> Cell:
    return Cell(row.name, "strong" if isinstance(row, MachineRow) else "plain")


def _state_key(row: Row, now: float) -> Key:
    shown = row.state(now)
    return (_STATES.index(shown) if shown in _STATES else len(_STATES),)


def _fresh_key(row: Row, now: float) -> Key:
    order = ("live", "stale", "dark", "never").index(row.fresh(now))
    return (order, -(row.told_at or 0.0)) if order else (0,)


def _said(read: Callable[[Row], str]) -> tuple[Callable[[Row, float], Cell], Callable[[Row, float], Key]]:
    """Return the cell and the key of a text."""

    def cell(row: Row, now: float) -> Cell:
        return Cell(read(row) or NOTHING, "plain" if row.fresh(now) == "live" else "dim")

    return cell, lambda row, _: (0 if read(row) else 1, *natural(read(row)))


def _counted(
    read: Callable[[Row], int], text: Callable[[int], str] = cells.amount
) -> tuple[Callable[[Row, float], Cell], Callable[[Row, float], Key]]:
    """Return the cell and the key of a number; the largest comes first."""

    def cell(row: Row, now: float) -> Cell:
        number = read(row)
        return Cell(text(number) if number else NOTHING, "plain" if number and row.fresh(now) == "live" else "dim")

    return cell, lambda row, _: (-read(row),)


def _agents(field: str) -> Callable[[Row], str]:
    return lambda row: str(getattr(row.view, field)) if isinstance(row, AgentRow) else ""


def _machines(field: str) -> Callable[[Row], str]:
    return lambda row: str(getattr(row.view, field)) if isinstance(row, MachineRow) else ""


def _model(row: Row) -> str:
    model = row.view.model if isinstance(row, AgentRow) else ""
    return find(f"value.model.{model}") or model


def _running(row: Row, now: float) -> Cell:
    if isinstance(row, AgentRow):
        return Cell("")
    known = row.fresh(now) in {"live", "stale"}
    return Cell(f"{row.running if known else '?'}/{row.agents}", "plain" if row.running == row.agents else "warn")


def _running_key(row: Row, _: float) -> Key:
    return (row.running - row.agents, -row.agents) if isinstance(row, MachineRow) else ()


def _last(row: Row, _: float) -> Cell:
    trouble = isinstance(row, MachineRow) and bool(row.why)
    return Cell(cells.last(row), "warn" if trouble else "dim")


def _column(id: str, pair: tuple[Callable[[Row, float], Cell], Callable[[Row, float], Key]], **more: object) -> Column:  # noqa: A002 - the field's name
    return msgspec.structs.replace(Column(id=id, cell=pair[0], key=pair[1]), **more)


_OF_AGENTS: tuple[Scope, ...] = ("tree", "agents")
_OF_MACHINES: tuple[Scope, ...] = ("machines",)

COLUMNS: tuple[Column, ...] = (
    _column("name", (_name, lambda row, _: natural(row.name)), width="narrow", least=10, most=28, keeps=16),
    _column("machine", _said(lambda row: row.machine), scopes=("agents",), least=7, most=20),
    _column("state", (cells.state, _state_key), width="narrow", least=13, most=20),
    _column("fresh", (cells.fresh, _fresh_key), width="narrow", least=10, most=14, keeps=12),
    _column("agents", (_running, _running_key), scopes=_OF_MACHINES, least=5, most=7, right=True),
    _column("kind", _said(_agents("kind")), scopes=_OF_AGENTS, width="wide"),
    _column("version", _said(_agents("version")), scopes=_OF_AGENTS, width="wide"),
    _column("model", _said(_model), scopes=_OF_AGENTS, least=6, most=14, keeps=7),
    _column("address", _said(lambda row: row.view.address), scopes=_OF_MACHINES, width="wide", least=8, most=24),
    _column("engine", _said(_machines("engine")), scopes=_OF_MACHINES, width="wide"),
    _column("meter", _said(_machines("meter")), scopes=_OF_MACHINES, width="chosen"),
    _column("free", _counted(lambda row: row.view.free if isinstance(row, MachineRow) else 0, cells.size),
            scopes=_OF_MACHINES, least=6, most=8, right=True),
    _column("tokens", _counted(lambda row: row.tokens_today), least=6, most=8, right=True),
    _column("in", _counted(lambda row: row.tokens_in), width="chosen", least=5, most=6, right=True),
    _column("out", _counted(lambda row: row.tokens_out), width="chosen", least=5, most=6, right=True),
    _column("calls", _counted(lambda row: row.calls), width="wide", least=5, most=6, right=True),
    _column("last", (_last, lambda row, _: (0 if cells.last(row) else 1, cells.last(row))), width="narrow",
            least=6, most=0, keeps=10),
)  # fmt: skip


def shown(scope: Scope, width: int, chosen: dict[str, bool]) -> tuple[Column, ...]:
    """Return the columns of a table in a terminal this wide; ``chosen`` are those that somebody switched on or off."""
    least = {"narrow": 0, "normal": NORMAL, "wide": WIDE, "chosen": width + 1}
    return tuple(
        one
        for one in COLUMNS
        if scope in one.scopes and (one.id == "name" or chosen.get(one.id, width >= least[one.width]))
    )
