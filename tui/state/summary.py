"""The whole fleet in a line."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from tui.state.rows import Fresh, MachineRow, Row


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole fleet in a line.

    Attributes:
        fresh: machines by how much their last answer is worth.
        states: agents by the state that is shown.
        answered: machines that have answered at least once.
        tokens: in and out, today, all agents together.
        doing: how many things are under way.
        strays: how many run somewhere and are in no file.
        trouble: the controller's own, or empty.
        loaded: the fleet's folder was read at least once.
    """

    machines: int = 0
    agents: int = 0
    fresh: dict[Fresh, int] = {}
    states: dict[str, int] = {}
    answered: int = 0
    tokens: int = 0
    doing: int = 0
    strays: int = 0
    trouble: str = ""
    loaded: bool = False


def summed(
    rows: Mapping[str, Row], members: Mapping[str, tuple[str, ...]], now: float, own: tuple[int, str, bool]
) -> Summary:
    """Return the summary of these rows; ``own`` is what the store knows beside them (doing, trouble, loaded)."""
    machines = [row for row in rows.values() if isinstance(row, MachineRow)]
    fresh: dict[str, Fresh] = {row.id: row.fresh(now) for row in machines}
    ages = dict(Counter(fresh.values()))
    states: Counter[str] = Counter()
    for machine, ids in members.items():
        hidden = fresh[machine] in {"dark", "never"}
        states.update("unknown" if hidden else str(rows[row].view.state) for row in ids)
    return Summary(
        machines=len(machines),
        agents=len(rows) - len(machines),
        fresh=ages,
        states=dict(states),
        answered=sum(row.told_at is not None for row in machines),
        tokens=sum(row.tokens_today for row in machines),
        doing=own[0],
        strays=sum(len(row.strays) for row in machines),
        trouble=own[1],
        loaded=own[2],
    )
