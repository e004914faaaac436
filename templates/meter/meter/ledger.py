"""The ledger: what is reserved and what is used, in SQLite, durable before a call is passed on.

Sums are kept per agent, day, route and model, so the file stays small however many calls there are; a row per call
exists only while the call is in flight. Nothing of what was asked or answered is ever in it.
"""

import contextlib
import dataclasses
import os
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path

from .caps import Cap, CapReached
from .clock import Clock
from .routes import Price

FORMAT = 1
"""The version of the file's layout; a newer one is refused, not guessed at."""
_NOT_GIVEN, _ITS_OWN_TROUBLE = 400, 500  # from which status of HTTP on

_LAYOUT = """
CREATE TABLE format (version INTEGER NOT NULL) STRICT;
CREATE TABLE high_day (day TEXT NOT NULL) STRICT;
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    agent TEXT NOT NULL, day TEXT NOT NULL, route TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,
    input INTEGER NOT NULL, output INTEGER NOT NULL, nanos INTEGER NOT NULL
) STRICT;
CREATE TABLE usage (
    agent TEXT NOT NULL, day TEXT NOT NULL, route TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,
    estimated INTEGER NOT NULL, unsettled INTEGER NOT NULL,
    calls INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL, nanos INTEGER NOT NULL,
    PRIMARY KEY (agent, day, route, model, currency, estimated, unsettled)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_by_day ON usage (day);
CREATE TABLE once (
    agent TEXT NOT NULL, id TEXT NOT NULL, day TEXT NOT NULL, PRIMARY KEY (agent, id)
) STRICT, WITHOUT ROWID;
"""
_RESERVE = """
INSERT INTO reservations (agent, day, route, model, currency, input, output, nanos)
VALUES (:agent, :day, :route, :model, :currency, :input, :output, :nanos)
"""
_CHARGE = """
INSERT INTO usage (agent, day, route, model, currency, estimated, unsettled, calls, input, output, nanos)
SELECT agent, day, route, model, :currency, :estimated, 0, 1, :input, :output, :nanos
FROM reservations WHERE id = :id
ON CONFLICT DO UPDATE SET calls = calls + 1, input = input + excluded.input,
    output = output + excluded.output, nanos = nanos + excluded.nanos
"""
_REFUSALS = """
CREATE TABLE IF NOT EXISTS refusals (
    route TEXT PRIMARY KEY, status INTEGER NOT NULL, at INTEGER NOT NULL, times INTEGER NOT NULL,
    answered INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
"""Beside the layout, and no new format: an older meter leaves it alone and loses nothing."""
_REFUSED = """
INSERT INTO refusals (route, status, at, times, answered)
VALUES (:route, :status, CAST(strftime('%s', 'now') AS INTEGER), 1, 0)
ON CONFLICT DO UPDATE SET status = excluded.status, at = excluded.at,
    times = CASE answered WHEN 0 THEN times + 1 ELSE 1 END, answered = 0
"""
_ANSWERED = """
UPDATE refusals SET answered = CAST(strftime('%s', 'now') AS INTEGER) WHERE route = :route AND answered = 0
"""
_CHARGE_LEFT_OPEN = """
INSERT INTO usage (agent, day, route, model, currency, estimated, unsettled, calls, input, output, nanos)
SELECT agent, day, route, model, currency, 1, 1, count(*), sum(input), sum(output), sum(nanos)
FROM reservations WHERE TRUE GROUP BY agent, day, route, model, currency
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls, input = input + excluded.input,
    output = output + excluded.output, nanos = nanos + excluded.nanos
"""
_USED = """
SELECT coalesce((SELECT sum(input + output) FROM usage WHERE {which}), 0)
     + coalesce((SELECT sum(input + output) FROM reservations WHERE {which}), 0)
