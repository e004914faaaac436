"""Who asks the machines: threads that put messages into a queue, each machine at its own pace.

A machine that does not answer is asked ever more rarely, and by workers of its own, so that it delays none of the
others. Nothing here knows of the screen; a replay of a recording (`tui/replay.py`) can stand in its place.
"""

import heapq
import itertools
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from fleet.base.errors import ClawrackError
from fleet.model import Wish
from fleet.views import Look, UsageRow
from tui.state.heard import Message, Silent, Sort, Told, Trouble, Used, Wished, WishedAgent, WishedMachine

if TYPE_CHECKING:
    from fleet.api import Fleet  # a replay does without all that it brings

BEAT = 2.0
"""Seconds between two questions to a machine that answers, in a small fleet."""
PER_SECOND = 40
"""Machines asked in a second, at most: a large fleet is asked more rarely."""
RAREST = 30.0
"""Seconds between two questions to a machine that does not answer, at most."""
LEDGER_EVERY = 15.0
FOLDER_EVERY = 2.0
QUICK, SLOW = 64, 32
"""Workers for machines that answer, and for those that did not."""
PATIENCE = 1.5  # seconds for all threads to end
_SORTS: dict[str, Sort] = {
    "ssh.no_such_host": "name",
    "ssh.refused": "refused",
    "ssh.no_answer": "timeout",
    "ssh.silent": "timeout",
    "ssh.no_handshake": "timeout",
    "ssh.too_busy": "timeout",
    "wire.timed_out": "timeout",
    "wire.silent": "timeout",
    "wire.cut": "cut",
    "ssh.hung_up": "cut",
    "ssh.key_refused": "login",
    "ssh.keys_off": "login",
    "ssh.second_factor": "login",
    "hostkey.changed": "host-key",
    "hostkey.unknown": "host-key",
    "hostkey.twice": "host-key",
    "hostkey.moved": "host-key",
}
Put = Callable[[Message], None]


class Source(Protocol):
    """Where messages come from."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End within two seconds; nothing is put after that."""

    def urge(self, machine: str = "") -> None:
        """Ask this machine now, or all of them."""


@dataclass(frozen=True)
class Asks:
    """What is asked; see the methods of `Fleet` of the same names.

    Attributes:
        stamp: returns something that is another when the fleet's folder has changed.
    """

    wish: Callable[[], Wish]
    look: Callable[[str, Wish], Look]
    used: Callable[[str, Wish], tuple[UsageRow, ...]]
    stamp: Callable[[], object]


def of_fleet(fleet: "Fleet") -> Asks:
    """Return the questions to a real fleet."""
    return Asks(wish=fleet.wish, look=fleet.look, used=fleet.used, stamp=lambda: stamp(fleet.folder))


def stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Return the files of a fleet's folder with their times and sizes."""
    found: list[tuple[str, int, int]] = []
    for place in (folder, folder / "machines", folder / "agents"):
        try:
            with os.scandir(place) as entries:
                files = [(one.path, one.stat()) for one in entries if one.name.endswith(".yaml")]
        except OSError:  # not there yet, or a file went while we looked
            continue
        found += [(path, about.st_mtime_ns, about.st_size) for path, about in files]
    return tuple(sorted(found))


@dataclass
class _Turn:
    """When a machine is asked next, and how it went so far."""

    due: float
    misses: int = 0
    busy: bool = False
    again: bool = False
    ledger_at: float = float("-inf")


