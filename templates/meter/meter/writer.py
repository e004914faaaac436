"""One thread writes the ledger. What arrives while the disk is busy with one commit goes into the next, together.

So the first call waits for one sync and no longer, and a hundred calls at once share a few.
"""

import asyncio
import dataclasses
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .ledger import Ledger, LedgerUnusable

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[Ledger], object]
    future: asyncio.Future[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Outcome:
    job: _Job
    value: object = None
    error: Exception | None = None


class Writer:
    """Does work on the ledger, in the order submitted, durably, in batches.

    ``commits`` and ``jobs`` count what was done, for the figures in docs/meter.md; ``failing`` says that the last
    commit failed.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.commits = 0
        self.jobs = 0
        self.failing: str | None = None
        self._ledger = ledger
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger")
        self._thread.start()

    def submit(self, work: Callable[[Ledger], T]) -> "asyncio.Future[T]":
        """Queue work at once, whoever waits for it; the future is done when the work is on disk.

        The future raises what the work raised, or LedgerUnusable where it could not be made durable.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Job(work, future))
        return future

    async def close(self) -> None:
        """Finish what is queued, then close the ledger."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._ledger.close()

    def _run(self) -> None:
        more = True
        while more:
            batch, more = self._gather()
            if batch:
                self._loop.call_soon_threadsafe(_deliver, self._commit(batch))

    def _gather(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            batch.append(job)
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _commit(self, batch: list[_Job]) -> list[_Outcome]:
        self.jobs += len(batch)
        self.commits += 1
        try:
            with self._ledger.transaction():
                outcomes = [self._attempt(job) for job in batch]
        except sqlite3.Error as error:
            self.failing = str(error)
            return [_Outcome(job, error=LedgerUnusable(str(error))) for job in batch]
        self.failing = None
        return outcomes

    def _attempt(self, job: _Job) -> _Outcome:
        try:
            with self._ledger.part():
                return _Outcome(job, value=job.work(self._ledger))
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 (it belongs to the one who submitted the work, not to this thread)
            return _Outcome(job, error=error)


def _deliver(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        future = outcome.job.future
        if future.cancelled():
            continue
        if outcome.error is not None:
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome.value)
