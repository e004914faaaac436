"""One request and its response: an answer as it comes, or one refusal, or a connection that ends."""

import contextlib

from aiohttp import web

from . import log
from .ask import Style
from .refusal import Refusal
from .routes import Answer

_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Exchange:
    """What is known of a request so far, and the response that it gets."""

    def __init__(self, request: web.Request, style: Style) -> None:
        self.request = request
        self.style: Style = style
        self.agent = ""
        self.language: str | None = None
        self.response: web.StreamResponse = web.Response(status=500)

    def alive(self) -> bool:
        """Tell whether the other side is still there."""
        transport = self.request.transport
        return transport is not None and not transport.is_closing()

    async def deliver(self, answer: Answer) -> None:
        """Send an answer: events as they come, anything else whole.

        The response is left to be ended by its handler, so an agent that sees the end of an answer knows it settled.

        Raises:
            ConnectionError: the other side has gone.
        """
        async with contextlib.aclosing(answer.pieces) as pieces:
            if not answer.content_type.startswith("text/event-stream"):
                body = b"".join([piece async for piece in pieces])
                self.response = web.Response(
                    body=body, status=answer.status, headers={"Content-Type": answer.content_type}
                )
                return
            headers = {"Content-Type": answer.content_type, **_STREAM_HEADERS}
            self.response = web.StreamResponse(status=answer.status, headers=headers)
            await self.response.prepare(self.request)
            async for piece in pieces:
                await self.response.write(piece)

    def refuse(self, refusal: Refusal) -> None:
        """Answer with a refusal; where an answer has begun, end the connection instead."""
        log.line("refused", agent=self.agent, peer=self.request.remote, why=refusal.key)
        if self.response.prepared:
            self.abort()
        else:
            self.response = refused(refusal, self.style, self.language)

    def abort(self) -> None:
        """End the connection, so that half an answer is not taken for a whole one."""
        if self.request.transport is not None:
            self.request.transport.abort()


def refused(refusal: Refusal, style: Style, language: str | None) -> web.Response:
    """Return a refusal as a response in the caller's style."""
    headers = {**refusal.headers, "Content-Type": "application/json"}
    return web.Response(body=refusal.body(style, language), status=refusal.status, headers=headers)
