"""The meter's own calls to a provider: one pool of connections, nothing remembered, no way but the one configured."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from types import SimpleNamespace

import aiohttp

from .routes import RouteFailed

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 600.0
"""A model that thinks says nothing for minutes; who does not want to wait hangs up, and that ends the call here too."""
MOST_BYTES = 32 << 20
"""Of a whole answer."""
_KEPT_SECONDS = 60.0
_PAUSE_SECONDS = 0.3
_NOBODY = "nobody answers"
"""Not "timeout": at that word OpenClaw keeps the sentence from its owner."""


class Upstream:
    """Connections to providers, made when they are first needed, in the loop that needs them."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, title: str, sent: Callable[[], None]
    ) -> aiohttp.ClientResponse:
        """Send a request and return the response at its first line; who takes it closes it. ``sent``: it begins to go.

        A redirection is not followed: the key is for this address alone. What was not even taken is sent once more: a
        connection that was kept may have been closed at the other end a moment ago.

        Raises:
            RouteFailed: nothing was answered.
        """
        try:
            return await self._once(url, headers, body, title, sent)
        except RouteFailed as failure:
            if failure.key != "upstream-unreachable":
                raise
        await asyncio.sleep(_PAUSE_SECONDS)
        return await self._once(url, headers, body, title, sent)

    async def _once(
        self, url: str, headers: Mapping[str, str], body: bytes, title: str, sent: Callable[[], None]
    ) -> aiohttp.ClientResponse:
        try:
            return await self._open().post(
                url, data=body, headers=headers, allow_redirects=False, trace_request_ctx=sent
            )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise failed(error, title) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=_KEPT_SECONDS),
                timeout=limits,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                skip_auto_headers=("User-Agent",),
                trace_configs=[_trace()],
            )
        return self._session

    async def close(self) -> None:
        """End every connection."""
        if self._session is not None:
            await self._session.close()


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_sent)
    return trace


async def _sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _headers: object) -> None:
    context.trace_request_ctx()


def failed(error: Exception, title: str) -> RouteFailed:
    """Return what went wrong on the way, told by its kind alone: an error's own text may quote addresses and more."""
    if isinstance(error, aiohttp.ServerTimeoutError | TimeoutError):
        connecting = str(error).startswith("Connection timeout")  # the one mark that every version of aiohttp gives
        key, why = "upstream-unreachable" if connecting else "upstream-silent", _NOBODY
    elif isinstance(error, aiohttp.ClientConnectorError | aiohttp.ServerDisconnectedError | OSError):
        key, why = "upstream-unreachable", _kind(error)
    else:
        key, why = "upstream-nonsense", type(error).__name__
    return RouteFailed(f"{key}: {why}", 0, key, {"provider": title, "why": why})


def _kind(error: Exception) -> str:
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    if isinstance(error, aiohttp.ClientConnectorCertificateError) or isinstance(cause, ssl.SSLError):
        return "TLS"
    if isinstance(cause, socket.gaierror) or type(error).__name__ == "ClientConnectorDNSError":
        return "DNS"
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused"
    if isinstance(cause, asyncio.TimeoutError | TimeoutError):
        return _NOBODY
    return "no connection"