"""


class LedgerUnusable(Exception):
    """The file is there and cannot be used: damaged, unreadable, on a full or read-only disk."""


class LedgerNewer(LedgerUnusable):
    """The file was written by a newer meter."""


class OnceSpent(Exception):
    """A one-shot route has had its one call, whatever has been restarted since."""


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """Who is to be charged: an agent, by a route, for a model; ``once`` spends a one-shot route of that id."""

    agent: str
    route: str
    model: str
    once: str | None = None


REFUSALS = frozenset({401, 402, 403, 429})
"""What a provider says of the key or the account, beside its own troubles (500 and more); others are the call's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """The status of HTTP that a route's provider answered with; 0 where nothing was heard."""

    route: str
    status: int


class Ledger:
    """One open ledger. One thread uses it, in transactions; who has it open alone is the lock's affair.

    Opening it charges what a power cut left open, at the amounts reserved.

    Raises:
        LedgerNewer: the file's format is newer than this meter.
        LedgerUnusable: it is damaged, or cannot be opened or written.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._open(path)
        except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
            raise LedgerUnusable(f"{path}: {error}") from error

    def _open(self, path: Path) -> None:
        self._db.execute("PRAGMA busy_timeout = 1000")
        version = version_of(self._db)
        if version > FORMAT:
            raise LedgerNewer(f"{path}: written by a newer meter (format {version}; this one knows {FORMAT})")
        if (fault := self._db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise LedgerUnusable(f"{path}: {fault}")
        for setting in ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 4194304"):
            self._db.execute(f"PRAGMA {setting}").fetchall()
        with self.transaction():
            if version == 0:
                self._lay_out()
            self._db.execute(_REFUSALS)
            self.left_open = self._charge_left_open()
        _sync_folder(path.parent)

    def _lay_out(self) -> None:
        for statement in _LAYOUT.split(";\n"):
            self._db.execute(statement)
        self._db.execute("INSERT INTO format VALUES (?)", (FORMAT,))
        self._db.execute("INSERT INTO high_day VALUES (?)", (self._clock.day(),))

    def _charge_left_open(self) -> int:
        self._db.execute(_CHARGE_LEFT_OPEN)
        return self._db.execute("DELETE FROM reservations").rowcount

    @contextlib.contextmanager
    def transaction(self) -> Generator[None]:
        """Make everything inside durable at its end, or nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def part(self) -> Generator[None]:
        """Inside a transaction: undo this part alone where it fails."""
        self._db.execute("SAVEPOINT part")
        try:
            yield
        except sqlite3.Error:
            raise
        except BaseException:
            self._db.execute("ROLLBACK TO part")
            raise
        finally:
            if self._db.in_transaction:
                self._db.execute("RELEASE part")

    def day(self) -> str:
        """Return the day that counts now: the clock's, but never one before the highest seen."""
        return max(self._clock.day(), self._high_day())

    def clock_is_behind(self) -> bool:
        """Tell whether the machine's clock shows an earlier day than one that the ledger has already seen."""
        return self._clock.day() < self._high_day()

    def _high_day(self) -> str:
        return self._db.execute("SELECT day FROM high_day").fetchone()[0]

    def reserve(self, claim: Claim, price: Price, caps: Sequence[Cap] = ()) -> int:
        """Reserve a call's highest price and return the reservation's number.

        Raises:
            CapReached: with this call the agent or the machine could pass a cap.
            OnceSpent: the one-shot route has had its one call.
        """
        day = self.day()
        for cap in caps:
            self._keep(cap, day, price.input + price.output)
        self._db.execute("UPDATE high_day SET day = ? WHERE day < ?", (day, day))
        if claim.once is not None:
            self._spend_once(claim.agent, claim.once, day)
        values = {**dataclasses.asdict(claim), "day": day, **dataclasses.asdict(price)}
        return self._db.execute(_RESERVE, values).lastrowid or 0

    def _keep(self, cap: Cap, day: str, wanted: int) -> None:
        which, values = ("day = ?", [day]) if cap.period == "day" else ("day BETWEEN ? AND ?", _month(day))
        if cap.agent is not None:
            which, values = f"agent = ? AND {which}", [cap.agent, *values]
        used = self._db.execute(_USED.format(which=which), [*values, *values]).fetchone()[0]
        if used + wanted > cap.tokens:
            raise CapReached(cap, used, wanted)

    def _spend_once(self, agent: str, once: str, day: str) -> None:
        added = self._db.execute("INSERT INTO once VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (agent, once, day))
        if added.rowcount == 0:
            raise OnceSpent

    def settle(self, reservation: int, used: Price, *, estimated: bool) -> None:
        """Put what a call really used in the place of what was reserved for it; a second time changes nothing."""
        values = {"id": reservation, "estimated": int(estimated), **dataclasses.asdict(used)}
        self._db.execute(_CHARGE, values)
        self._db.execute("DELETE FROM reservations WHERE id = ?", (reservation,))

    def hear(self, heard: Heard) -> None:
        """Remember a route's refusal, or that it answers again; nothing of what was said but the status."""
        if heard.status in REFUSALS or heard.status >= _ITS_OWN_TROUBLE:
            self._db.execute(_REFUSED, dataclasses.asdict(heard))
        elif 0 < heard.status < _NOT_GIVEN:
            self._db.execute(_ANSWERED, {"route": heard.route})

    def touch(self) -> bool:
        """Write something that changes nothing, to learn whether it can be done; return ``clock_is_behind``."""
        self._db.execute("UPDATE high_day SET day = day")
        return self.clock_is_behind()

    def close(self) -> None:
        """Close it; everything that was acknowledged is already on disk."""
        self._db.close()


def version_of(db: sqlite3.Connection) -> int:
    """Return the format of an open ledger, 0 for an empty file."""
    there = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'format'").fetchone()
    if there is None:
        if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            raise LedgerUnusable("a database of something else")
        return 0
    return db.execute("SELECT max(version) FROM format").fetchone()[0] or 0


def _month(day: str) -> list[str]:
    return [f"{day[:7]}-01", f"{day[:7]}-31"]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
