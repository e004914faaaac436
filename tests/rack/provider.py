"""A model provider, played: OpenAI's style and Anthropic's, whole and as a stream, with every way of refusing.

What it does is decided by the key that it is asked with. It writes down what it saw.
"""

import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self, cast

Json = dict[str, Any]
Way = Literal[
    "well",
    "no-usage",  # answers, and does not say what it used
    "usage-in-choice",  # as Moonshot: in the last choice of a stream
    "slow",  # as a stream, a word every tenth of a second, for a minute
    "cut",  # a stream that breaks off
    "stalled",  # takes the question and says nothing
    "revoked",
    "no-money",
    "no-quota",
    "no-permission",
    "blocked",
    "throttled",
    "trouble",
    "nonsense",
    "too-long",  # refuses this one call
    "minimax-key",  # 200, and the refusal inside
    "no-model",  # lists models, and has not the one that is asked for
    "elsewhere",  # a redirection to somebody else
]
ANSWER = ("The ", "played ", "provider ", "answers.")
REFUSALS: dict[str, tuple[int, Json]] = {
    "revoked": (401, {"error": {"message": "Invalid Authentication", "type": "invalid_authentication_error"}}),
    "no-money": (402, {"error": {"message": "Insufficient Balance", "type": "unknown_error"}}),
    "no-quota": (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
    "no-permission": (403, {"error": {"message": "Not allowed", "type": "permission_error"}}),
    "blocked": (403, {"error": {"message": "No", "code": "unsupported_country_region_territory"}}),
    "throttled": (429, {"error": {"message": "Too many requests", "type": "rate_limit_error"}}),
    "trouble": (500, {"error": {"message": "Internal error"}}),
    "minimax-key": (200, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}),
}
IN_CALLS: dict[str, tuple[int, Json]] = {
    "no-model": (404, {"error": {"message": "The model does not exist", "code": "model_not_found"}}),
    "too-long": (400, {"error": {"message": "This model's maximum context length is 8 tokens", "code": "too_long"}}),
}


@dataclass
class Saw:
    """One request: its path, the key in its header, its body, and whether the other side hung up before the end."""

    path: str
    key: str
    body: Json
    headers: dict[str, str]
    hung_up: bool = False


@dataclass
class Provider:
    """A provider that listens on an address of this box; ``keys`` says how each key fares, others are refused."""

    host: str = "127.0.0.1"
    tls: ssl.SSLContext | None = None
    keys: dict[str, Way] = field(default_factory=dict[str, Way])
    saw: list[Saw] = field(default_factory=list[Saw])
    port: int = 0

    def __enter__(self) -> Self:
        provider = self

        class Door(_Door):
            played = provider

        self._server = ThreadingHTTPServer((self.host, self.port), Door)
        self._server.daemon_threads = True
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def base(self) -> str:
        """Where it is, as a provider of OpenAI's style has it."""
        return f"http{'s' if self.tls else ''}://{self.host}:{self.port}/v1"

    def calls(self, key: str = "") -> list[Saw]:
        """What it was asked in a key's name, lists of models left out."""
        return [saw for saw in self.saw if saw.body and key in ("", saw.key)]


