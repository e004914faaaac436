"""Tokens, as an answer's own usage tells them in either style; until it does, estimated from bytes. Pure."""

import json
from typing import cast

from .refusal import ANTHROPIC
from .routes import Tally

BYTES_PER_TOKEN = 4
"""A rule of thumb, which is why what rests on it is marked as estimated."""
_ANTHROPIC_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_TEXTS = ("content", "reasoning_content", "text", "thinking", "partial_json", "arguments")
_MOST = 10**12
_DEEPEST = 8

Fields = dict[str, object]


def about(size: int) -> int:
    """Return about how many tokens so many bytes are, rounded up."""
    return -(-size // BYTES_PER_TOKEN)


class Count:
    """Keeps a tally true while an answer comes, so that a call may be cut at any moment."""

    def __init__(self, style: str, asked: int, tally: Tally) -> None:
        self._style = style
        self._tally = tally
        self._said = 0
        self._counted: set[str] = set()
        tally.input, tally.output, tally.estimated = about(asked), 0, True

    def nothing(self) -> None:
        """Take it all back: the call was refused."""
        self._tally.input, self._tally.output, self._tally.estimated = 0, 0, False

    def take(self, data: bytes) -> Fields:
        """Count a whole answer or one event of it, and return it as an object; an empty one where it is none."""
        try:
            value: object = json.loads(data)
        except (ValueError, RecursionError):
            return {}
        if not isinstance(value, dict):
            return {}
        fields = cast("Fields", value)
        self._usage(fields)
        if "output" not in self._counted:
            self._said += _length(fields.get("choices") or fields.get("delta") or fields.get("content"))
            self._tally.output = about(self._said)
        return fields

    def _usage(self, fields: Fields) -> None:
        """Read usage from where providers put it: on top, in Anthropic's first event, in Moonshot's last choice."""
        choices = fields.get("choices")
        places = [fields, _fields(fields.get("message"))]
        places += [_fields(choice) for choice in cast("list[object]", choices)] if isinstance(choices, list) else []
        for place in places:
            if usage := _fields(place.get("usage")):
                self._anthropic(usage, fields.get("type")) if self._style == ANTHROPIC else self._openai(usage)

    def _openai(self, usage: Fields) -> None:
        self._set("input", _number(usage.get("prompt_tokens")))
        self._set("output", _number(usage.get("completion_tokens")))

    def _anthropic(self, usage: Fields, event: object) -> None:
        """A cache's tokens were read and are charged, so they count; the first event's output is only a beginning."""
        if usage.get("input_tokens") is not None:
            self._set("input", sum(_number(usage.get(name)) or 0 for name in _ANTHROPIC_INPUT))
        if event != "message_start":
            self._set("output", _number(usage.get("output_tokens")))

    def _set(self, which: str, tokens: int | None) -> None:
        if tokens is None:
            return
        setattr(self._tally, which, tokens)
        self._counted.add(which)
        self._tally.estimated = self._counted != {"input", "output"}


def _length(value: object, depth: int = 0) -> int:
    """Return how many bytes of text there are in what an answer says."""
    if depth > _DEEPEST:
        return 0
    if isinstance(value, list):
        return sum(_length(item, depth + 1) for item in cast("list[object]", value))
    fields = _fields(value)
    texts = (text for name in _TEXTS if isinstance(text := fields.get(name), str))
    inside = (fields.get(name) for name in ("delta", "message", "content", "tool_calls", "function"))
    return sum(len(text.encode("utf-8", "replace")) for text in texts) + sum(
        _length(cast("object", one), depth + 1) for one in inside if isinstance(one, dict | list)
    )


def _number(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
    return cast("int", value) if whole else None


def _fields(value: object) -> Fields:
    return cast("Fields", value) if isinstance(value, dict) else {}
