"""The meters' reports, read."""

import itertools
from operator import attrgetter

import msgspec

from fleet.base.errors import ActionFailed
from fleet.views import UsageRow

_BY = attrgetter("day", "agent", "route")


class _Sum(msgspec.Struct, frozen=True):
    agent: str
    day: str
    route: str
    calls: int
    input_tokens: int
    output_tokens: int
    estimated: bool = False


class _Report(msgspec.Struct, frozen=True):
    usage: list[_Sum]


def rows(machine: str, report: bytes) -> list[UsageRow]:
    """Return a meter's report as rows, one for each day, agent and model.

    Raises:
        ActionFailed: it is not a report.
    """
    try:
        sums = sorted(msgspec.json.decode(report, type=_Report).usage, key=_BY)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ActionFailed("usage.no_report", where=machine, machine=machine) from error
    return [_row(machine, list(same)) for _, same in itertools.groupby(sums, _BY)]


def _row(machine: str, sums: list[_Sum]) -> UsageRow:
    return UsageRow(
        agent=sums[0].agent,
        machine=machine,
        day=sums[0].day,
        model=sums[0].route,
        calls=sum(one.calls for one in sums),
        input=sum(one.input_tokens for one in sums),
        output=sum(one.output_tokens for one in sums),
        estimated=sum(one.calls for one in sums if one.estimated),
    )
