"""The day sheet: how many, how fast, where the time went, what failed. No names, no addresses; pure."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from installer.booth.ticket import WAY, Ticket

FORMAT = 1
_MOST_CAUSES = 20


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One ticket that is over, as the booth remembers it.

    Attributes:
        id: random; keeps a row from being written twice.
        fate: ``done`` or ``failed``; ``cause`` why.
        seconds: of the five minutes.
        hands: seconds in which a person was busy with it.
        phases: seconds by state.
        parks: how often it was parked.
    """

    version: int = FORMAT
    id: str
    kind: str
    fate: str
    cause: str = ""
    seconds: float
    hands: float
    phases: dict[str, float]
    parks: int = 0


class Phase(msgspec.Struct, frozen=True):
    """One part of the way: seconds in all, and in the middle one of the tickets that came there."""

    phase: str
    seconds: float
    median: float


class Failures(msgspec.Struct, frozen=True):
    """How many failed of one cause."""

    cause: str
    tickets: int


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """A day at the booth.

    Attributes:
        day: the date (ISO 8601), of the booth's own clock.
        tickets: that are over; ``installs`` of them were handed over.
        median, p95: seconds that an install took, the ticket's own five minutes counted.
        hands: seconds in which a person was busy with an install: the median; ``hands_total`` of all tickets.
        parks: how often a ticket was parked.
        phases: where the time went; ``waiting`` is the queue.
    """

    day: str
    tickets: int
    installs: int
    failed: int
    median: float
    p95: float
    hands: float
    hands_total: float
    parks: int
    phases: tuple[Phase, ...]
    failures: tuple[Failures, ...]


def row(ticket: Ticket, kind: str) -> Row:
    """Return what stays of a ticket."""
    return Row(
        id=ticket.id, kind=kind, fate=ticket.state, cause=ticket.cause, seconds=ticket.used, hands=ticket.hands,
        phases=dict(ticket.spent), parks=ticket.parks,
    )  # fmt: skip


def sheet(day: str, rows: Sequence[Row]) -> Sheet:
    """Return the sheet of a day."""
    installs = [one for one in rows if one.fate == "done"]
    seconds = [one.seconds for one in installs]
    failures = Counter(one.cause for one in rows if one.fate == "failed").most_common(_MOST_CAUSES)
    return Sheet(
        day=day,
        tickets=len(rows),
        installs=len(installs),
        failed=len(rows) - len(installs),
        median=percentile(seconds, 50),
        p95=percentile(seconds, 95),
        hands=percentile([one.hands for one in installs], 50),
        hands_total=round(sum(one.hands for one in rows), 1),
        parks=sum(one.parks for one in rows),
        phases=_phases(rows),
        failures=tuple(Failures(*pair) for pair in failures),
    )


def percentile(values: Sequence[float], share: int) -> float:
    """Return the smallest value that so many hundredths of the values do not exceed (nearest rank); 0 of none."""
    if not values:
        return 0.0
    return round(sorted(values)[max(0, -(-len(values) * share // 100) - 1)], 1)


def _phases(rows: Sequence[Row]) -> tuple[Phase, ...]:
    found: list[Phase] = []
    for name in (*WAY[:-1], "waiting", "parked"):
        spent = [one.phases[name] for one in rows if one.phases.get(name)]
        if spent:
            found.append(Phase(name, round(sum(spent), 1), percentile(spent, 50)))
    return tuple(found)
