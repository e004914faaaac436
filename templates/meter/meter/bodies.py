"""Reading requests' bodies within bounds: of one body, of all together, and of time."""

import asyncio
from collections import Counter

from aiohttp import web

from .refusal import Refusal

MOST_BYTES = 12 << 20
"""Of one body."""
MOST_TOGETHER = 48 << 20
"""Of all bodies in memory; the container's own limit must never be reached by what agents send."""
MOST_OF_ONE = MOST_TOGETHER // 3
"""Of one agent's bodies in memory: no agent alone can leave the others without room."""
SECONDS = 60


class Bodies:
    """Counts the bytes of all bodies that are in memory, by agent."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    async def read(self, request: web.Request, agent: str) -> bytes:
        """Read a body of an agent's; ``release`` it when it is no longer needed.

        Raises:
            Refusal: ``body-large``, ``body-slow``, ``body-encoded``, ``busy``.
        """
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise Refusal("body-encoded")
        if (request.content_length or 0) > MOST_BYTES:
            raise Refusal("body-large", {"limit": MOST_BYTES})
        body = bytearray()
        try:
            async with asyncio.timeout(SECONDS):
                async for chunk in request.content.iter_any():
                    self._hold(agent, body, chunk)
        except BaseException as error:
            self._drop(agent, len(body))
            if isinstance(error, TimeoutError):
                raise Refusal("body-slow", {"seconds": SECONDS}) from None
            raise
        return bytes(body)

    def _hold(self, agent: str, body: bytearray, chunk: bytes) -> None:
        if len(body) + len(chunk) > MOST_BYTES:
            raise Refusal("body-large", {"limit": MOST_BYTES})
        if self._held[agent] + len(chunk) > MOST_OF_ONE or self._held.total() + len(chunk) > MOST_TOGETHER:
            raise Refusal("busy")
        self._held[agent] += len(chunk)
        body += chunk

    def release(self, agent: str, body: bytes) -> None:
        """Stop counting a body."""
        self._drop(agent, len(body))

    def _drop(self, agent: str, size: int) -> None:
        self._held[agent] -= size
        if not self._held[agent]:
            del self._held[agent]
