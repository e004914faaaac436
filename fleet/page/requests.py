"""What a browser sends, cut into requests: heads to be judged, and bytes to be passed on as they are. Pure.

Framing is RFC 9112's, read strictly: what two readers could understand differently is refused.
"""

from collections.abc import Iterator

import msgspec

LONGEST_HEAD = 64 << 10
_END = b"\r\n\r\n"
_LONGEST_LINE = 4096  # of a chunk's size, or of a trailer


class BadRequest(Exception):
    """It is not HTTP/1 as browsers speak it."""


class Head(msgspec.Struct, frozen=True):
    """One request's head.

    Attributes:
        raw: all of it, with the empty line, as it goes on: without cookies. A browser has one jar for all ports of this
            computer, so they would be those of whatever else a person uses here.
        method: GET, POST …
        target: path and query.
        host: what the browser calls the place, in lower case; empty where it does not say.
        origin: of the page that asks, where the browser tells; it does for a WebSocket and for what changes something.
        length: bytes of the body that follows.
        chunked: whether the body comes in chunks instead.
        upgrade: whether what follows is no HTTP any more (a WebSocket).
        worker: whether a program is asked for that the browser keeps, and runs before it asks us (a service worker).
    """

    raw: bytes
    method: str
    target: str
    host: str
    length: int = 0
    chunked: bool = False
    upgrade: bool = False
    worker: bool = False
    origin: str = ""


def read(raw: bytes) -> Head:
    """Return a head, read.

    Raises:
        BadRequest: it is none, or can be understood in two ways.
    """
    first, *rest = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or words[2] not in {"HTTP/1.1", "HTTP/1.0"} or not words[1].startswith("/"):  # noqa: PLR2004 - of a request line
        raise BadRequest
    if any("\n" in row or "\r" in row or "\0" in row for row in (first, *rest)):
        raise BadRequest
    fields = [_field(row) for row in rest]
    length, coding = _only(fields, "content-length"), _only(fields, "transfer-encoding")
    if (length and coding) or coding not in {"", "chunked"} or (length and not (length.isascii() and length.isdigit())):
        raise BadRequest
    upgrade = "upgrade" in ",".join(value.lower() for name, value in fields if name == "connection")
    return Head(
        raw=_without_cookies(raw) if any(name == "cookie" for name, _ in fields) else raw,
        method=words[0],
        target=words[1],
        host=_only(fields, "host"),
        length=int(length or "0"),
        chunked=bool(coding),
        upgrade=upgrade and any(name == "upgrade" for name, _ in fields),
        worker=any(name == "service-worker" for name, _ in fields),
        origin=_only(fields, "origin"),
    )


def _without_cookies(raw: bytes) -> bytes:
    return b"\r\n".join(row for row in raw.split(b"\r\n") if row.partition(b":")[0].lower() != b"cookie")


def _field(row: str) -> tuple[str, str]:
    name, colon, value = row.partition(":")
    if not colon or not name or name != name.strip():
        raise BadRequest
    return name.lower(), value.strip(" \t")


def _only(fields: list[tuple[str, str]], name: str) -> str:
    """Return the value of a field that may be there once, in lower case."""
    found = [value for known, value in fields if known == name]
    if len(found) > 1:
        raise BadRequest
    return found[0].lower() if found else ""


class Requests:
    """One browser's side of a connection: give it what came, and it yields heads and the bytes between them.

    It keeps at most one head, and nothing of a body.
    """

    def __init__(self) -> None:
        self._kept = b""
        self._body = 0
        self._chunked = False
        self._trailer = False
        self._raw = False

    def feed(self, data: bytes) -> Iterator[Head | bytes]:
        """Yield what can be told from the data and what was kept before it.

        Raises:
            BadRequest: it is not HTTP, or a head is too long.
        """
        self._kept += data
        while self._kept:
            piece = self._next()
            if piece is None:
                return
            yield piece

    def _next(self) -> Head | bytes | None:
        if self._raw:
            return self._take(len(self._kept))
        if self._body:
            piece = self._take(min(self._body, len(self._kept)))
            self._body -= len(piece)
            return piece
        return self._line() if self._chunked else self._head()

    def _head(self) -> Head | None:
        end = self._kept.find(_END)
        if end < 0 and len(self._kept) <= LONGEST_HEAD:
            return None
        if not 0 <= end <= LONGEST_HEAD:
            raise BadRequest
        head = read(self._take(end + len(_END)))
        self._body, self._chunked, self._raw = head.length, head.chunked, head.upgrade
        return head

    def _line(self) -> bytes | None:
        """Return a chunk's line of its size, or a line of the trailer."""
        end = self._kept.find(b"\r\n")
        if end < 0 and len(self._kept) <= _LONGEST_LINE:
            return None
        if not 0 <= end <= _LONGEST_LINE:
            raise BadRequest
        line = self._take(end + 2)
        if self._trailer:
            self._chunked = self._trailer = line != b"\r\n"
            return line
        size = _size(line)
        self._body = size + 2 if size else 0  # the data's own line end
        self._trailer = not size
        return line

    def _take(self, count: int) -> bytes:
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):  # noqa: PLR2004 - a petabyte is enough
        raise BadRequest
    return int(digits, 16)
