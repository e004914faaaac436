"""What a container wrote, as its engine kept it: read message by message, bounded, and to be stopped at any time.

docker-py would believe a length of 4 GiB, asks about the container first, and cannot be stopped while it waits.
"""

import re
import socket
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, cast

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, WireCut
from fleet.machine.port import Port

LONGEST = 64 << 10  # bytes of one line that are kept
_LARGEST = 1 << 20  # bytes of one message; the engine's own have 16 KiB
_HEAD = 8
_PIECE = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 10**9
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Written:
    """One line.

    Attributes:
        at: when, as the engine says it (RFC 3339 with nanoseconds); empty where it does not.
        text: without its end, at most 64 KiB.
    """

    at: str
    text: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a log.

    Attributes:
        tail: how many of the last lines; None for all.
        since: from this moment on, in nanoseconds since 1970 by the machine's clock; None for the beginning.
        until: before this moment, likewise.
    """

    tail: int | None = None
    since: int | None = None
    until: int | None = None

    def query(self) -> dict[str, str]:
        """Return it as the engine is asked."""
        asked = {"tail": "all" if self.tail is None else str(self.tail)}
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None:
                asked[name] = f"{moment // _SECOND}.{moment % _SECOND:09d}"
        return asked


class Log:
    """An open log. One thread iterates; any may stop it."""

    def __init__(self, response: Any, where: str, *, follow: bool) -> None:  # noqa: ANN401 - requests has it, through docker
        self._response = response
        self._where = where
        file = response.raw._fp.fp  # noqa: SLF001 - the only way to the socket; docker-py takes it too
        self._file = file.raw if file else None  # none where there was no body at all
        self._stopped = False
        if follow and self._file:
            self._file._sock.settimeout(None)  # noqa: SLF001 - likewise

    @property
    def clock(self) -> datetime | None:
        """What time it was on the machine, to the second, when the log was opened."""
        with suppress(ValueError, TypeError):
            return parsedate_to_datetime(self._response.headers.get("Date", ""))
        return None

    def __iter__(self) -> Iterator[Written]:
        """Yield the lines, until the engine has no more, or the log is stopped."""
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with docker

        pieces = cast("Iterator[bytes]", self._response.raw.stream(_PIECE, decode_content=False))
        try:
            yield from lines(messages(pieces, self._where))
            self._file = None  # the connection may serve another request
        except WireCut:
            if not self._stopped:
                raise
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            if not self._stopped:  # else it was closed while it was read
                raise WireCut("docker.hung_up", where=self._where) from error
        finally:
            self.stop()
            self._response.close()

    def stop(self) -> None:
        """End it: whoever waits for its next line sees the end."""
        self._stopped = True
        if self._file is None:
            return
        connection = self._file._sock  # noqa: SLF001 - see above
        with suppress(OSError, ValueError):
            if isinstance(connection, socket.socket):
                connection.shutdown(socket.SHUT_RDWR)
            elif connection is not None:  # a channel, or a command's input and output
                self._file.close()
                connection.close()


def log(port: Port, container: str, span: Span, *, follow: bool) -> Log:
    """Open what a container wrote; with ``follow`` for as long as it runs.

    Raises:
        ActionFailed: there is no such container, or the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    client = cast("Any", port.docker())
    url = f"{client.base_url}/v{client.api_version}/containers/{container}/logs"
    asked = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0", **span.query()}
    response = client.get(url, params=asked, stream=True, timeout=client.timeout)
    if response.status_code != HTTPStatus.OK:
        with _closing(response):
            said = line(response.raw.read(4096, decode_content=False))
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise ActionFailed("logs.none", where=port.name, container=container)
        raise ActionFailed("guard.failed", where=port.name, machine=port.name, reason=said)
    return Log(response, port.name, follow=follow)


@contextmanager
def _closing(response: Any) -> Generator[None]:  # noqa: ANN401 - see Log
    try:
        yield
    finally:
        response.close()


def messages(pieces: Iterable[bytes], where: str) -> Iterator[tuple[int, bytes]]:
    """Yield the messages of a stream of the engine's, each with the number of its output (1 or 2).

    Raises:
        ActionFailed: it is not such a stream.
    """
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= _HEAD:
            size = int.from_bytes(held[4:_HEAD], "big")
            if held[0] > 2 or any(held[1:4]) or size > _LARGEST:  # noqa: PLR2004 - input, output, errors
                raise ActionFailed("logs.unreadable", where=where)
            if len(held) < _HEAD + size:
                break
            yield held[0], bytes(held[_HEAD : _HEAD + size])
            del held[: _HEAD + size]


def lines(found: Iterable[tuple[int, bytes]]) -> Iterator[Written]:
    """Yield whole lines: the engine cuts long ones into several messages, each with a time of its own."""
    begun: dict[int, tuple[str, bytearray]] = {}
    for number, message in found:
        stamp, _, text = message.partition(b" ")
        at = stamp.decode("ascii", "replace")
        if nanoseconds(at) is None:
            at, text = "", message
        first, kept = begun.setdefault(number, (at, bytearray()))
        kept += text[: LONGEST - len(kept)]
        if text.endswith(b"\n"):
            del begun[number]
            yield Written(first, bytes(kept).rstrip(b"\r\n"))
    yield from (Written(at, bytes(kept)) for at, kept in begun.values())


def nanoseconds(at: str) -> int | None:
    """Return a time as the engine says it, in nanoseconds since 1970; None where it is none."""
    found = _MOMENT.fullmatch(at)
    if not found:
        return None
    try:
        moment = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return (moment - _EPOCH) // timedelta(seconds=1) * _SECOND + int((found[2] or "").ljust(9, "0"))
