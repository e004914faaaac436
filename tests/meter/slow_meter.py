"""The meter with one more kind of route, which takes its time: what a model over a slow wire would be."""

import asyncio
import dataclasses
import os
import sys
from collections.abc import AsyncGenerator, Mapping

from templates.meter.meter.ask import Ask
from templates.meter.meter.kinds import KINDS
from templates.meter.meter.routes import Answer, Price, RouteFailed, Tally
from templates.meter.meter.serve import run
from templates.meter.meter.settings import from_environment


class Slow:
    """``pieces`` events with a ``pause`` before each but the first; ten tokens each; fails after ``fails_after``.

    With ``status`` its provider answers so: ``raises`` says whether the route makes that a failure or passes it on.
    """

    model = "slow-1"

    def __init__(self, entry: Mapping[str, object]) -> None:
        self._pieces = int(str(entry.get("pieces", 3)))
        self._pause = float(str(entry.get("pause", 0.2)))
        self._fails_after = int(str(entry.get("fails_after", -1)))
        self._status = int(str(entry.get("status", 200)))
        self._raises = bool(entry.get("raises", False))

    def highest(self, ask: Ask) -> Price:
        return Price(100, ask.max_tokens or 1000, nanos=5000, currency="USD")

    async def answer(self, ask: Ask, tally: Tally) -> Answer:
        if self._fails_after == 0:
            raise RouteFailed("as asked")
        if self._raises:
            raise RouteFailed("refused", self._status)
        tally.input, tally.currency = 100, "USD"
        return Answer("text/event-stream" if ask.stream else "application/json", self._run(tally), self._status)

    async def _run(self, tally: Tally) -> AsyncGenerator[bytes, None]:
        for number in range(self._pieces):
            if number:
                await asyncio.sleep(self._pause)
            if number == self._fails_after:
                raise RouteFailed("as asked")
            tally.output += 10
            tally.nanos += 100
            yield b'data: {"piece":%d}\n\n' % number


if __name__ == "__main__":
    settings = dataclasses.replace(from_environment(), drain_seconds=float(os.environ["METER_TEST_DRAIN"]))
    sys.exit(run(settings, {**KINDS, "slow": Slow}))
