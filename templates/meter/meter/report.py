"""What has been used, read from the ledger without touching it, while the meter runs or while it does not."""

import contextlib
import dataclasses
import sqlite3
from pathlib import Path

from .clock import Clock
from .ledger import FORMAT, LedgerNewer, LedgerUnusable, version_of

VERSION = 1
_SUMS = """
SELECT agent, day, route, model, currency, estimated, unsettled, calls, input, output, nanos
FROM usage WHERE day >= ? ORDER BY day, agent, route, model, currency, estimated, unsettled
"""
_OPEN = """
SELECT agent, day, route, model, currency, count(*), sum(input), sum(output), sum(nanos)
FROM reservations WHERE day >= ? GROUP BY agent, day, route, model, currency ORDER BY day, agent, route, model
"""
_REFUSALS = "SELECT route, status, at, times, answered FROM refusals ORDER BY route"


@dataclasses.dataclass(frozen=True, slots=True)
class Sum:
    """What an agent used on a day by a route: calls, tokens in and out, money in 10⁻⁹ of the currency.

    ``estimated``: the tokens were not counted by a provider. ``unsettled``: a power cut left the calls open, and what
    was reserved for them was charged.
    """

    agent: str
    day: str
    route: str
    model: str
    currency: str
    estimated: bool
    unsettled: bool
    calls: int
    input_tokens: int
    output_tokens: int
    nanos: int


@dataclasses.dataclass(frozen=True, slots=True)
class Open:
    """What is reserved for calls that are in flight."""

    agent: str
    day: str
    route: str
    model: str
    currency: str
    calls: int
    input_tokens: int
    output_tokens: int
    nanos: int


@dataclasses.dataclass(frozen=True, slots=True)
class Refused:
    """The last time that a route's provider refused: the status of HTTP, when, how often in a row.

    Times are seconds since 1970 by the machine's clock; ``answered`` is when it answered again, 0 where not yet.
    """

    route: str
    status: int
    at: int
    times: int
    answered: int


def report(ledger: Path, clock: Clock, since: str = "") -> dict[str, object]:
    """Return the sums of every day from ``since`` (``YYYY-MM-DD``) on, as plain values for JSON.

    Raises:
        LedgerNewer: the file's format is newer than this meter.
        LedgerUnusable: it is missing, damaged or unreadable.
    """
    try:
        with contextlib.closing(_open(ledger)) as db:
            counted = db.execute("SELECT day FROM high_day").fetchone()[0]
            usage = [Sum(*row) for row in db.execute(_SUMS, (since,))]
            still_open = [Open(*row) for row in db.execute(_OPEN, (since,))]
            refusals = [Refused(*row) for row in db.execute(_REFUSALS)] if _remembers(db) else []
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise LedgerUnusable(f"{ledger}: {error}") from error
    return {
        "version": VERSION,
        "day": max(counted, clock.day()),
        "clock_behind": clock.day() < counted,
        "usage": [_flags(dataclasses.asdict(one)) for one in usage],
        "open": [dataclasses.asdict(one) for one in still_open],
        "refusals": [dataclasses.asdict(one) for one in refusals],
    }


def _remembers(db: sqlite3.Connection) -> bool:
    """Tell whether the meter that last wrote the ledger knew of refusals."""
    return db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'refusals'").fetchone() is not None


def _flags(row: dict[str, object]) -> dict[str, object]:
    return {**row, "estimated": bool(row["estimated"]), "unsettled": bool(row["unsettled"])}


def _open(ledger: Path) -> sqlite3.Connection:
    closed = not ledger.with_name(f"{ledger.name}-wal").exists()
    how = "mode=ro&immutable=1" if closed else "mode=ro"  # a closed ledger is read without making files beside it
    db = sqlite3.connect(f"{ledger.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    db.execute("PRAGMA busy_timeout = 5000")
    db.execute("BEGIN")
    if (version := version_of(db)) != FORMAT:
        db.close()
        raise LedgerNewer(f"{ledger}: format {version}, and this meter knows {FORMAT}")
    return db
