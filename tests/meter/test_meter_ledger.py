"""The ledger by itself: real SQLite, a clock that can be turned, and power cuts."""

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest

from templates.meter.meter.caps import Cap, CapReached
from templates.meter.meter.ledger import Claim, Ledger, LedgerNewer, LedgerUnusable, OnceSpent
from templates.meter.meter.report import report
from templates.meter.meter.routes import Price
from templates.meter.meter.writer import Writer

CLAIM = Claim("front-desk", "practice", "practice")


class Turned:
    """A clock that shows what it is told."""

    def __init__(self, day: str = "2026-11-20") -> None:
        self.shown = day

    def day(self) -> str:
        return self.shown


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def sums(path: Path, clock: Turned) -> list[tuple[str, int, int, bool]]:
    rows = report(path, clock)["usage"]
    assert isinstance(rows, list)
    return [(row["day"], row["input_tokens"], row["output_tokens"], row["unsettled"]) for row in rows]  # pyright: ignore[reportUnknownVariableType]


def reserve(ledger: Ledger, tokens: int, *caps: Cap, claim: Claim = CLAIM) -> int:
    with ledger.transaction():
        return ledger.reserve(claim, Price(tokens, 0), caps)


def settle(ledger: Ledger, reservation: int, tokens: int) -> None:
    with ledger.transaction():
        ledger.settle(reservation, Price(tokens, 0), estimated=False)


