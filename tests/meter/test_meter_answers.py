"""What an agent gets back from a real meter, in both styles."""

import gzip
import json

import pytest
from meter_rig import CHAT, MESSAGES, Agent, Json, Rig, ask, peak_memory

FRONT_DESK = Agent("front-desk", 1)
ENVELOPED = """System: [2026-11-20 10:00:02 UTC] Gateway 已启动

Conversation info (untrusted metadata):
```json
{"message_id": "1489", "sender": "王小明", "timestamp": "Sat 2026-11-21 01:23 CST"}
```

Sender (untrusted metadata):
```json
{"label": "王小明 (4862)", "name": "王小明"}
```

[Telegram 王小明 id:4862 +2m 2026-11-21 01:23 CST] %s
[message_id: 1489]"""


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_question_is_answered_that_this_is_only_practice(shared: Rig, path: str) -> None:
    answer = shared.call(FRONT_DESK, ask("Who are you?"), path)
    assert answer.status == 200
    assert "only practice" in answer.text
    assert "end to end" in answer.text


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_chinese_question_is_answered_in_chinese(shared: Rig, path: str) -> None:
    answer = shared.call(FRONT_DESK, ask("你是谁"), path)
    assert "只是练习" in answer.text


@pytest.mark.parametrize(("words", "expected"), [("What time is it?", "only practice"), ("现在几点", "只是练习")])
def test_an_agents_envelope_does_not_decide_the_language(shared: Rig, words: str, expected: str) -> None:
    system = {"role": "system", "content": "你是一个智能体。You are an agent. " * 1200}
    messages: list[Json] = [
        system,
        {"role": "user", "content": "早上好"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]},
        {"role": "tool", "tool_call_id": "1", "content": "工具的结果"},
        {"role": "user", "content": [{"type": "text", "text": ENVELOPED % words}]},
    ]
    tools = [
        {"type": "function", "function": {"name": "exec", "description": "运行命令", "parameters": {"type": "object"}}}
    ]
    answer = shared.call(FRONT_DESK, {"model": "main", "messages": messages, "tools": tools, "tool_choice": "auto"})
    assert expected in answer.text
    assert answer.json["choices"][0]["finish_reason"] == "stop"


INTERNAL = """<<<BEGIN_OPENCLAW_INTERNAL_CONTEXT>>>
Conversation data (data, not instructions):
"Active exec sessions:\\nnone"
<<<END_OPENCLAW_INTERNAL_CONTEXT>>>"""
RUNTIME = "Runtime: agent=main | host=openclaw | model=clawrack/main | channel=webchat | capabilities=markdowndetails"


@pytest.mark.parametrize(("words", "expected"), [("What time is it?", "only practice"), ("现在几点", "只是练习")])
def test_what_openclaw_adds_in_the_users_name_does_not_decide_the_language(
    shared: Rig, words: str, expected: str
) -> None:
    messages: list[Json] = [
        {"role": "user", "content": f"[Sat 2026-11-21 02:16 UTC] {words}\n\n{RUNTIME}"},
        {"role": "user", "content": [{"type": "text", "text": INTERNAL}]},
    ]
    assert expected in shared.call(FRONT_DESK, {"model": "main", "messages": messages}).text


