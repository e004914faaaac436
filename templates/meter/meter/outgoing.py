"""A request as it goes on to a provider: one model, one length, one price; all else is the agent's own. Pure."""

import json
from typing import cast

from .ask import LENGTHS, Ask
from .fields import Fields, fields_of
from .refusal import ANTHROPIC

_OTHER_LENGTHS = ("max_output_tokens", "max_new_tokens", "max_tokens_to_sample", "n_predict")
_CHOOSING = (
    "models",  # OpenRouter: other models than the one named
    "route",
    "preset",
    "provider",  # OpenRouter: whose, and at which price
    "plugins",  # OpenRouter, MiniMax: the web, read and charged beside the question
    "service_tier",  # OpenAI, Anthropic: another price
    "web_search_options",  # OpenAI
    "enable_search",  # Alibaba's Model Studio
    "search_options",
    "best_of",  # vLLM: more answers than come back
)
"""Fields by which an agent would choose another model, another price, or more than its question.

They are one list for all providers: at none do they mean anything that an agent needs, and a custom address may be
anyone's. Sources: openrouter.ai/docs/api-reference/overview, platform.openai.com/docs/api-reference/chat,
alibabacloud.com/help/zh/model-studio/web-search.
"""


def outgoing(ask: Ask, model: str, length_field: str, longest: int) -> bytes:
    """Return the body to send: with this model, and with this greatest length under the name that is known there."""
    request = cast("Fields", json.loads(ask.body))
    name = _length_name(ask, request, length_field)
    for field in (*LENGTHS, *_OTHER_LENGTHS, *_CHOOSING):
        request.pop(field, None)
    request |= {"model": model, name: longest}
    if ask.style != ANTHROPIC and ask.stream:
        request["stream_options"] = {**fields_of(request.get("stream_options")), "include_usage": True}
    try:
        return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a character, which JSON can spell and UTF-8 cannot
        return json.dumps(request, separators=(",", ":")).encode()


def _length_name(ask: Ask, request: Fields, known: str) -> str:
    if ask.style == ANTHROPIC:
        return "max_tokens"
    return known or next((name for name in LENGTHS if request.get(name) is not None), "max_tokens")
