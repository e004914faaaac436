"""One HTTP request to a service that the machine can reach, over its port."""

import contextlib
import http.client
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

from fleet.base.errors import ActionFailed, ClawrackError, TimedOut, Unreachable, WireCut
from fleet.machine.port import MIB, Channel, Port
from fleet.machine.process import Deadline

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

    Attributes:
        status: HTTP status.
        headers: by lower-case name; of repeated ones the last.
        body: at most the cap asked for.
        cut: whether there was more.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response whose body is still coming: iterate over ``pieces``."""

    status: int
    headers: Mapping[str, str]
    pieces: Iterator[bytes] = field(repr=False)


class _Connection(http.client.HTTPConnection):
    """http.client over a channel that is already open."""

    def __init__(self, channel: Channel, host: str, port: int) -> None:
        super().__init__(host, port)
        self._channel = channel

    def connect(self) -> None:
        self.sock = self._channel  # pyright: ignore[reportAttributeAccessIssue] - all that is used of it is there


def request(  # noqa: PLR0913 - one request has so many parts
    port: Port,
    address: str,
    tcp_port: int,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 30.0,
    cap: int = MIB,
) -> Response:
    """Send a request and return the whole response.

    Args:
        port: the machine from which to connect.
        address: of the service, as the machine sees it.
        tcp_port: of the service.
        method: GET, POST …
        path: with its query, encoded.
        headers: to send; Host and Content-Length are added.
        body: to send.
        timeout: seconds for the whole of it.
        cap: bytes kept of the body.

    Raises:
        Unreachable: nobody listens. TimedOut, WireCut: as usual.
        ActionFailed: what answered does not speak HTTP.
    """
    deadline = Deadline(port.name, timeout)
    with stream(
        port, address, tcp_port, method, path, headers=headers, body=body, timeout=timeout, deadline=deadline
    ) as streamed:
        kept = bytearray()
        for piece in streamed.pieces:
            kept += piece[: cap + 1 - len(kept)]
            if len(kept) > cap:
                return Response(streamed.status, streamed.headers, bytes(kept[:cap]), cut=True)
        return Response(streamed.status, streamed.headers, bytes(kept))


@contextlib.contextmanager
def stream(  # noqa: PLR0913 - one request has so many parts
    port: Port,
    address: str,
    tcp_port: int,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 30.0,
    deadline: Deadline | None = None,
) -> Generator[Streamed]:
    """Send a request and give the response while its body comes in; the connection ends with the block.

    Args:
        port: the machine from which to connect.
        address: of the service, as the machine sees it.
        tcp_port: of the service.
        method: GET, POST …
        path: with its query, encoded.
        headers: to send; Host and Content-Length are added.
        body: to send.
        timeout: seconds of silence allowed at each step.
        deadline: for the whole of it; none where the body may go on for ever.

    Raises:
        Unreachable: nobody listens. TimedOut, WireCut: as usual.
        ActionFailed: what answered does not speak HTTP.
    """
    channel = port.dial(address, tcp_port, min(timeout, 10.0))
    connection = _Connection(channel, address, tcp_port)
    try:
        with _told(port.name, address, tcp_port, timeout):
            channel.settimeout(timeout)
            connection.request(method, path, body, dict(headers or {}))
            if deadline:
                channel.settimeout(deadline.left())
            answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        yield Streamed(answer.status, named, _pieces(answer, channel, port.name, address, tcp_port, timeout, deadline))
    finally:
        connection.close()
        channel.close()


def _pieces(  # noqa: PLR0913, PLR0917 - private
    answer: http.client.HTTPResponse,
    channel: Channel,
    name: str,
    address: str,
    tcp_port: int,
    timeout: float,
    deadline: Deadline | None,
) -> Iterator[bytes]:
    while True:
        with _told(name, address, tcp_port, timeout):
            channel.settimeout(deadline.left() if deadline else timeout)
            piece = answer.read1(_CHUNK)
        if not piece and answer.length:
            raise WireCut("http.hung_up", where=name, address=address, port=tcp_port)
        if not piece:
            return
        yield piece


@contextlib.contextmanager
def _told(name: str, address: str, port: int, timeout: float) -> Generator[None]:
    """Turn what the standard library raises into what a person is told."""
    try:
        yield
    except ClawrackError:
        raise
    except TimeoutError as error:
        raise TimedOut("wire.timed_out", where=name, seconds=f"{timeout:g}") from error
    except (http.client.RemoteDisconnected, ConnectionError) as error:
        raise WireCut("http.hung_up", where=name, address=address, port=port) from error
    except http.client.IncompleteRead as error:
        raise WireCut("http.hung_up", where=name, address=address, port=port) from error
    except http.client.HTTPException as error:
        raise ActionFailed("http.not_http", where=name, address=address, port=port) from error
    except OSError as error:
        raise Unreachable("wire.no_dial", where=name, address=address, port=port) from error
