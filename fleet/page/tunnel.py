"""The listener at 127.0.0.1: every connection a pipe of its own, a bounded number of them, all ended with it."""

import contextlib
import errno
import socket
import threading
import time
from http import HTTPStatus
from typing import Self

from fleet.base.errors import Refused
from fleet.page import answers, peers
from fleet.page.answers import House
from fleet.page.pipe import Dial, Pipe, Tell

MOST = 100  # connections at once; a browser opens about ten
_HIGHEST = 65536
_MERCY = 5.0  # seconds for threads to end
_BREATH = 0.2  # seconds to wait where the system has no room for another connection


def listen(port: int, agent: str) -> socket.socket:
    """Return a socket that listens at a port of 127.0.0.1.

    Raises:
        Refused: something has the port; the sentence says what.
    """
    listener = socket.socket(socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(MOST)
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise Refused("page.no_port", port=port, agent=agent, reason=error.strerror or "") from error
        raise _taken(port, agent) from error
    return listener


def _taken(port: int, agent: str) -> Refused:
    found = peers.owner(port)
    params = {"port": port, "agent": agent, "by": found.name, "pid": found.pid, "free": free(port)}
    return Refused(f"page.taken_{found.kind}", where=f"127.0.0.1:{port}", **params)


def free(port: int) -> int:
    """Return the next port of 127.0.0.1 above this one that nobody has at this moment."""
    for other in range(port + 1, _HIGHEST):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", other))
            return other
    return 0


class Tunnel:
    """Serves a page until it is closed.

    Args:
        listener: see ``listen``; it belongs to the tunnel from now on.
        house: the rules.
        dial: connects to the agent.
        tell: see Pipe.
    """

    def __init__(self, listener: socket.socket, house: House, dial: Dial, tell: Tell) -> None:
        self._listener = listener
        self._house = house
        self._dial = dial
        self._tell = tell
        self._lock = threading.Lock()
        self._pipes: dict[Pipe, threading.Thread] = {}
        self._closed = False
        self._talked = 0
        self._thread = threading.Thread(target=self._accept, name="clawrack-page", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection, and listen no more."""
        with self._lock:
            self._closed = True
            running = dict(self._pipes)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(_MERCY)
        self._listener.close()
        for pipe in running:
            pipe.end()
        until = time.monotonic() + _MERCY
        for thread in running.values():
            thread.join(max(0.0, until - time.monotonic()))

    def visited(self) -> bool:
        """Return whether a browser has spoken to the agent through us since this was last asked, or does now."""
        with self._lock:
            talking = any(pipe.talking for pipe in self._pipes)
            ended, self._talked = self._talked, 0
        return talking or ended > 0

    def _accept(self) -> None:
        while not self._closed:
            try:
                browser, _ = self._listener.accept()
            except OSError:
                time.sleep(_BREATH)  # closed, or no room: the loop's own condition tells
                continue
            self._take(browser)

    def _take(self, browser: socket.socket) -> None:
        pipe = Pipe(browser, self._house, self._dial, self._tell)
        thread = threading.Thread(target=self._serve, args=(pipe,), name="clawrack-page-forth", daemon=True)
        with self._lock:
            room = len(self._pipes) < MOST and not self._closed
            if room:
                self._pipes[pipe] = thread
        if room:
            thread.start()
            return
        with contextlib.suppress(OSError), browser:
            browser.sendall(answers.refusal(HTTPStatus.SERVICE_UNAVAILABLE, "page.too_many"))

    def _serve(self, pipe: Pipe) -> None:
        try:
            pipe.run()
        finally:
            with self._lock:
                del self._pipes[pipe]
                self._talked += pipe.talking
