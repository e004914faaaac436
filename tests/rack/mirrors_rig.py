"""Played mirrors: small servers on the rack's own network that are what real mirrors are on their bad days."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

Answer = Callable[["Played", BaseHTTPRequestHandler], None]


class Played:
    """One mirror: how it answers is given; `asked` are the paths that were wanted from it.

    Args:
        address: of this box on the rack's network.
        answer: writes the answer to one request.
    """

    def __init__(self, address: str, answer: Answer) -> None:
        self.asked: list[str] = []
        played = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                played.asked.append(self.path)
                with suppress(OSError):
                    answer(played, self)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                del format, args

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.host = f"{address}:{self._server.server_address[1]}"
        self.url = f"http://{self.host}/debian"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def absent(_: Played, request: BaseHTTPRequestHandler) -> None:
    """It has no such release."""
    request.send_error(404)


def forbidding(_: Played, request: BaseHTTPRequestHandler) -> None:
    """It gives nothing to this address."""
    request.send_error(403)


def throttling(_: Played, request: BaseHTTPRequestHandler) -> None:
    """It has had enough of this address."""
    request.send_error(429)


def lying(_: Played, request: BaseHTTPRequestHandler) -> None:
    """A portal that answers everything with its own page."""
    page = b"<html>Please log in to the network</html>"
    request.send_response(200)
    request.send_header("Content-Length", str(len(page)))
    request.end_headers()
    request.wfile.write(page)


def another(_: Played, request: BaseHTTPRequestHandler) -> None:
    """It says that it has the release, and what it then sends nobody has signed."""
    page = (
        b"Origin: Debian\nSuite: stable\nCodename: bookworm\n" if request.path.endswith("/Release") else b"nonsense\n"
    )
    request.send_response(200)
    request.send_header("Content-Length", str(len(page)))
    request.end_headers()
    request.wfile.write(page)


def silent(_: Played, request: BaseHTTPRequestHandler) -> None:
    """It takes the request, and thinks about it."""
    time.sleep(30)
    request.close_connection = True


def whole(real: str, after: float = 0.0) -> Answer:
    """It has everything that a real mirror has, `after` so many seconds for each file."""

    def answer(_: Played, request: BaseHTTPRequestHandler) -> None:
        time.sleep(after)
        request.send_response(302)
        request.send_header("Location", real + request.path.removeprefix("/debian"))
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


_CODES = {429: "TOOMANYREQUESTS", 403: "DENIED", 404: "MANIFEST_UNKNOWN"}


def registry(status: int) -> Answer:
    """A registry that is alive, and gives no image: its answers as the distribution API has them."""

    def answer(_: Played, request: BaseHTTPRequestHandler) -> None:
        alive = request.path == "/v2/"
        body = b"{}" if alive else json.dumps({"errors": [{"code": _CODES[status], "message": "no"}]}).encode()
        request.send_response(200 if alive else status)
        request.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    return answer
