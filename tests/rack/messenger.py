"""A messenger's cloud, played: a bot asks for messages, one long question at a time; of two at once one is refused.

Telegram answers 409 to the second `getUpdates` of one token, and then neither bot hears anything; so two copies of one
agent are noticed here as they would be there.
"""

import select
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs, urlsplit

LONG = 2.0  # seconds that a question without an answer takes
_LOOK = 0.01


class Messenger:
    """Listens on an address of this box; ``pollers`` have asked, ``collisions`` are pairs that asked at once."""

    def __init__(self, host: str) -> None:
        self.pollers: list[str] = []
        self.collisions: list[tuple[str, str]] = []
        self._asking: str = ""
        self._lock = threading.Lock()
        messenger = self

        class Door(_Door):
            played = messenger

        self._server = ThreadingHTTPServer((host, 0), Door)
        self._server.daemon_threads = True
        self.place = f"{host}:{self._server.server_address[1]}"

    def take(self, who: str) -> bool:
        """Let a bot ask; False where another one is asking."""
        with self._lock:
            if who not in self.pollers:
                self.pollers.append(who)
            if self._asking:
                self.collisions.append((self._asking, who))
                return False
            self._asking = who
            return True

    def leave(self) -> None:
        """The bot that asked has its answer, or is gone."""
        with self._lock:
            self._asking = ""

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Door(BaseHTTPRequestHandler):
    played: Messenger
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        who = parse_qs(urlsplit(self.path).query)["who"][0]
        if not self.played.take(who):
            self.send_error(409, "terminated by other getUpdates request")
            return
        try:
            self._wait()
        finally:
            self.played.leave()
        self.send_response(200)
        self.end_headers()

    def _wait(self) -> None:
        """Wait for messages, of which there are none, or until the bot hangs up."""
        end = time.monotonic() + LONG
        while time.monotonic() < end and not select.select([self.connection], [], [], _LOOK)[0]:
            pass  # what can be read here is the end of the connection

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""
