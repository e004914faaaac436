"""Letting new browsers in: the agent's requests for it are looked at, and those that came through us are approved.

A request is ours when it was not there at the look before, and a browser spoke to the agent through us in between. One
that was there when we began, or came while nobody of ours was connected, is never approved here.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, cast

import msgspec

from fleet import gate
from fleet.base.clean import line
from fleet.base.errors import ActionFailed, ClawrackError
from fleet.gate import Door
from fleet.health import complaint, dig, fill
from fleet.kinds import Pairing, Probe
from fleet.machine.port import Port
from fleet.page.telling import Teller

PAUSE = 1.0  # seconds between two looks
_LONGEST = 200  # characters of a request's name


class Ledger:
    """The requests that were seen, and by what right."""

    def __init__(self) -> None:
        self._known: frozenset[str] | None = None

    def ours(self, waiting: frozenset[str], *, visited: bool) -> frozenset[str]:
        """Return those that came through us.

        Args:
            waiting: names of the requests that wait now.
            visited: whether a browser spoke to the agent through us since the last look.
        """
        fresh = waiting - self._known if self._known is not None and visited else frozenset[str]()
        self._known = (self._known or frozenset()) | waiting
        return fresh


class Clerk:
    """Asks the agent what waits, and approves.

    Args:
        port: the agent's machine.
        how: its kind's calls.
        find: returns the agent's door as it is now.
    """

    def __init__(self, port: Port, how: Pairing, find: Callable[[], Door]) -> None:
        self._port = port
        self._how = how
        self._find = find
        self._ledger = Ledger()

    def look(self, *, visited: bool) -> int:
        """Look once, approve what is ours, and return how many that were.

        Raises:
            ClawrackError: the agent does not answer as it should; nothing is known then.
        """
        door = self._find()
        waiting = {self._name(entry): self._fits(entry) for entry in self._waiting(self._ask(door, self._how.list))}
        fresh = self._ledger.ours(frozenset(waiting), visited=visited)
        approved = sorted(name for name in fresh if name and waiting[name])
        for request in approved:
            body = fill(self._how.approve.body, {"request": request})
            self._ask(door, msgspec.structs.replace(self._how.approve, body=body))
        return len(approved)

    def _ask(self, door: Door, probe: Probe) -> Any:  # noqa: ANN401 - it is JSON
        status, body = gate.ask(self._port, door, probe)
        reason = complaint(probe, status, body, "")
        if reason:
            raise self._failed(reason)
        return body

    def _waiting(self, body: Any) -> list[Any]:  # noqa: ANN401 - it is JSON
        found = dig(body, self._how.pending)
        if not isinstance(found, list):
            raise self._failed(f"{self._how.pending}?")
        return cast("list[Any]", found)

    def _name(self, entry: Any) -> str:  # noqa: ANN401 - it is JSON
        name = dig(entry, self._how.request)
        return name[:_LONGEST] if isinstance(name, str) else ""

    def _fits(self, entry: Any) -> bool:  # noqa: ANN401 - it is JSON
        return all(dig(entry, path) == wanted for path, wanted in self._how.matches.items())

    def _failed(self, reason: str) -> ActionFailed:
        return ActionFailed("page.pairing_failed", where=self._port.name, reason=line(reason))


@contextmanager
def letting_in(clerk: Clerk, seconds: int, visited: Callable[[], bool], tell: Teller) -> Generator[None]:
    """Let new browsers in for so many seconds, or until the block ends.

    Args:
        clerk: who has looked once already.
        seconds: from now on.
        visited: whether a browser spoke to the agent through us since this was last asked.
        tell: of each that was let in, and of the end.
    """
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(clerk, seconds, visited, tell, over), name="clawrack-page-pairing")
    thread.daemon = True
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PAUSE)


def _watch(clerk: Clerk, seconds: int, visited: Callable[[], bool], tell: Teller, over: threading.Event) -> None:
    until = time.monotonic() + seconds
    came = False
    while time.monotonic() < until:
        if over.wait(PAUSE):
            return
        came = visited() or came
        try:
            approved = clerk.look(visited=came)
        except (ClawrackError, OSError):
            continue  # it restarts, or the wire was cut: the page's own connections tell of that
        came = False
        if approved:
            tell.say("done", "page.let_in", count=approved)
    tell.say("note", "page.let_in_over", minutes=round(seconds / 60))