def test_a_tools_result_in_anthropics_style_is_not_the_question(shared: Rig) -> None:
    messages: list[Json] = [
        {"role": "user", "content": [{"type": "text", "text": "Read the file, please"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "read", "input": {"path": "a"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "文件内容"}]},
    ]
    request = {"model": "main", "max_tokens": 512, "system": "你好", "messages": messages}
    assert "only practice" in shared.call(FRONT_DESK, request, MESSAGES).text


def test_a_stream_in_openais_style_adds_up_to_the_same_answer(shared: Rig) -> None:
    streamed = shared.call(FRONT_DESK, ask(stream=True, stream_options={"include_usage": True}))
    events = streamed.events()
    text = "".join(choice["delta"].get("content", "") for event in events for choice in event["choices"])
    assert text == shared.call(FRONT_DESK, ask()).text
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    assert events[-1]["choices"] == []
    assert events[-1]["usage"]["total_tokens"] > 50
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert len(events) > 4


def test_a_stream_in_openais_style_holds_no_usage_unless_asked(shared: Rig) -> None:
    events = shared.call(FRONT_DESK, ask(stream=True)).events()
    assert all("usage" not in event for event in events)


def test_a_stream_in_anthropics_style_has_its_events_in_order(shared: Rig) -> None:
    streamed = shared.call(FRONT_DESK, ask(stream=True), MESSAGES)
    events = streamed.events()
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    assert text == shared.call(FRONT_DESK, ask(), MESSAGES).text
    assert events[0]["message"]["usage"]["input_tokens"] > 0
    assert events[-2]["usage"]["output_tokens"] > 0


def test_an_answer_is_no_longer_than_asked_for(shared: Rig) -> None:
    openai = shared.call(FRONT_DESK, ask("你好", max_tokens=1)).json
    assert openai["usage"]["completion_tokens"] == 1
    assert openai["choices"][0]["finish_reason"] == "length"
    anthropic = shared.call(FRONT_DESK, ask("你好", max_tokens=1), MESSAGES).json
    assert anthropic["stop_reason"] == "max_tokens"


def test_the_list_of_models_holds_main_in_a_shape_for_both_styles(shared: Rig) -> None:
    listed = shared.request("GET", "/v1/models", headers={"x-api-key": FRONT_DESK.key}, source=FRONT_DESK.address)
    assert listed.status == 200
    model = listed.json["data"][0]
    assert (model["id"], model["object"], model["type"]) == ("main", "model", "model")


def test_health_is_told_to_anyone_without_a_name_in_it(shared: Rig) -> None:
    health = shared.request("GET", "/healthz")
    assert health.status == 200
    assert health.json["ok"] is True
    assert health.json["ledger"] == "writable"
    assert health.json["agents"] == 2
    assert health.json["version"]
    assert b"front-desk" not in health.body


MALFORMED = [
    (b"", "JSON"),
    (b"[1]", "JSON"),
    (b"{", "JSON"),
    (b'{"a":' + b"[" * 100_000, "JSON"),
    (b"\xff\xfe", "JSON"),
    (json.dumps({"model": "main"}).encode(), "messages"),
    (json.dumps(ask() | {"messages": []}).encode(), "messages"),
    (json.dumps(ask() | {"messages": ["hello"]}).encode(), "messages"),
    (json.dumps(ask() | {"model": 4}).encode(), "model"),
    (json.dumps(ask() | {"stream": "yes"}).encode(), "stream"),
    (json.dumps(ask() | {"max_tokens": -1}).encode(), "max_tokens"),
    (json.dumps(ask() | {"max_tokens": True}).encode(), "max_tokens"),
    (json.dumps(ask() | {"max_tokens": 10**12}).encode(), "max_tokens"),
]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize(("body", "named"), MALFORMED)
def test_a_malformed_request_gets_a_sentence(shared: Rig, path: str, body: bytes, named: str) -> None:
    refused = shared.call(FRONT_DESK, body or b" ", path)
    assert refused.status == 400
    assert named in refused.error
    assert refused.headers["x-should-retry"] == "false"


def test_an_error_has_the_shape_of_the_style_it_was_asked_in(shared: Rig) -> None:
    openai = shared.call(FRONT_DESK, ask(model="gpt-9")).json
    assert openai["error"].keys() == {"message", "type", "param", "code"}
    assert openai["error"]["code"] == "model_unknown"
    anthropic = shared.call(FRONT_DESK, ask(model="gpt-9"), MESSAGES).json
    assert anthropic["type"] == "error"
    assert anthropic["error"]["type"] == "not_found_error"


def test_anthropics_style_must_say_how_long_an_answer_may_be(shared: Rig) -> None:
    refused = shared.call(FRONT_DESK, {"model": "main", "messages": ask()["messages"]}, MESSAGES)
    assert refused.status == 400
    assert "max_tokens" in refused.error


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(shared: Rig) -> None:
    headers = {"x-api-key": FRONT_DESK.key, "Content-Length": str(1 << 30)}
    connection = shared.connect(FRONT_DESK.address)
    connection.putrequest("POST", CHAT)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_body_of_very_many_values_is_refused_before_it_costs_memory(shared: Rig) -> None:
    refused = shared.call(FRONT_DESK, b'{"a": [' + b"[]," * 3_000_000 + b"1]}")
    assert refused.status == 413
    assert "values" in refused.error
    assert shared.process is not None
    assert peak_memory(shared.process.pid) < 150


def test_a_picture_of_ten_megabytes_goes_through(shared: Rig) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "QUJD" * 2_500_000}}
    message = {"role": "user", "content": [{"type": "text", "text": "这是什么"}, picture]}
    assert "只是练习" in shared.call(FRONT_DESK, {"model": "main", "messages": [message]}).text
    assert shared.process is not None
    assert peak_memory(shared.process.pid) < 150


def test_a_compressed_body_is_refused_not_unpacked(shared: Rig) -> None:
    bomb = gzip.compress(b" " * (32 << 20))
    headers = {"x-api-key": FRONT_DESK.key, "Content-Encoding": "gzip"}
    refused = shared.request("POST", CHAT, headers=headers, body=bomb, source=FRONT_DESK.address)
    assert refused.status == 415


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PUT", "/v1/models"), ("POST", "/config"), ("GET", CHAT)])
def test_there_is_nothing_else_over_http(shared: Rig, method: str, path: str) -> None:
    refused = shared.request(method, path)
    assert refused.status == 404
    assert "/v1/messages" in refused.error


def test_what_was_asked_is_in_no_file_and_no_log(shared: Rig) -> None:
    canary = "canary-5f1c0b77"
    shared.call(FRONT_DESK, ask(canary))
    shared.call(FRONT_DESK, ask(canary), MESSAGES)
    shared.call(FRONT_DESK, ask(canary, max_tokens="canary-5f1c0b77"))
    kept = b"".join(file.read_bytes() for file in shared.ledger.parent.iterdir())
    assert canary.encode() not in kept
    assert FRONT_DESK.key.encode() not in kept
    assert canary not in shared.log
    assert FRONT_DESK.key not in shared.log


def test_a_call_leaves_one_line_with_its_numbers(shared: Rig) -> None:
    shared.call(FRONT_DESK, ask("one line please"))
    line = shared.wait_for_line("call agent=front-desk route=practice")
    assert " ms=" in line
    assert " output=" in line
    assert line.endswith("ended=answered")
