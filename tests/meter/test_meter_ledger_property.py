"""Whatever happens between reserving and settling, the ledger never says less than was used."""

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as Of
from hypothesis.stateful import RuleBasedStateMachine, consumes, invariant, rule

from templates.meter.meter.caps import Cap, CapReached
from templates.meter.meter.ledger import Claim, Ledger
from templates.meter.meter.routes import Price

AGENTS = ("front-desk", "night-shift")
CAP = 2_000
Flight = tuple[int, int, int]
"""Reservation, tokens reserved, life of the meter in which it was made."""


class Turned:
    def __init__(self) -> None:
        self.number = 10

    def day(self) -> str:
        return f"2026-11-{self.number:02d}"


class AnyInterleaving(RuleBasedStateMachine):
    """Agents reserve, use some of it, settle or do not; power goes in between, and the clock jumps."""

    flights: Of[Flight] = Of("flights")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Turned()
        self.life = 0
        self.used = 0
        self.highest_day = self.clock.day()
        self.ledger = Ledger(self.path, self.clock)

    @property
    def path(self) -> Path:
        return self.folder / f"{self.life}" / "ledger.sqlite" if self.life else self.folder / "ledger.sqlite"

    @rule(target=flights, agent=st.sampled_from(AGENTS), tokens=st.integers(0, 600), share=st.floats(0, 1))
    def reserve_and_use(self, agent: str, tokens: int, share: float) -> Flight:
        """Use follows the reservation, and only where it was acknowledged."""
        limits = (Cap(agent, "month", CAP), Cap(None, "month", CAP))
        try:
            with self.ledger.transaction():
                number = self.ledger.reserve(Claim(agent, "r", "m"), Price(tokens, 0), limits)
        except CapReached:
            return (0, 0, -1)
        used = int(tokens * share)
        self.used += used
        return (number, used, self.life)

    @rule(flight=consumes(flights))
    def settle(self, flight: Flight) -> None:
        number, used, life = flight
        if life == self.life:
            with self.ledger.transaction():
                self.ledger.settle(number, Price(used, 0), estimated=False)

    @rule(flight=flights)
    def settle_and_lose_power_before_the_commit(self, flight: Flight) -> None:
        number, used, life = flight
        if life != self.life:
            return
        try:
            with self.ledger.transaction():
                self.ledger.settle(number, Price(used, 0), estimated=False)
                raise InterruptedError  # noqa: TRY301 (this is the power cut)
        except InterruptedError:
            self.lose_power()

    @rule()
    def lose_power(self) -> None:
        """What is on disk at this moment is all that the next life finds; nothing is closed first."""
        before = self.path
        self.life += 1
        self.path.parent.mkdir()
        for file in before.parent.glob("ledger.sqlite*"):
            shutil.copy(file, self.path.parent)
        self.ledger.close()
        self.ledger = Ledger(self.path, self.clock)

    @rule(number=st.integers(1, 28))
    def turn_the_clock(self, number: int) -> None:
        self.clock.number = number

    @invariant()
    def never_less_than_was_used_and_never_over_the_cap(self) -> None:
        held = self.look(
            "SELECT coalesce((SELECT sum(input + output) FROM usage), 0)"
            " + coalesce((SELECT sum(input + output) FROM reservations), 0)"
        )
        assert self.used <= held <= CAP

    @invariant()
    def a_day_never_runs_backwards(self) -> None:
        assert self.ledger.day() >= self.highest_day
        self.highest_day = max(self.look("SELECT day FROM high_day"), self.highest_day)

    def look(self, question: str) -> Any:
        with contextlib.closing(sqlite3.connect(self.path)) as db:
            return db.execute(question).fetchone()[0]

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)


AnyInterleaving.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


class TestTheLedgerNeverSaysLessThanWasUsed(AnyInterleaving.TestCase):
    """Hypothesis runs it."""
