"""The door to the meter's port: who may connect, how often at once, and how long a request's head may take.

What has sent no whole head yet is no request: it costs a small buffer and nothing of aiohttp's, and it does not stay.
"""

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import cast

from aiohttp import web
from aiohttp.typedefs import Handler

MOST_OF_ONE = 512
"""Connections of one network at once, as large as an agent's own (a /28)."""
MOST_TOGETHER = 2048
HEAD_SECONDS = 10.0
IDLE_SECONDS = 75.0
MOST_HEAD = 32 << 10
MOST_HEAD_LINES = 128
_SLICE = 4096
_BACKLOG = 1024
_LINGER_SECONDS = 30.0
_SHUTDOWN_SECONDS = 5.0
_END_OF_HEAD = b"\r\n\r\n"
_NETWORK_BITS = {4: 4, 6: 64}
"""Of an address, by IP's version: what does not tell networks apart."""


class Gate:
    """Counts the connections, all and by network, and knows each one's door."""

    def __init__(self) -> None:
        self._doors: dict[asyncio.BaseTransport, Door] = {}
        self._networks: Counter[str] = Counter()
        self._listener: asyncio.Server | None = None

    def guard(self, app: web.Application) -> web.Application:
        """Have an application tell the doors where a request begins and ends."""

        @web.middleware
        async def between(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._pass(request, handler)

        app.middlewares.append(between)
        app.on_response_prepare.append(_close_where_unread)
        return app

    async def open(self, runner: web.AppRunner, host: str, port: int) -> tuple[str, int]:
        """Listen for a runner that is set up, and return the address."""
        server = runner.server
        if server is None:
            raise RuntimeError("the runner is not set up")
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Door(self, cast("Callable[[], asyncio.Protocol]", server)), host, port, backlog=_BACKLOG
        )
        name = cast("tuple[str, int]", self._listener.sockets[0].getsockname())
        return name[0], name[1]

    async def close(self, runner: web.AppRunner) -> None:
        """Stop listening and end every connection."""
        if self._listener is not None:
            self._listener.close()
        if runner.server is not None:
            await runner.server.shutdown(_SHUTDOWN_SECONDS)
        for transport in list(self._doors):
            cast("asyncio.Transport", transport).abort()

    def enter(self, door: "Door", transport: asyncio.BaseTransport, network: str) -> bool:
        """Count a connection, unless there are too many."""
        if len(self._doors) >= MOST_TOGETHER or self._networks[network] >= MOST_OF_ONE:
            return False
        self._doors[transport] = door
        self._networks[network] += 1
        return True

    def leave(self, transport: asyncio.BaseTransport, network: str) -> None:
        """Stop counting a connection."""
        if self._doors.pop(transport, None) is not None:
            self._networks[network] -= 1
            if not self._networks[network]:
                del self._networks[network]

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        door = self._doors.get(request.transport) if request.transport is not None else None
        if door is None:
            return await handler(request)
        door.begin(request)
        try:
            return await handler(request)
        finally:
            door.end(request)


class Door(asyncio.Protocol):
    """One connection: holds back what arrives until a request's head is whole, then passes it on to aiohttp."""

    def __init__(self, gate: Gate, make: Callable[[], asyncio.Protocol]) -> None:
        self._gate = gate
        self._make = make
        self._inner: asyncio.Protocol | None = None
        self._transport: asyncio.Transport | None = None
        self._network = ""
        self._held = bytearray()
        self._begun: web.Request | None = None
        self._passed = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a connection in, or end it at once."""
        real = cast("asyncio.Transport", transport)
        self._network = _network_of(real)
        if not self._gate.enter(self, real, self._network):
            real.abort()
            return
        self._transport = real
        self._wait(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Hold back a head's parts, and what comes before aiohttp has taken the head up; pass the rest on."""
        if self._transport is None:
            return
        if self._begun is not None:
            self._pass_on(data)
            return
        if not self._held and not self._passed:
            self._wait(HEAD_SECONDS)
        searched = max(0, len(self._held) - len(_END_OF_HEAD) + 1)
        self._held += data
        if not self._passed:
            self._look_for_head(searched)

    def _look_for_head(self, searched: int) -> None:
        end = self._held.find(_END_OF_HEAD, searched)
        size = end if end >= 0 else len(self._held)
        if size > MOST_HEAD or self._held.count(b"\n", 0, size) > MOST_HEAD_LINES:
            self._abort()
        elif end >= 0:
            head = bytes(self._held[: end + len(_END_OF_HEAD)])
            del self._held[: len(head)]
            self._passed = True
            self._pause()
            self._taker().data_received(head)

    def _taker(self) -> asyncio.Protocol:
        if self._inner is None:
            self._inner = self._make()
            if self._transport is not None:
                self._inner.connection_made(self._transport)
        return self._inner

    def begin(self, request: web.Request) -> None:
        """Pass on what belongs to a request that has been taken up."""
        self._begun = request
        self._stop_waiting()
        held, self._held = bytes(self._held), bytearray()
        self._resume()
        self._pass_on(held)

    def _pass_on(self, data: bytes) -> None:
        """Pass a body on; a further request waits here until this one is answered, and with it all reading."""
        for start in range(0, len(data), _SLICE):
            if self._begun is None or self._inner is None or self._begun.content.is_eof():
                self._held += data[start:]
                if len(self._held) > MOST_HEAD:
                    self._pause()
                return
            self._inner.data_received(data[start : start + _SLICE])

    def end(self, request: web.Request) -> None:
        """Wait for the next request, or for the rest of a body that nobody reads to be over."""
        if not request.content.is_eof():
            self._wait(_LINGER_SECONDS)
            return
        self._begun = None
        self._passed = False
        self._resume()
        self._wait(HEAD_SECONDS if self._held else IDLE_SECONDS)
        if self._held:
            self._look_for_head(0)

    def eof_received(self) -> bool | None:
        """Pass the other side's end on."""
        return self._inner.eof_received() if self._inner is not None else None

    def pause_writing(self) -> None:
        """Pass on that the other side reads slowly."""
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that it has read."""
        if self._inner is not None:
            self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        self._stop_waiting()
        if self._transport is None:
            return
        self._gate.leave(self._transport, self._network)
        self._transport = None
        self._held.clear()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def _pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        if self._transport is not None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._abort)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def _close_where_unread(request: web.Request, response: web.StreamResponse) -> None:
    """Say that a connection ends where the answer comes before the question's end."""
    if not request.content.is_eof():
        response.force_close()
        response.headers["Connection"] = "close"


def _network_of(transport: asyncio.BaseTransport) -> str:
    peer = cast("tuple[str, int] | None", transport.get_extra_info("peername"))
    if not peer:
        return ""
    address = ipaddress.ip_address(peer[0].partition("%")[0])
    return f"{address.version}:{int(address) >> _NETWORK_BITS[address.version]}"
