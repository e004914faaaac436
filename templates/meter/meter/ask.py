"""What an agent asks, in OpenAI's or Anthropic's style, as far as the meter must understand it."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Literal, cast

from . import MODEL
from .language import LOOKED_AT, language_of, spoken
from .pictures import pictures
from .refusal import ANTHROPIC, Refusal

Style = Literal["openai", "anthropic"]

MOST_TOKENS = 10_000_000
"""A larger wish for an answer's length is a mistake, not a wish."""

LENGTHS = ("max_completion_tokens", "max_tokens")
"""OpenAI's names for an answer's greatest length; where both are given the first counts. Anthropic knows the second."""

MOST_CHOICES = 128
"""So many answers to one question OpenAI's ``n`` may ask for."""

MOST_QUESTIONS = 3
"""So many of a user's last messages are looked at for the language, and ``LOOKED_AT`` characters of them together."""

MOST_VALUES = 400_000
"""Brackets, braces and commas in a body: what reading it costs in memory is theirs more than its length's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """One call, checked. ``body`` is kept for routes that pass it on; nothing writes it down."""

    style: Style
    body: bytes
    stream: bool
    usage_in_stream: bool
    max_tokens: int | None
    language: str
    choices: int = 1
    pictures: int = 0


def parse(style: Style, body: bytes) -> Ask:
    """Read a request's body.

    Raises:
        Refusal: ``body-intricate``, ``not-json``, ``bad-field`` (with the field), ``model-unknown``.
    """
    request = _object(body)
    if not isinstance(model := request.get("model"), str):
        raise Refusal("bad-field", {"field": "model"})
    if model != MODEL:
        raise Refusal("model-unknown", {"model": MODEL})
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal("bad-field", {"field": "messages"})
    options = request.get("stream_options")
    return Ask(
        style=style,
        body=body,
        stream=_flag(request, "stream"),
        usage_in_stream=isinstance(options, dict) and _flag(cast("dict[str, object]", options), "include_usage"),
        max_tokens=_max_tokens(style, request),
        language=language_of(last_question(cast("list[object]", messages))),
        choices=_choices(request),
        pictures=pictures(request["messages"]) + pictures(request.get("system")),
    )


def last_question(messages: Sequence[object]) -> str:
    """Return the text of the last message of a user in which a person speaks; else the last that has any; else nothing.

    An agent may add messages of its own in the user's name, such as OpenClaw's internal context; a tool's result is
    none. Of a long text it is the end, and only the last few messages are looked at.
    """
    if not all(isinstance(message, dict) for message in messages):
        raise Refusal("bad-field", {"field": "messages"})
    texts = list(_ends(islice(_of_users(messages), MOST_QUESTIONS)))
    return next((text for text in texts if spoken(text)), texts[0] if texts else "")


def _of_users(messages: Sequence[object]) -> Iterator[str]:
    """Yield the texts of a user's messages, the last one first."""
    for message in reversed(messages):
        fields = cast("dict[str, object]", message)
        if fields.get("role") == "user" and (text := _text(fields.get("content"))):
            yield text


def _ends(texts: Iterator[str]) -> Iterator[str]:
    left = LOOKED_AT
    for text in texts:
        yield (end := text[-left:])
        left -= len(end)
        if not left:
            return


def _text(content: object) -> str:
    if isinstance(content, str):
        return content.strip()
    if not isinstance(content, list):
        return ""
    parts = [cast("dict[str, object]", part) for part in cast("list[object]", content) if isinstance(part, dict)]
    texts = [part.get("text") for part in parts if part.get("type") in ("text", "input_text")]
    return "\n".join(text for text in texts if isinstance(text, str)).strip()


def _object(body: bytes) -> dict[str, object]:
    if sum(body.count(mark) for mark in (b"[", b"{", b",")) > MOST_VALUES:
        raise Refusal("body-intricate")
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refusal("not-json")
    return cast("dict[str, object]", value)


def _flag(request: Mapping[str, object], field: str) -> bool:
    value = request.get(field)
    if value is not None and not isinstance(value, bool):
        raise Refusal("bad-field", {"field": field})
    return value is True


def _choices(request: Mapping[str, object]) -> int:
    value = request.get("n")
    if value is None:
        return 1
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_CHOICES:
        raise Refusal("bad-field", {"field": "n"})
    return value


def _max_tokens(style: Style, request: Mapping[str, object]) -> int | None:
    for field in LENGTHS[1:] if style == ANTHROPIC else LENGTHS:
        value = request.get(field)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_TOKENS:
            raise Refusal("bad-field", {"field": field})
        return value
    if style == ANTHROPIC:
        raise Refusal("bad-field", {"field": "max_tokens"})
    return None