class _Lane:
    """Some workers, started as they are needed."""

    def __init__(self, name: str, most: int, work: Callable[[str], None]) -> None:
        self._name, self._most, self._work = name, most, work
        self._jobs: SimpleQueue[str | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def give(self, machine: str) -> None:
        """Have a machine asked, as soon as somebody is free."""
        if not self._idle.acquire(blocking=False) and len(self.threads) < self._most:
            # Not of a thread pool: its threads are waited for when Python ends, however long a machine takes.
            self.threads.append(threading.Thread(target=self._run, name=self._name, daemon=True))
            self.threads[-1].start()
        self._jobs.put(machine)

    def close(self) -> None:
        """Let the workers end when they are through."""
        for _ in self.threads:
            self._jobs.put(None)

    def _run(self) -> None:
        while (machine := self._jobs.get()) is not None:
            self._work(machine)
            self._idle.release()


class Watch:
    """Asks all machines of a fleet again and again.

    Args:
        asks: the questions.
        put: takes the messages; called by many threads.
        clock: seconds; never runs backwards.
    """

    def __init__(self, asks: Asks, put: Put, clock: Callable[[], float] = time.monotonic) -> None:
        self._asks, self._put, self._clock = asks, put, clock
        self._wish: Wish | None = None
        self._beat = BEAT
        self._turns: dict[str, _Turn] = {}
        self._agenda: list[tuple[float, int, str]] = []
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._quick = _Lane("clawrack-quick", QUICK, self._ask)
        self._slow = _Lane("clawrack-slow", SLOW, self._ask)
        self._clerk = threading.Thread(target=self._run, name="clawrack-watch", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._clerk.start()

    def stop(self) -> None:
        """End within two seconds; who hangs at a machine is left behind, and nothing of it is heard any more."""
        self._over.set()
        with self._changed:
            self._changed.notify_all()
        self._quick.close()
        self._slow.close()
        until = time.monotonic() + PATIENCE
        for thread in (self._clerk, *self._quick.threads, *self._slow.threads):
            if thread.ident is not None:
                thread.join(max(0.0, until - time.monotonic()))

    def urge(self, machine: str = "") -> None:
        """Ask this machine now, or all of them; one that is being asked is asked once more after that."""
        with self._changed:
            for name, turn in self._turns.items():
                if machine in {"", name}:
                    self._plan(name, turn, self._clock())
            self._changed.notify()

    # --- the clerk: reads the folder, and gives machines to workers when they are due ---

    def _run(self) -> None:
        seen: object = None
        folder_at = float("-inf")
        while not self._over.is_set():
            now = self._clock()
            if now >= folder_at + FOLDER_EVERY:
                folder_at, seen = now, self._read(seen)
            with self._changed:
                self._give_due()
                wait = min([folder_at + FOLDER_EVERY, *(due for due, _, _ in self._agenda[:1])]) - self._clock()
                if wait > 0 and not self._over.is_set():
                    self._changed.wait(wait)

    def _read(self, seen: object) -> object:
        """Read the folder where it has changed, and return its stamp."""
        stamped = self._asks.stamp()
        if stamped == seen:
            return seen
        try:
            self._take(self._asks.wish())
        except ClawrackError as error:
            self._say(Trouble(at=self._clock(), text=str(error)))
        except Exception as error:  # noqa: BLE001 - our bug; the machines are watched all the same
            self._say(Trouble(at=self._clock(), text=f"{type(error).__name__}: {error}"))
        return stamped

    def _take(self, wish: Wish) -> None:
        now = self._clock()
        with self._changed:
            self._wish = wish
            self._beat = max(BEAT, len(wish.machines) / PER_SECOND)
            for gone in self._turns.keys() - wish.machines.keys():
                del self._turns[gone]
            for name in wish.machines:
                if name not in self._turns:
                    self._plan(name, self._turns.setdefault(name, _Turn(now)), now)
        self._say(_wished(wish, now, self._beat))
        self._say(Trouble(at=now, text=""))

    def _plan(self, name: str, turn: _Turn, due: float) -> None:
        if turn.busy:
            turn.again = True
            return
        turn.due = due
        heapq.heappush(self._agenda, (due, next(self._count), name))

    def _give_due(self) -> None:
        now = self._clock()
        while self._agenda and self._agenda[0][0] <= now:
            due, _, name = heapq.heappop(self._agenda)
            turn = self._turns.get(name)
            if turn is None or turn.busy or turn.due != due:
                continue  # gone, or planned anew
            turn.busy = True
            (self._slow if turn.misses else self._quick).give(name)

    # --- the workers ---

    def _ask(self, name: str) -> None:
        """Ask one machine, and its ledger where that is due; plan its next turn."""
        turn, wish = self._turns.get(name), self._wish
        if turn is None or wish is None or name not in wish.machines or self._over.is_set():
            return
        answered = self._look(name, wish)
        turn.misses = 0 if answered else turn.misses + 1
        if answered and self._clock() >= turn.ledger_at + max(LEDGER_EVERY, self._beat):
            turn.ledger_at = self._clock()
            self._ledger(name, wish)
        with self._changed:
            turn.busy = False
            pause = self._beat if answered else min(RAREST, max(self._beat, BEAT * 2.0 ** (turn.misses - 1)))
            again, turn.again = turn.again, False
            if self._turns.get(name) is turn:
                self._plan(name, turn, self._clock() + (0.0 if again else pause))
                self._changed.notify()

    def _look(self, name: str, wish: Wish) -> bool:
        try:
            told = self._asks.look(name, wish)
        except ClawrackError as error:
            text = " — ".join(part for part in (error.part("what"), error.part("why")) if part)
            sort = _SORTS.get(error.key, "other")
            self._say(Silent(at=self._clock(), machine=name, key=error.key, text=text, sort=sort))
            return False
        except Exception as error:  # noqa: BLE001 - one machine's surprise must not end a worker; it is shown
            text = f"{type(error).__name__}: {error}"
            self._say(Silent(at=self._clock(), machine=name, key="", text=text))
            return False
        strays = tuple(stray.partition("/")[2] for stray in told.strays)
        self._say(Told(at=self._clock(), machine=name, view=told.machine, agents=told.agents, strays=strays))
        return True

    def _ledger(self, name: str, wish: Wish) -> None:
        try:
            rows = self._asks.used(name, wish)
        except Exception:  # noqa: BLE001 - no meter yet, or an old one: what is known of it stays as it is
            return
        self._say(Used(at=self._clock(), machine=name, today=datetime.now(UTC).date().isoformat(), rows=rows))

    def _say(self, message: Message) -> None:
        if not self._over.is_set():
            self._put(message)


def _wished(wish: Wish, at: float, beat: float) -> Wished:
    machines = tuple(
        WishedMachine(n, m.address if m.port == 22 else f"{m.address}:{m.port}")  # noqa: PLR2004 - SSH's
        for n, m in wish.machines.items()
    )
    agents = tuple(WishedAgent(n, a.machine, a.kind, a.version, a.model) for n, a in wish.agents.items())
    return Wished(at=at, machines=machines, agents=agents, beat=beat)
