"""Room for commands on one connection: sshd's MaxSessions, kept to, and learned where it is lower than usual."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator

from fleet.base.errors import Refused
from fleet.machine.process import Deadline
from fleet.machine.stream import Stream
from fleet.machine.transport import NotOpened

# A session that has ended here is still counted there until the server has buried its process.
_SERVER_LAGS = 0.05


class Slots:
    """At most ``most`` commands at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._ever = False
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def one(self, where: str, deadline: Deadline) -> Generator["_Slot"]:
        """Wait for room, and hold it.

        Raises:
            TimedOut: none came in time.
        """
        slot = _Slot(self, where, deadline)
        slot.take()
        try:
            yield slot
        finally:
            slot.give()

    def take(self, deadline: Deadline) -> None:
        """Wait for room."""
        with self._changed:
            while self._used >= self._most:
                self._changed.wait(deadline.left())
            self._used += 1

    def give(self) -> None:
        """Leave room for another."""
        with self._changed:
            self._used -= 1
            self._changed.notify()

    def opened(self) -> None:
        """Learn that the server does open sessions."""
        self._ever = True

    def learn(self) -> bool:
        """Make do with fewer; return False where the server has never opened any, and has none of ours to end."""
        with self._changed:
            others = self._used - 1
            self._most = max(1, min(self._most, others))
            return others > 0 or self._ever


class _Slot:
    def __init__(self, slots: Slots, where: str, deadline: Deadline) -> None:
        self._slots = slots
        self._where = where
        self._deadline = deadline

    def take(self) -> None:
        self._slots.take(self._deadline)

    def give(self) -> None:
        self._slots.give()

    def open(self, opener: Callable[[], Stream]) -> Stream:
        """Open a session; where the server has no room, wait until one of ours ends. Nothing has been started yet.

        Raises:
            Refused: the server gives no session at all.
        """
        while True:
            try:
                stream = opener()
            except NotOpened as error:
                if not self._slots.learn():
                    raise Refused("ssh.no_session", where=self._where) from error
            else:
                self._slots.opened()
                return stream
            self.give()
            time.sleep(min(_SERVER_LAGS, self._deadline.left()))
            self.take()
