"""What is told of an open page: its trouble once and not for each connection, and whom it let in."""

import threading

from fleet.base.errors import ClawrackError, Unreachable
from fleet.base.event import Event, Kind, Listener


class Teller:
    """Tells a listener; threads may share it.

    Args:
        machine: the agent's.
        agent: its name.
        listener: hears events.
    """

    def __init__(self, machine: str, agent: str, listener: Listener) -> None:
        self._machine = machine
        self._agent = agent
        self._listener = listener
        self._lock = threading.Lock()
        self._trouble = ""

    def wire(self, error: ClawrackError | None) -> None:
        """Learn how a connection to the agent went: tell of the first that failed, and of the first that went again."""
        key = "" if error is None else "page.cut" if isinstance(error, Unreachable) else "page.no_agent"
        with self._lock:
            before, self._trouble = self._trouble, key
        if key and key != before:
            self.say("unknown" if key == "page.cut" else "failed", key, reason=str(error))
        elif before and not key:
            self.say("done", "page.back")

    def say(self, kind: Kind, step: str, **params: object) -> None:
        """Tell one thing."""
        told = {"agent": self._agent, "machine": self._machine} | params
        self._listener(Event(kind=kind, subject=f"{self._machine}/{self._agent}", step=step, params=told))
