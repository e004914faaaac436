"""The model that needs no key: it answers at once, in the language of the question, that this is only practice."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from .ask import Ask
from .routes import Answer, Price, Tally
from .shapes import Reply, stream, whole
from .words import say

BYTES_PER_TOKEN = 4
"""A rule of thumb, which is why the ledger marks practice as estimated."""
_PIECE = 24


def tokens_in(size: int) -> int:
    """Return about how many tokens so many bytes are, rounded up."""
    return -(-size // BYTES_PER_TOKEN)


def cut(text: str, max_tokens: int | None) -> str:
    """Return as much of a text as so many tokens hold, never half a character."""
    if max_tokens is None:
        return text
    return text.encode()[: max_tokens * BYTES_PER_TOKEN].decode("utf-8", "ignore")


class Practice:
    """A route without a model behind it: no money, no waiting, no network."""

    model = "practice"

    def __init__(self, entry: Mapping[str, object]) -> None:
        if set(entry) != {"kind"}:
            raise ValueError('a practice route has no key but "kind"')

    def highest(self, ask: Ask) -> Price:
        """Return the tokens of this very answer: practice knows it beforehand."""
        return Price(tokens_in(len(ask.body)), tokens_in(len(self._text(ask).encode())))

    async def answer(self, ask: Ask, tally: Tally) -> Answer:
        """Answer at once."""
        tally.estimated = True
        tally.input = tokens_in(len(ask.body))
        text = self._text(ask)
        reply = Reply(
            style=ask.style,
            texts=tuple(text[at : at + _PIECE] for at in range(0, len(text), _PIECE)),
            ended="stop" if text == say("practice", ask.language) else "length",
            input=tally.input,
            output=tokens_in(len(text.encode())),
        )
        if ask.stream:
            return Answer("text/event-stream; charset=utf-8", self._streamed(reply, ask, tally))
        return Answer("application/json", self._whole(reply, tally))

    def _text(self, ask: Ask) -> str:
        return cut(say("practice", ask.language), ask.max_tokens)

    async def _whole(self, reply: Reply, tally: Tally) -> AsyncGenerator[bytes, None]:
        tally.output = reply.output
        yield whole(reply)

    async def _streamed(self, reply: Reply, ask: Ask, tally: Tally) -> AsyncGenerator[bytes, None]:
        tally.output = reply.output
        for piece in stream(reply, usage=ask.usage_in_stream):
            yield piece
            await asyncio.sleep(0)