def test_what_is_settled_takes_the_place_of_what_was_reserved(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    reservation = reserve(ledger, 100)
    settle(ledger, reservation, 30)
    settle(ledger, reservation, 30)
    assert sums(path, clock) == [("2026-11-20", 30, 0, False)]
    ledger.close()


def test_a_reservation_left_open_is_charged_whole_and_marked(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    settle(ledger, reserve(ledger, 100), 30)
    reserve(ledger, 100)
    reserve(ledger, 50)
    ledger.close()
    clock.shown = "2026-11-21"
    again = Ledger(path, clock)
    assert again.left_open == 2
    assert sums(path, clock) == [("2026-11-20", 30, 0, False), ("2026-11-20", 150, 0, True)]
    again.close()
    third = Ledger(path, clock)
    assert third.left_open == 0
    third.close()


def test_a_day_never_runs_backwards_with_the_clock(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    day_cap = Cap("front-desk", "day", 100)
    settle(ledger, reserve(ledger, 80, day_cap), 80)
    clock.shown = "1970-01-01"
    assert ledger.clock_is_behind()
    with pytest.raises(CapReached):
        reserve(ledger, 30, day_cap)
    settle(ledger, reserve(ledger, 20, day_cap), 20)
    ledger.close()
    again = Ledger(path, clock)
    assert again.day() == "2026-11-20"
    assert report(path, clock)["clock_behind"] is True
    assert sums(path, clock) == [("2026-11-20", 100, 0, False)]
    clock.shown = "2026-11-21"
    assert not again.clock_is_behind()
    reserve(again, 100, day_cap)
    again.close()


def test_a_day_that_was_seen_once_is_remembered_after_a_power_cut(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    clock.shown = "2026-12-01"
    reserve(ledger, 1)
    clock.shown = "2026-11-20"
    ledger.close()
    again = Ledger(path, clock)
    assert again.day() == "2026-12-01"
    again.close()


def test_a_months_cap_counts_its_days_and_the_next_month_is_free(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    month_cap = Cap("front-desk", "month", 100)
    for day in ("2026-11-20", "2026-11-30"):
        clock.shown = day
        settle(ledger, reserve(ledger, 50, month_cap), 50)
    with pytest.raises(CapReached) as reached:
        reserve(ledger, 1, month_cap)
    assert (reached.value.used, reached.value.wanted) == (100, 1)
    clock.shown = "2026-12-01"
    reserve(ledger, 100, month_cap)
    ledger.close()


def test_a_machines_cap_counts_every_agent_and_what_is_only_reserved(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    machine = Cap(None, "day", 100)
    reserve(ledger, 60, machine)
    other = Claim("night-shift", "practice", "practice")
    with pytest.raises(CapReached):
        reserve(ledger, 41, machine, claim=other)
    settle(ledger, reserve(ledger, 40, machine, claim=other), 40)
    ledger.close()


def test_a_one_shot_is_spent_once_however_often_the_ledger_is_opened(path: Path, clock: Turned) -> None:
    once = Claim("front-desk", "practice", "practice", once="canary-1")
    ledger = Ledger(path, clock)
    reserve(ledger, 10, claim=once)
    ledger.close()
    again = Ledger(path, clock)
    with pytest.raises(OnceSpent):
        reserve(again, 10, claim=once)
    reserve(again, 10, claim=Claim("night-shift", "practice", "practice", once="canary-1"))
    again.close()


def test_a_refused_one_shot_is_not_spent(path: Path, clock: Turned) -> None:
    once = Claim("front-desk", "practice", "practice", once="canary-1")
    ledger = Ledger(path, clock)
    with pytest.raises(CapReached):
        reserve(ledger, 10, Cap(None, "day", 5), claim=once)
    reserve(ledger, 10, claim=once)
    ledger.close()


@pytest.mark.parametrize("content", [b"nonsense" * 4096, b"SQLite format 3\x00" + b"\xff" * 8192])
def test_a_damaged_file_is_unusable_and_untouched(path: Path, clock: Turned, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LedgerUnusable):
        Ledger(path, clock)
    assert path.read_bytes() == content


def test_a_database_of_something_else_is_not_taken_for_a_ledger(path: Path, clock: Turned) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(LedgerUnusable):
        Ledger(path, clock)
    assert path.read_bytes() == before


def test_a_flipped_byte_is_called_damage_or_leaves_a_ledger_that_opens(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    settle(ledger, reserve(ledger, 100), 30)
    ledger.close()
    whole = path.read_bytes()
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            Ledger(path, clock).close()
        except LedgerUnusable:
            continue
        for leftover in ("-wal", "-shm"):
            path.with_name(path.name + leftover).unlink(missing_ok=True)


def test_a_newer_format_is_refused_by_meter_and_report_alike(path: Path, clock: Turned) -> None:
    Ledger(path, clock).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE format SET version = 2")
    db.close()
    with pytest.raises(LedgerNewer):
        Ledger(path, clock)
    with pytest.raises(LedgerNewer):
        report(path, clock)


def test_a_report_on_a_closed_ledger_leaves_no_file_beside_it(path: Path, clock: Turned) -> None:
    ledger = Ledger(path, clock)
    settle(ledger, reserve(ledger, 10), 10)
    ledger.close()
    assert sums(path, clock) == [("2026-11-20", 10, 0, False)]
    assert [file.name for file in path.parent.iterdir()] == ["ledger.sqlite"]


def test_a_report_on_nothing_says_so(path: Path, clock: Turned) -> None:
    with pytest.raises(LedgerUnusable):
        report(path, clock)


def test_many_writers_at_once_share_a_few_commits(path: Path, clock: Turned) -> None:
    def one(ledger: Ledger) -> None:
        ledger.settle(ledger.reserve(CLAIM, Price(2, 0)), Price(1, 0), estimated=False)

    async def work() -> tuple[int, int]:
        writer = Writer(Ledger(path, clock))
        await asyncio.gather(*[writer.submit(one) for _ in range(500)])
        await writer.close()
        return writer.jobs, writer.commits

    began = time.monotonic()
    jobs, commits = asyncio.run(work())
    assert (jobs, sums(path, clock)) == (500, [("2026-11-20", 500, 0, False)])
    assert commits <= 50
    assert time.monotonic() - began < 5


def test_one_mistake_in_a_batch_undoes_itself_and_nothing_else(path: Path, clock: Turned) -> None:
    def good(ledger: Ledger) -> int:
        return ledger.reserve(CLAIM, Price(10, 0))

    def bad(ledger: Ledger) -> int:
        ledger.reserve(CLAIM, Price(1000, 0))
        raise RuntimeError

    async def work() -> list[object]:
        writer = Writer(Ledger(path, clock))
        done = await asyncio.gather(*[writer.submit(job) for job in (good, bad, good)], return_exceptions=True)
        await writer.close()
        return list(done)

    first, error, last = asyncio.run(work())
    assert isinstance(first, int)
    assert isinstance(last, int)
    assert isinstance(error, RuntimeError)
    still_open = report(path, clock)["open"]
    assert isinstance(still_open, list)
    assert still_open[0]["input_tokens"] == 20