class _Door(BaseHTTPRequestHandler):
    played: Provider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        saw = self._seen({})
        if self._refuses(saw, {**REFUSALS}):
            return
        self._json(200, {"object": "list", "data": [{"id": "played-1", "object": "model"}]})

    def do_POST(self) -> None:
        body = cast("Json", json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0")))))
        saw = self._seen(body)
        if self._refuses(saw, {**REFUSALS, **IN_CALLS}):
            return
        try:
            self._answer(saw, self.played.keys[saw.key])
        except OSError:
            saw.hung_up = True
            self.close_connection = True

    def _seen(self, body: Json) -> Saw:
        key = self.headers.get("x-api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        saw = Saw(self.path, key, body, dict(self.headers))
        self.played.saw.append(saw)
        return saw

    def _refuses(self, saw: Saw, table: dict[str, tuple[int, Json]]) -> bool:
        elsewhere = saw.path.startswith("/v0/")  # another region, which knows no key of this one
        way = "revoked" if elsewhere else self.played.keys.get(saw.key, "revoked")
        if way in table:
            status, told = table[way]
            more = {"Retry-After": "7"} if way == "throttled" else {}
            if way == "too-long":
                told = {"error": {**told["error"], "message": f"{told['error']['message']} ({saw.key})"}}
            self._json(status, told, more)
        elif way == "nonsense":
            self._send(200, b"<html>Welcome to the hotel</html>", "text/html", {})
        elif way == "elsewhere":
            self._send(302, b"", "text/plain", {"Location": "http://127.0.0.1:9/v1/chat/completions"})
        elif way == "stalled":
            saw.hung_up = self._hung_up(60)
            self.close_connection = True
        else:
            return False
        return True

    def _hung_up(self, seconds: float) -> bool:
        self.connection.settimeout(seconds)
        try:
            return self.connection.recv(1) == b""
        except OSError:
            return False

    def _answer(self, saw: Saw, way: Way) -> None:
        anthropic = saw.path.endswith("/messages")
        if not saw.body.get("stream"):
            self._json(200, _whole(anthropic=anthropic, usage=way != "no-usage"))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in _events(way, anthropic=anthropic):
            if way == "slow":
                time.sleep(0.1)
            self._chunk(event)
        if way == "cut":
            self.close_connection = True
            return
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _json(self, status: int, value: Json, more: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(value).encode(), "application/json", more or {})

    def _send(self, status: int, content: bytes, kind: str, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **more}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


def _whole(*, anthropic: bool, usage: bool) -> Json:
    text = "".join(ANSWER)
    if anthropic:
        used: Json = {"usage": {"input_tokens": 11, "cache_read_input_tokens": 100, "output_tokens": 4}}
        content = [{"type": "text", "text": text}]
        return {"id": "msg_1", "type": "message", "role": "assistant", "content": content, **(used if usage else {})}
    used = {"usage": {"prompt_tokens": 111, "completion_tokens": 4, "total_tokens": 115}}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "1", "object": "chat.completion", "model": "played-1", "choices": [choice], **(used if usage else {})}


def _events(way: Way, *, anthropic: bool) -> list[bytes]:
    words = ANSWER * 150 if way == "slow" else ANSWER[:2] if way == "cut" else ANSWER
    return _anthropic(words, way) if anthropic else _openai(words, way)


def _openai(words: tuple[str, ...], way: Way) -> list[bytes]:
    used = {"prompt_tokens": 111, "completion_tokens": 4, "total_tokens": 115}
    events = [_data({"choices": [{"index": 0, "delta": {"content": word}}]}) for word in words]
    last: Json = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events.append(_data({"choices": [{**last, **({"usage": used} if way == "usage-in-choice" else {})}]}))
    if way in ("well", "slow"):
        events.append(_data({"choices": [], "usage": used}))
    return events[:-1] if way == "cut" else [*events, b"data: [DONE]\n\n"]


def _anthropic(words: tuple[str, ...], way: Way) -> list[bytes]:
    used: Json = {} if way == "no-usage" else {"usage": {"input_tokens": 111, "output_tokens": 1}}
    told: Json = {} if way == "no-usage" else {"usage": {"output_tokens": 4}}
    begun: Json = {"type": "message_start", "message": {"role": "assistant", "content": [], **used}}
    middle: list[Json] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in words
    ]
    ended: list[Json] = [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, **told},
        {"type": "message_stop"},
    ]
    events = [begun, *middle, *([] if way == "cut" else ended)]
    return [b"event: " + str(event["type"]).encode() + b"\n" + _data(event) for event in events]


def _data(value: Json) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
