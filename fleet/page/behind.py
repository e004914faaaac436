"""Where the agent behind a page is, asked anew for each connection: its container's address moves with every start."""

import threading
import time

from fleet.base.errors import ActionFailed, ClawrackError, WireCut
from fleet.deploy import door
from fleet.gate import Door, Who
from fleet.machine.port import Channel, Port


class Behind:
    """An agent on its machine.

    Args:
        port: the machine.
        who: the agent.
        known: its secrets, by name.
    """

    def __init__(self, port: Port, who: Who, known: dict[str, str]) -> None:
        self.port = port
        self.who = who
        self.known = known
        self._lock = threading.Lock()
        self._failed: tuple[float, ClawrackError] | None = None

    def find(self) -> Door:
        """Return where it answers now.

        Raises:
            ActionFailed: it does not run, or has no address yet.
            Unreachable: its machine does not answer.
        """
        begun = time.monotonic()
        with self._lock:  # one asks at a time, and whoever waited meanwhile shares a failure instead of trying again
            if self._failed and self._failed[0] > begun:
                raise self._failed[1]
            try:
                return self._asked()
            except ClawrackError as error:
                self._failed = (time.monotonic(), error)
                raise

    def dial(self) -> Channel:
        """Connect to it, through its machine.

        Raises:
            ActionFailed, Unreachable: as ``find``; or nobody listens there.
        """
        found = self.find()
        return self.port.dial(found.address, found.port)

    def _asked(self) -> Door:
        name, kind = self.who.name, self.who.kind
        try:
            found = door(self.port, name, kind, self.known)
        except WireCut:  # it was cut before we asked, and asking changes nothing: once more, on a new one
            found = door(self.port, name, kind, self.known)
        if not found.address:
            raise ActionFailed("ask.not_ready", where=f"{self.port.name}/{name}", agent=name)
        return found
