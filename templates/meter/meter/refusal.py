"""A call that is not passed on: one sentence, in the shape of an error that the caller's style expects."""

import dataclasses
import json

from .words import say

OPENAI = "openai"
ANTHROPIC = "anthropic"

SHAPES: dict[str, tuple[int, str, str]] = {
    "key-missing": (401, "authentication_error", "authentication_error"),
    "key-unknown": (401, "authentication_error", "authentication_error"),
    "key-unread": (503, "server_error", "api_error"),
    "key-elsewhere": (403, "permission_error", "permission_error"),
    "agent-broken": (503, "server_error", "api_error"),
    "routes-broken": (503, "server_error", "api_error"),
    "route-missing": (503, "server_error", "api_error"),
    "draining": (503, "server_error", "overloaded_error"),
    "busy": (503, "server_error", "overloaded_error"),
    "body-large": (413, "invalid_request_error", "request_too_large"),
    "body-intricate": (413, "invalid_request_error", "request_too_large"),
    "body-slow": (408, "invalid_request_error", "invalid_request_error"),
    "body-encoded": (415, "invalid_request_error", "invalid_request_error"),
    "not-json": (400, "invalid_request_error", "invalid_request_error"),
    "bad-field": (400, "invalid_request_error", "invalid_request_error"),
    "model-unknown": (404, "invalid_request_error", "not_found_error"),
    "cap-agent-day": (429, "insufficient_quota", "rate_limit_error"),
    "cap-agent-month": (429, "insufficient_quota", "rate_limit_error"),
    "cap-machine-day": (429, "insufficient_quota", "rate_limit_error"),
    "cap-machine-month": (429, "insufficient_quota", "rate_limit_error"),
    "ledger-down": (503, "server_error", "api_error"),
    "route-broken": (503, "server_error", "api_error"),
    "route-style": (400, "invalid_request_error", "invalid_request_error"),
    "route-failed": (502, "server_error", "api_error"),
    "upstream-wrong-key": (422, "invalid_request_error", "invalid_request_error"),
    "upstream-no-money": (422, "invalid_request_error", "invalid_request_error"),
    "upstream-no-permission": (422, "invalid_request_error", "invalid_request_error"),
    "upstream-blocked-country": (422, "invalid_request_error", "invalid_request_error"),
    "upstream-throttled": (429, "rate_limit_error", "rate_limit_error"),
    "upstream-no-model": (404, "invalid_request_error", "not_found_error"),
    "upstream-trouble": (502, "server_error", "api_error"),
    "upstream-unreachable": (422, "invalid_request_error", "invalid_request_error"),
    "upstream-silent": (504, "server_error", "timeout_error"),
    "upstream-nonsense": (422, "invalid_request_error", "invalid_request_error"),
    "not-here": (404, "invalid_request_error", "not_found_error"),
    "bug": (500, "server_error", "api_error"),
}
"""Key → HTTP status, and the error's type in OpenAI's and in Anthropic's style.

What a provider has against the meter's key is no word about the agent's own: 401, 402 and 403 would say so, and
OpenClaw (2026.9.6, seen) then rests its provider, for ten minutes and, time after time, up to a day, though the meter
may have a good key long since. After a 5xx, or a status that it does not know, it asks again and again, and its owner
never hears why. 422 it shows at once.
"""
_AGAIN_SECONDS = {
    "draining": 5,
    "busy": 1,
    "ledger-down": 5,
    "upstream-throttled": 10,
    "upstream-trouble": 2,
}
"""Where asking again may help: after so many seconds; a refusal's own ``again`` comes first."""


@dataclasses.dataclass(eq=False)
class Refusal(Exception):
    """Why a call is refused: the key of a sentence in words.json and what fills it."""

    key: str
    params: dict[str, object] = dataclasses.field(default_factory=dict[str, object])

    @property
    def status(self) -> int:
        """The HTTP status."""
        return SHAPES[self.key][0]

    @property
    def headers(self) -> dict[str, str]:
        """When to ask again; both vendors' own clients read ``x-should-retry``."""
        if again := self.params.get("again") or _AGAIN_SECONDS.get(self.key):
            return {"Retry-After": str(again)}
        return {"x-should-retry": "false"}

    def body(self, style: str, language: str | None) -> bytes:
        """Return the error as JSON, as OpenAI's or Anthropic's interface would put it."""
        message = say(self.key, language, **self.params)
        _, openai, anthropic = SHAPES[self.key]
        if style == ANTHROPIC:
            return _json({"type": "error", "error": {"type": anthropic, "message": message}})
        code = self.key.replace("-", "_")
        return _json({"error": {"message": message, "type": openai, "param": self.params.get("field"), "code": code}})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
