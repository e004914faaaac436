"""One connection of a browser, and the one to the agent behind it: bytes both ways, two threads, bounded memory.

What one side does not take is not read from the other: at most one piece is on its way in each direction, besides what
the kernels and the SSH connection's window hold (2 MB).
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

from fleet.base.errors import ClawrackError, TimedOut, WireCut
from fleet.machine.port import Channel
from fleet.page import answers, peers
from fleet.page.answers import House
from fleet.page.requests import BadRequest, Head, Requests

PIECE = 1 << 16
PATIENCE = 120.0  # seconds in which a side must take something, and the agent answer one that is half closed
LINGER = 2.0  # seconds of silence after which one that is half closed, and has had its answer, is closed whole
_TICK = 0.5

Dial = Callable[[], Channel]
Tell = Callable[[ClawrackError | None], None]
_ENDED = (OSError, WireCut, TimedOut)


class _NoAgent(Exception):
    """The agent could not be connected to; ``why`` is told to the browser."""

    def __init__(self, why: ClawrackError) -> None:
        super().__init__(why.key)
        self.why = why


class Pipe:
    """One connection; ``run`` serves it to its end.

    Args:
        browser: the accepted socket.
        house: the rules.
        dial: connects to the agent.
        tell: learns how dialling went, and of a cut wire: the error, or None where all is well.
    """

    def __init__(self, browser: socket.socket, house: House, dial: Dial, tell: Tell) -> None:
        self._browser = browser
        self._house = house
        self._dial = dial
        self._tell = tell
        self._agent: Channel | None = None
        self._back: threading.Thread | None = None
        self._asked = self._heard = 0.0
        self.talking = False
        """Whether it is one that stays open for both sides to speak, as a WebSocket does."""

    def run(self) -> None:
        """Serve the browser until either side has ended."""
        self._browser.settimeout(PATIENCE)
        self._browser.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._served()
        finally:
            self.end()
            if self._back:
                self._back.join()
            self._browser.close()

    def end(self) -> None:
        """End both sides, and wake whoever waits for them; may be called from another thread."""
        _hang_up(self._browser)
        if self._agent:
            _hang_up(self._agent)

    def _served(self) -> None:
        with contextlib.suppress(*_ENDED):
            try:
                self._forth()
            except BadRequest:
                self._browser.sendall(answers.refusal(HTTPStatus.BAD_REQUEST, "page.bad_request"))
            except _NoAgent as error:
                self._tell(error.why)
                self._browser.sendall(answers.trouble(error.why))

    def _forth(self) -> None:
        """Pass on what the browser sends; requests that are not the agent's to answer end it."""
        requests = Requests()
        while data := self._said():
            for piece in requests.feed(data):
                if isinstance(piece, Head) and not self._admitted(piece):
                    return
                if self._agent:
                    self._asked = time.monotonic()
                    self._agent.sendall(piece.raw if isinstance(piece, Head) else piece)
        if self._agent:
            _end_input(self._agent)
            self._drain()

    def _drain(self) -> None:
        """Wait for what the agent has still to say to a browser that will not ask again.

        Where it cannot be told that no more comes, it may keep the connection open for another request: then its
        silence after an answer is the end.
        """
        closed = time.monotonic()
        while self._back and self._back.is_alive():
            self._back.join(_TICK)
            patience = PATIENCE if self._asked > self._heard else LINGER
            if time.monotonic() - max(self._heard, closed) > patience:
                return

    def _said(self) -> bytes:
        """Return what the browser sent; one that only listens is borne for as long as the agent speaks to it."""
        while True:
            try:
                return self._browser.recv(PIECE)
            except TimeoutError:
                if not (self._back and self._back.is_alive()):
                    return b""

    def _admitted(self, head: Head) -> bool:
        """Return whether a request goes on to the agent, which is connected to at the first; else answer it here."""
        client: tuple[str, int] = self._browser.getpeername()
        ours = peers.uid(client, self._house.port) in peers.ours() if head.target.startswith(answers.OURS) else True
        said = answers.answer(self._house, head, ours=ours)
        if said:
            self._browser.sendall(said)
            return False
        if not self._agent:
            self._connect()
        self.talking = self.talking or head.upgrade
        return True

    def _connect(self) -> None:
        try:
            self._agent = self._dial()
        except ClawrackError as error:
            raise _NoAgent(error) from error
        self._agent.settimeout(PATIENCE)
        self._tell(None)
        self._back = threading.Thread(target=self._return, args=(self._agent,), name="clawrack-page-back", daemon=True)
        self._back.start()

    def _return(self, agent: Channel) -> None:
        """Pass on what the agent sends."""
        try:
            while data := _answered(agent):
                self._heard = time.monotonic()
                self._browser.sendall(data)
        except WireCut as error:
            self._tell(error)
            _hang_up(self._browser)
        except (OSError, ClawrackError):
            _hang_up(self._browser)
        else:
            _end_input(self._browser)


def _answered(agent: Channel) -> bytes:
    """Return what the agent sends next, however long it is silent; closing the channel ends the wait."""
    while True:
        with contextlib.suppress(TimeoutError, TimedOut):
            return agent.recv(PIECE)


def _end_input(side: Channel | socket.socket) -> None:
    """Say that no more comes, where that can be said: a channel of an SSH connection is told by its close alone."""
    if isinstance(side, socket.socket):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_WR)


def _hang_up(side: Channel | socket.socket) -> None:
    """End a side; closing a socket alone would not wake whoever waits for it."""
    with contextlib.suppress(OSError, ClawrackError):
        if isinstance(side, socket.socket):
            side.shutdown(socket.SHUT_RDWR)
        else:
            side.close()
