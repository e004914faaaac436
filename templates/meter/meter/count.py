"""Tokens, as an answer's own usage tells them in either style; until its last word, all that was reserved. Pure."""

import json
from collections.abc import Iterator
from typing import cast

from .fields import Fields, fields_of
from .refusal import ANTHROPIC
from .routes import Price, Tally

_ANTHROPIC_INPUT = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_DONE = b"[DONE]"
_GOES_ON = (None, "", "null")
"""What stands in the place of a reason to end while there is none."""
_MOST = 10**12


class Count:
    """Keeps a tally true while an answer comes, so that a call may be cut at any moment.

    A provider charges for all that it writes, also for what nobody waits for. So once the request is on its way the
    tally says ``highest``, until the answer has come to its end (of all its ``choices``) and has told what it used.
    What is told before may only add to it: some providers tell their use as it grows.
    """

    def __init__(self, style: str, highest: Price, choices: int, tally: Tally) -> None:
        self._style = style
        self._highest = highest
        self._choices = choices
        self._tally = tally
        self._finished: set[object] = set()
        self._ended = False
        self._told: dict[str, int] = {}

    def sent(self) -> None:
        """Charge what is reserved: from here on nobody knows what the provider does."""
        self._charge()

    def nothing(self) -> None:
        """Take it all back: the call was refused."""
        self._tally.input, self._tally.output, self._tally.estimated = 0, 0, False

    def take(self, data: bytes) -> Fields:
        """Count a whole answer or one event of it, and return it as an object; an empty one where it is none."""
        fields = _object(data)
        self._ended |= data.strip() == _DONE or fields.get("type") == "message_stop"
        self._ended |= fields_of(fields.get("delta")).get("stop_reason") not in _GOES_ON
        self._finish(fields)
        self._usage(fields)
        self._charge()
        return fields

    def end(self) -> None:
        """The answer is whole."""
        self._ended = True
        self._charge()

    def _charge(self) -> None:
        for which, reserved in (("input", self._highest.input), ("output", self._highest.output)):
            told = self._told.get(which)
            final = self._ended and told is not None
            setattr(self._tally, which, told if final else max(reserved, told or 0))
        self._tally.estimated = not (self._ended and self._told.keys() == {"input", "output"})

    def _finish(self, fields: Fields) -> None:
        for choice in _choices(fields):
            if choice.get("finish_reason") not in _GOES_ON:
                self._finished.add(_number(choice.get("index")))
        self._ended |= len(self._finished) >= self._choices

    def _usage(self, fields: Fields) -> None:
        """Read usage from where providers put it: on top, in Anthropic's first event, in Moonshot's last choice."""
        for place in (fields, fields_of(fields.get("message")), *_choices(fields)):
            if usage := fields_of(place.get("usage")):
                self._anthropic(usage, fields.get("type")) if self._style == ANTHROPIC else self._openai(usage)

    def _openai(self, usage: Fields) -> None:
        self._tell("input", _number(usage.get("prompt_tokens")))
        self._tell("output", _number(usage.get("completion_tokens")))

    def _anthropic(self, usage: Fields, event: object) -> None:
        """A cache's tokens were read and are charged, so they count; the first event's output is only a beginning."""
        if usage.get("input_tokens") is not None:
            self._tell("input", sum(_number(usage.get(name)) or 0 for name in _ANTHROPIC_INPUT))
        if event != "message_start":
            self._tell("output", _number(usage.get("output_tokens")))

    def _tell(self, which: str, tokens: int | None) -> None:
        if tokens is not None:
            self._told[which] = max(tokens, self._told.get(which, 0))


def _object(data: bytes) -> Fields:
    try:
        return fields_of(json.loads(data))
    except (ValueError, RecursionError):
        return {}


def _choices(fields: Fields) -> Iterator[Fields]:
    choices = fields.get("choices")
    if isinstance(choices, list):
        yield from map(fields_of, cast("list[object]", choices))


def _number(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST
    return cast("int", value) if whole else None
