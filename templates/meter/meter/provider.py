"""Routes to a person's own provider: the call goes on as it is, with the real key in it and the real model's name.

Nothing is translated: an agent that speaks OpenAI's style needs a route of that style. What the answer's own usage says
is what is charged; where it says nothing, all that was reserved, marked as estimated. Prices are not known here yet, so
calls are counted in tokens and unpriced.
"""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from http import HTTPStatus
from typing import cast

import aiohttp

from .ask import Ask, Style
from .count import Count
from .events import Events, TooLong, data_of
from .fields import matching
from .meaning import Meaning, Rule, meaning, parse_rules
from .outgoing import outgoing
from .refusal import ANTHROPIC, OPENAI, Refusal
from .routes import Answer, Price, RouteFailed, Tally
from .upstream import MOST_BYTES, Upstream, failed

MAX_OUTPUT = 32_768
"""Asked for, and reserved, where the agent has not limited its answer's length and the route says nothing else."""
_ROOM_FOR_PICTURE = 8192
_MOST_ERROR = 64 << 10
_LONGEST_WAIT = 3600
_PATHS = {OPENAI: "/chat/completions", ANTHROPIC: "/v1/messages"}
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_KEY = re.compile(r"[\x21-\x7e]{1,1000}")
_BASE = re.compile(r"https?://[A-Za-z0-9._~:/\[\]-]{1,200}")
_PLAIN = {"version", "kind", "base", "model", "title", "vendor", "region", "country", "fingerprint"}
_KNOWN = _PLAIN | {"max_output", "length_field", "auth", "key", "headers", "errors"}
_STATUS: Mapping[Meaning, int] = {
    "wrong-key": 401,
    "no-money": 402,
    "no-permission": 403,
    "blocked-country": 403,
    "throttled": 429,
}
"""What the ledger remembers of a refusal, however its provider put it."""
_VERSION = {"anthropic-version": "2023-06-01"}


