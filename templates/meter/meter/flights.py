"""The calls in flight: an agent that hangs up, or whose key is revoked, ends its own; a drain waits for all."""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from typing import TypeVar

from .config import Agent
from .refusal import Refusal

T = TypeVar("T")

MOST_CALLS = 512
"""Of one agent at once."""
_LOOK_SECONDS = 0.2


@dataclasses.dataclass(eq=False, slots=True)
class Flight:
    """One call on its way. ``alive`` tells whether its agent is still listening; ``cut`` says why it was ended."""

    agent: Agent
    alive: Callable[[], bool]
    task: "asyncio.Task[object] | None" = None
    cut: str = ""

    def end(self, why: str) -> None:
        """End the call; its own work settles it."""
        if self.task is not None and not self.cut:
            self.cut = why
            self.task.cancel()


class Flights:
    """All calls in flight. ``wanted`` tells whether an agent may still be served."""

    def __init__(self, wanted: Callable[[Agent], bool]) -> None:
        self._wanted = wanted
        self._flights: set[Flight] = set()
        self._landed = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._flights)

    async def fly(self, flight: Flight, work: Coroutine[object, object, T]) -> T:
        """Do a call's work to its end, and keep it in view meanwhile.

        Raises:
            Refusal: ``busy``.
            CallCut: the call was ended from here; what it used is settled.
        """
        if sum(other.agent.name == flight.agent.name for other in self._flights) >= MOST_CALLS:
            work.close()
            raise Refusal("busy")
        task = flight.task = asyncio.get_running_loop().create_task(work)
        self._flights.add(flight)
        self._watch()
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if not flight.cut:
                flight.end("server")
                await asyncio.wait({task})
                raise
            raise CallCut(flight.cut) from None
        finally:
            self._flights.discard(flight)
            if not self._flights:
                self._landed.set()

    def _watch(self) -> None:
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        while self._flights:
            await asyncio.sleep(_LOOK_SECONDS)
            for flight in list(self._flights):
                if not flight.alive():
                    flight.end("hung-up")
                elif not self._wanted(flight.agent):
                    flight.end("revoked")

    async def drain(self, seconds: float) -> int:
        """Wait until none is left; after so many seconds end the rest, and return how many those were."""
        late = 0
        try:
            async with asyncio.timeout(seconds):
                await self._empty()
        except TimeoutError:
            late = len(self._flights)
            for flight in list(self._flights):
                flight.end("drained")
            await self._empty()
        return late

    async def _empty(self) -> None:
        if self._flights:
            self._landed.clear()
            await self._landed.wait()


class CallCut(Exception):
    """A call was ended before its answer was complete."""
