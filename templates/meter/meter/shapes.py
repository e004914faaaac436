"""An answer in the two styles, whole and as server-sent events (OpenAI's chat completions, Anthropic's messages)."""

import dataclasses
import json
import secrets
import time
from collections.abc import Iterator, Mapping

from . import MODEL
from .refusal import ANTHROPIC


@dataclasses.dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer: its text in pieces, why it ended (``stop`` or ``length``), and its tokens."""

    style: str
    texts: tuple[str, ...]
    ended: str
    input: int
    output: int


def whole(reply: Reply) -> bytes:
    """Return the answer as one JSON object."""
    text = "".join(reply.texts)
    if reply.style == ANTHROPIC:
        return _json(_message(reply, [{"type": "text", "text": text}], _stop_reason(reply), reply.output))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reply.ended}
    return _json({**_head("chat.completion"), "choices": [{**choice, "logprobs": None}], "usage": _usage(reply)})


def stream(reply: Reply, *, usage: bool) -> Iterator[bytes]:
    """Yield the answer as server-sent events; ``usage`` is OpenAI's ``stream_options.include_usage``."""
    return _anthropic_events(reply) if reply.style == ANTHROPIC else _openai_events(reply, usage=usage)


def _openai_events(reply: Reply, *, usage: bool) -> Iterator[bytes]:
    head = _head("chat.completion.chunk")

    def chunk(delta: Mapping[str, object], ended: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": ended}
        return _data({**head, "choices": [choice], **({"usage": None} if usage else {})})

    yield chunk({"role": "assistant", "content": ""})
    for text in reply.texts:
        yield chunk({"content": text})
    yield chunk({}, reply.ended)
    if usage:
        yield _data({**head, "choices": [], "usage": _usage(reply)})
    yield b"data: [DONE]\n\n"


def _anthropic_events(reply: Reply) -> Iterator[bytes]:
    yield _event("message_start", {"message": _message(reply, [], None, 0)})
    yield _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    for text in reply.texts:
        yield _event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": text}})
    yield _event("content_block_stop", {"index": 0})
    ended = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield _event("message_delta", {"delta": ended, "usage": {"output_tokens": reply.output}})
    yield _event("message_stop", {})


def _head(kind: str) -> dict[str, object]:
    return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": MODEL}


def _usage(reply: Reply) -> dict[str, int]:
    total = reply.input + reply.output
    return {"prompt_tokens": reply.input, "completion_tokens": reply.output, "total_tokens": total}


def _message(reply: Reply, content: list[dict[str, str]], ended: str | None, output: int) -> dict[str, object]:
    return {
        "id": f"msg_{secrets.token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": content,
        "stop_reason": ended,
        "stop_sequence": None,
        "usage": {"input_tokens": reply.input, "output_tokens": output},
    }


def _stop_reason(reply: Reply) -> str:
    return "end_turn" if reply.ended == "stop" else "max_tokens"


def _event(name: str, fields: Mapping[str, object]) -> bytes:
    return b"event: " + name.encode() + b"\n" + _data({"type": name, **fields})


def _data(value: Mapping[str, object]) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