class Provider:
    """A route to one address of one provider, in one style."""

    def __init__(self, style: Style, entry: Mapping[str, object], upstream: Upstream) -> None:
        if unknown := sorted(entry.keys() - _KNOWN):
            raise ValueError(f"unknown key {unknown[0]!r}")
        self._style: Style = style
        self._upstream = upstream
        self.model = _text(entry, "model")
        self._url = matching(_BASE, entry, "base").rstrip("/") + _PATHS[style]
        self._title = _text(entry, "title") if "title" in entry else "?"
        self._key = matching(_KEY, entry, "key")
        self._headers = _headers(style, self._key, entry)
        self._rules: Sequence[Rule] = parse_rules(entry.get("errors", []))
        self._max_output = _whole(entry, "max_output", MAX_OUTPUT)
        self._length_field = _text(entry, "length_field") if "length_field" in entry else ""

    def highest(self, ask: Ask) -> Price:
        """Return what a call can use at most: no token is shorter than a byte; pictures may be told by an address."""
        return Price(len(ask.body) + _ROOM_FOR_PICTURE * ask.pictures, self._longest(ask) * ask.choices)

    def _longest(self, ask: Ask) -> int:
        return self._max_output if ask.max_tokens is None else ask.max_tokens

    async def answer(self, ask: Ask, tally: Tally) -> Answer:
        """Pass the call on and return the answer at its first line.

        Raises:
            Refusal: the agent speaks another style.
            RouteFailed: the provider refused, or gave no answer.
        """
        if ask.style != self._style:
            raise Refusal("route-style", {"style": self._style})
        request = outgoing(ask, self.model, self._length_field, self._longest(ask))
        count = Count(self._style, self.highest(ask), ask.choices, tally)
        response = await self._sent(request, count)
        try:
            if response.status != HTTPStatus.OK:
                return await self._refused(response, count)
            kind = response.headers.get("Content-Type", "application/json")
            if kind.startswith("text/event-stream"):
                return Answer(kind, self._streamed(response, ask, count))
            return await self._all(response, count)
        except BaseException:
            response.close()
            raise

    async def _all(self, response: aiohttp.ClientResponse, count: Count) -> Answer:
        """Return an answer that came whole.

        Raises:
            RouteFailed: it is none, or a refusal that says it is none.
        """
        body = await self._whole(response)
        if (means := meaning(HTTPStatus.OK, body, self._rules)) is not None:
            raise self._failure(means, HTTPStatus.OK, count)
        if not count.take(body):
            raise RouteFailed("no JSON", 0, "upstream-nonsense", {"provider": self._title, "why": "no JSON"})
        count.end()
        return Answer("application/json", _once(body))

    async def _sent(self, body: bytes, count: Count) -> aiohttp.ClientResponse:
        try:
            return await self._upstream.post(self._url, self._headers, body, self._title, count.sent)
        except RouteFailed as failure:
            if failure.key == "upstream-unreachable":
                count.nothing()
            raise

    async def _whole(self, response: aiohttp.ClientResponse, most: int = MOST_BYTES) -> bytes:
        body = bytearray()
        try:
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > most:
                    break
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise failed(error, self._title) from None
        return bytes(body)

    async def _refused(self, response: aiohttp.ClientResponse, count: Count) -> Answer:
        """Tell the agent what a refusal means; one that is about this very call goes back as it came, without the key.

        Raises:
            RouteFailed: it is about the key, the account, the pace or the provider.
        """
        body = (await self._whole(response, _MOST_ERROR))[:_MOST_ERROR]
        response.close()
        means = meaning(response.status, body, self._rules) or "trouble"
        if means != "this-call":
            raise self._failure(means, response.status, count, response.headers.get("Retry-After", ""))
        count.nothing()
        told = body.replace(self._key.encode(), b"***")
        return Answer("application/json", _once(told), response.status)

    def _failure(self, means: Meaning, status: int, count: Count, again: str = "") -> RouteFailed:
        count.nothing()
        params: dict[str, object] = {"provider": self._title, "model": self.model, "status": status}
        if again.isascii() and again.isdigit() and len(again) < 6:  # noqa: PLR2004 (a day has five digits of seconds)
            params["again"] = min(int(again), _LONGEST_WAIT)
        heard = _STATUS.get(means, status if status >= HTTPStatus.BAD_REQUEST else 0)
        return RouteFailed(f"{means} ({status})", heard, f"upstream-{means}", params)

    async def _streamed(self, response: aiohttp.ClientResponse, ask: Ask, count: Count) -> AsyncGenerator[bytes, None]:
        """Yield the events as they come; closed early, the call to the provider ends with it."""
        events = Events()
        whole = False
        try:
            async for piece in response.content.iter_any():
                for event in events.feed(piece):
                    if self._passes(event, ask, count):
                        yield event
            if rest := events.rest():
                count.take(data_of(rest))
                yield rest
            count.end()
            whole = True
        except TooLong:
            why = "an event without an end"
            raise RouteFailed(why, 0, "upstream-nonsense", {"provider": self._title, "why": why}) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise failed(error, self._title) from None
        finally:
            response.release() if whole else response.close()

    def _passes(self, event: bytes, ask: Ask, count: Count) -> bool:
        """Count an event; one that holds the usage that only we have asked for does not go on."""
        fields = count.take(data_of(event))
        ours = self._style == OPENAI and not ask.usage_in_stream
        return not (ours and fields.get("choices") == [] and fields.get("usage"))


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _headers(style: Style, key: str, entry: Mapping[str, object]) -> dict[str, str]:
    auth = entry.get("auth", "x-api-key" if style == ANTHROPIC else "bearer")
    if auth not in ("bearer", "x-api-key"):
        raise ValueError("auth: neither bearer nor x-api-key")
    more = entry.get("headers", {})
    if not isinstance(more, dict):
        raise ValueError("headers: not an object")  # noqa: TRY004 (one kind of error for one kind of mistake)
    proof = {"Authorization": f"Bearer {key}"} if auth == "bearer" else {"x-api-key": key}
    usual = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "clawrack-meter"}
    usual |= _VERSION if style == ANTHROPIC else {}
    return {**usual, **dict(_plain(cast("dict[str, object]", more))), **proof}


def _plain(headers: Mapping[str, object]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not isinstance(value, str) or not value.isascii() or not value.isprintable():
            raise ValueError(f"headers: {name!r} is malformed")
        found.append((name, value))
    return found


def _text(entry: Mapping[str, object], field: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value or len(value) > 200 or not value.isprintable():  # noqa: PLR2004
        raise ValueError(f"{field}: missing or malformed")
    return value


def _whole(entry: Mapping[str, object], field: str, usual: int) -> int:
    value = entry.get(field, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10**7:
        raise ValueError(f"{field}: not a whole number from 1 to 10000000")
    return value
