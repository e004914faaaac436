"""Notices a peer that has died without saying so, within 15 seconds.

paramiko's keepalives want no reply, so a frozen server stays "active" for ever. One thread looks at every open
connection twice a second. A peer that has been silent for a while, with nothing of ours still on its way, is sent a
request that it must answer; one that neither speaks nor lets its kernel take what we send is dead. A slow wire is not:
as long as its kernel acknowledges something, the clock starts again.
"""

import threading
import time
import weakref
from dataclasses import dataclass, field

import paramiko

from fleet.machine.transport import Wire

TICK = 0.5
QUIET = 3.0  # seconds of silence until we ask
PATIENCE = 8.0  # seconds to answer, or to take what was sent


@dataclass(slots=True)
class _Watched:
    wire: "weakref.ref[Wire]"
    asked: float = 0.0
    unsent: int = 0
    moved: float = field(default_factory=time.monotonic)

    def dead(self, now: float) -> bool:
        """Look once; tell whether the peer has to be given up.

        Raises:
            OSError: the connection is already closed.
        """
        wire = self.wire()
        if wire is None or not wire.is_active():
            raise OSError("closed")
        unsent = wire.tcp.unsent()
        if unsent != self.unsent:
            self.unsent, self.moved = unsent, now
        if wire.tcp.heard > self.asked:
            self.asked = 0.0
        if self.asked:
            return now - max(self.asked, self.moved) > PATIENCE
        quiet = now - max(wire.tcp.heard, self.moved)
        if quiet > QUIET and not unsent and wire.ask_alive():
            self.asked = now
        return quiet > QUIET + PATIENCE


class _Watch:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[_Watched] = []
        self._running = False

    def add(self, wire: Wire) -> None:
        with self._lock:
            self._watched.append(_Watched(weakref.ref(wire)))
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="clawrack-watch", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(TICK)
            with self._lock:
                watched = list(self._watched)
            gone = [each for each in watched if not _alive(each)]
            with self._lock:
                self._watched = [each for each in self._watched if each not in gone]
                if not self._watched:
                    self._running = False
                    return


def _alive(watched: _Watched) -> bool:
    try:
        dead = watched.dead(time.monotonic())
    except (OSError, ValueError, EOFError, paramiko.SSHException):
        return False
    if dead:
        wire = watched.wire()
        if wire is not None:
            wire.tcp.close()  # its reader sees the end, and tells all who wait
    return not dead


_WATCH = _Watch()


def over(wire: Wire) -> None:
    """Watch over a connection until it closes."""
    _WATCH.add(wire)
