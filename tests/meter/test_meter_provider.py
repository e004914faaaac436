"""Calls that go on to a provider: the real key goes with them and nowhere else, and what they used is counted."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from meter_rig import CHAT, MESSAGES, Agent, Json, Reply, Rig, ask, rest_of, wait_until

from templates.meter.meter.upstream import failed
from tests.rack.provider import ANSWER, Provider, Way
from tests.rack.tls import Authority

KEY = "sk-canary-0123456789"
ONE = Agent("one", 1)
SAID = "".join(ANSWER)
LIMITED: list[Json] = [{"means": "wrong-key", "status": 200, "code": "1004"}]


@pytest.fixture(scope="module")
def played() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture(scope="module")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("meter"))
    made.agent("one", 1, route="played")
    yield made.start()
    made.close()


def route(meter: Rig, played: Provider, way: Way, kind: str = "openai", **more: object) -> str:
    """Give the meter a key that fares this way; return it."""
    key = f"{KEY}-{way}"
    played.keys[key] = way
    base = played.base if kind == "openai" else played.base.removesuffix("/v1")
    meter.provider("played", key, base, kind, errors=LIMITED, **more)
    return key


def used(meter: Rig) -> Json:
    """The sums of all calls by the route, those that are settled."""
    sums = [one for one in meter.sums() if one["route"] == "played"]
    return {
        "calls": sum(one["calls"] for one in sums),
        "input": sum(one["input_tokens"] for one in sums),
        "output": sum(one["output_tokens"] for one in sums),
        "estimated": sum(one["calls"] for one in sums if one["estimated"]),
    }


def more(meter: Rig, before: Json) -> Json:
    return {name: number - before[name] for name, number in used(meter).items()}


def text_of(reply: Reply) -> str:
    """The text of a stream in OpenAI's style."""
    return "".join(e["choices"][0]["delta"].get("content", "") for e in reply.events() if e["choices"])


@pytest.mark.parametrize(("kind", "path"), [("openai", CHAT), ("anthropic", MESSAGES)])
def test_a_call_goes_on_with_the_real_key_and_model_and_comes_back_as_it_is(
    meter: Rig, played: Provider, kind: str, path: str
) -> None:
    key = route(meter, played, "well", kind)
    before = used(meter)
    reply = meter.call(ONE, ask("你好", temperature=0.5, tools=[{"type": "x"}]), path)
    assert (reply.status, reply.text) == (200, SAID)
    saw = played.calls(key)[-1]
    assert saw.path == path
    assert saw.body == {**ask("你好", temperature=0.5, tools=[{"type": "x"}]), "model": "played-1"}
    assert ONE.key not in json.dumps(saw.headers)
    assert ("x-api-key" in saw.headers, "anthropic-version" in saw.headers) == ((kind == "anthropic",) * 2)
    assert more(meter, before) == {"calls": 1, "input": 111, "output": 4, "estimated": 0}


def test_a_stream_passes_event_by_event_and_its_usage_is_asked_for_and_kept(meter: Rig, played: Provider) -> None:
    key = route(meter, played, "well")
    before = used(meter)
    reply = meter.call(ONE, ask(stream=True))
    assert text_of(reply) == SAID
    assert reply.body.endswith(b"data: [DONE]\n\n")
    assert not [event for event in reply.events() if event.get("usage")]  # the agent did not ask for it
    assert played.calls(key)[-1].body["stream_options"] == {"include_usage": True}
    assert more(meter, before) == {"calls": 1, "input": 111, "output": 4, "estimated": 0}
    asked = meter.call(ONE, ask(stream=True, stream_options={"include_usage": True}))
    assert [event["usage"]["prompt_tokens"] for event in asked.events() if event.get("usage")] == [111]


def test_anthropics_stream_passes_byte_for_byte_and_is_counted(meter: Rig, played: Provider) -> None:
    route(meter, played, "well", "anthropic")
    before = used(meter)
    reply = meter.call(ONE, ask(stream=True), MESSAGES)
    assert [event["type"] for event in reply.events()][-1] == "message_stop"
    assert "".join(e["delta"]["text"] for e in reply.events() if e["type"] == "content_block_delta") == SAID
    assert more(meter, before) == {"calls": 1, "input": 111, "output": 4, "estimated": 0}


def reserved(request: Json) -> Json:
    """What one call is charged whose use nobody has told: all that was reserved for it."""
    return {"calls": 1, "input": len(json.dumps(request)), "output": request["max_tokens"], "estimated": 1}


def settled(meter: Rig, before: Json) -> Json:
    return wait_until(lambda: (found := more(meter, before))["calls"] and found, 5)


@pytest.mark.parametrize("stream", [False, True])
def test_what_says_nothing_of_its_use_is_charged_at_what_was_reserved_and_says_so(
    meter: Rig, played: Provider, *, stream: bool
) -> None:
    route(meter, played, "no-usage")
    before = used(meter)
    request = ask("x" * 4000, stream=stream)
    assert meter.call(ONE, request).status == 200
    assert more(meter, before) == reserved(request)


def test_use_that_is_told_in_a_choice_is_found(meter: Rig, played: Provider) -> None:
    route(meter, played, "usage-in-choice")
    before = used(meter)
    meter.call(ONE, ask(stream=True))
    assert more(meter, before) == {"calls": 1, "input": 111, "output": 4, "estimated": 0}


REFUSED: list[tuple[Way, int, tuple[str, str]]] = [
    ("revoked", 422, ("refuses the key", "拒绝了")),
    ("minimax-key", 422, ("refuses the key", "拒绝了")),
    ("no-money", 422, ("no money left", "没有钱了")),
    ("no-quota", 422, ("no money left", "没有钱了")),
    ("no-permission", 422, ("does not let this key", "不允许")),
    ("blocked", 422, ("country or region", "国家或地区")),
    ("throttled", 429, ("asked too often", "请求太多")),
    ("no-model", 404, ('no model "played-1"', "没有")),
    ("trouble", 502, ("trouble of its own (500)", "出了问题")),
    ("nonsense", 422, ("not a model's interface", "不是模型接口")),
    ("elsewhere", 502, ("trouble of its own (302)", "出了问题")),
]


@pytest.mark.parametrize(("way", "status", "sentences"), REFUSED)
def test_each_refusal_is_a_sentence_of_its_own_in_the_questions_language_and_costs_nothing(
    meter: Rig, played: Provider, way: Way, status: int, sentences: tuple[str, str]
) -> None:
    key = route(meter, played, way)
    before = used(meter)
    for words, expected in zip(("hello", "你好"), sentences, strict=True):
        for stream in (False, True):
            reply = meter.call(ONE, ask(words, stream=stream))
            assert (reply.status, expected in reply.error) == (status, True), reply.body
            assert "The Played One" in reply.error
            assert key.encode() not in reply.body
    costs = way == "nonsense"  # it was answered, whatever it was
    now = more(meter, before)
    assert (bool(now["input"]), bool(now["output"]), bool(now["estimated"])) == (costs, costs, costs)
    assert key not in meter.log


def test_a_throttled_call_says_when_to_come_back(meter: Rig, played: Provider) -> None:
    route(meter, played, "throttled")
    assert meter.call(ONE).headers["Retry-After"] == "7"


def test_what_is_wrong_with_one_call_goes_back_as_it_came_but_for_the_key(meter: Rig, played: Provider) -> None:
    key = route(meter, played, "too-long")
    reply = meter.call(ONE)
    assert (reply.status, reply.json["error"]["code"]) == (400, "too_long")
    assert "maximum context length" in reply.error
    assert key not in reply.error


def test_an_agent_that_hangs_up_ends_the_call_at_the_provider(meter: Rig, played: Provider) -> None:
    key = route(meter, played, "slow")
    before = used(meter)
    wire = meter.begin(ONE, ask())
    wire.close()
    wait_until(lambda: played.calls(key)[-1].hung_up, 5)
    assert settled(meter, before) == reserved(ask(stream=True))


def hang_up(meter: Rig, played: Provider, key: str) -> None:
    """Ask, and go as soon as the question is with the provider."""
    heard = len(played.calls(key))
    body = json.dumps(ask()).encode()
    wire = socket.create_connection(("127.0.0.1", meter.port), 10, source_address=(ONE.address, 0))
    head = f"POST {CHAT} HTTP/1.1\r\nHost: meter\r\nx-api-key: {ONE.key}\r\nContent-Length: {len(body)}\r\n\r\n"
    wire.sendall(head.encode() + body)
    wait_until(lambda: len(played.calls(key)) > heard, 5)
    wire.close()
    wait_until(lambda: played.calls(key)[-1].hung_up, 5)


def test_an_agent_that_hangs_up_before_the_first_word_ends_the_call_too_and_it_costs(
    meter: Rig, played: Provider
) -> None:
    key = route(meter, played, "stalled")
    before = used(meter)
    hang_up(meter, played, key)
    assert settled(meter, before) == reserved(ask())


def test_calls_that_are_cut_again_and_again_come_to_the_cap(meter: Rig, played: Provider) -> None:
    key = route(meter, played, "stalled")
    cap = sum(one["input_tokens"] + one["output_tokens"] for one in meter.sums()) + 10_000
    meter.routes({"practice": {"kind": "practice"}}, {"agents": {"one": {"tokens_per_day": cap}}})
    for _ in range(2):
        before = used(meter)
        hang_up(meter, played, key)
        settled(meter, before)
    refused = meter.call(ONE)
    meter.routes({"practice": {"kind": "practice"}})
    assert refused.status == 429
    assert str(cap) in refused.error


def test_a_stream_that_breaks_off_is_never_taken_for_a_whole_one(meter: Rig, played: Provider) -> None:
    route(meter, played, "cut")
    before = used(meter)
    with meter.begin(ONE, ask()) as wire:
        try:
            ended = rest_of(wire)
        except ConnectionError:
            ended = b""
    assert b"[DONE]" not in ended
    assert not ended.endswith(b"0\r\n\r\n")
    assert settled(meter, before) == reserved(ask(stream=True))


def test_a_new_key_counts_from_the_next_call_on_and_no_call_is_lost(meter: Rig, played: Provider) -> None:
    slow = route(meter, played, "slow")
    with meter.begin(ONE, ask()) as wire:
        new = route(meter, played, "well")
        assert meter.call(ONE).status == 200
        assert played.calls(new)
        assert b"data: " in wire.recv(65536)  # what is under way goes on
    assert not played.calls(slow)[-1].body.get("key")


def test_an_address_where_nobody_listens_is_told_as_such(meter: Rig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    wait_until(lambda: not meter.report()["open"])
    before = used(meter)
    meter.provider("played", KEY, f"http://127.0.0.1:{port}/v1")
    reply = meter.call(ONE)
    assert more(meter, before) == {"calls": 1, "input": 0, "output": 0, "estimated": 0}
    assert reply.status == 422
    assert "cannot be reached from this machine (connection refused)" in reply.error
    meter.provider("played", KEY, "https://no-such-host.invalid/v1")
    assert "(DNS)" in meter.call(ONE).error


def test_nobody_who_answers_in_time_is_told_apart_from_one_who_takes_the_question_and_is_silent() -> None:
    assert failed(aiohttp.ServerTimeoutError("Connection timeout to host x"), "P").key == "upstream-unreachable"
    assert failed(aiohttp.ServerTimeoutError("Timeout on reading data from socket"), "P").key == "upstream-silent"
    assert failed(TimeoutError(), "P").key == "upstream-silent"


def test_a_provider_behind_tls_must_show_a_certificate_that_is_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    meter = Rig(tmp_path / "meter")
    meter.agent("one", 1, route="played")
    meter.more["SSL_CERT_FILE"] = str(authority.certificate)
    stranger = Authority(tmp_path / "stranger")
    with (
        Provider(tls=authority.context(), keys={KEY: "well"}) as trusted,
        Provider(tls=stranger.context(), keys={KEY: "well"}) as other,
    ):
        try:
            meter.provider("played", KEY, trusted.base)
            meter.start()
            assert meter.call(ONE).text == SAID
            meter.provider("played", KEY, other.base)
            assert "(TLS)" in meter.call(ONE).error
            assert not other.saw
        finally:
            meter.close()


def test_a_route_that_cannot_be_used_takes_only_its_own_agents_out_of_service(meter: Rig, played: Provider) -> None:
    practising = meter.agent("two", 2)
    for broken in (
        "one line",
        f'{{"version": 1, "kind": "openai", "base": "{played.base}", "model": "m"}}\n\n{{}}\n',
        f'{{"version": 1, "kind": "openai", "base": "file:///etc", "model": "m"}}\n{KEY}\n{{}}\n',
        f'{{"version": 2, "kind": "openai", "base": "{played.base}", "model": "m"}}\n{KEY}\n{{}}\n',
        f'{{"version": 1, "kind": "magic", "base": "{played.base}", "model": "m"}}\n{KEY}\n{{}}\n',
        f'{{"version": 1, "kind": "openai", "base": "{played.base}", "model": "m", "key": "k"}}\n{KEY}\n{{}}\n',
        f'{{"version": 1, "kind": "openai", "base": "{played.base}", "model": "m"}}\n{KEY}\n{{"x": 1}}\n',
        f'{{"version": 1, "kind": "openai", "base": "{played.base}", "model": "m"}}\nk y\n{{}}\n',
    ):
        meter.replace("routes/played.route", broken)
        reply = meter.call(ONE)
        assert reply.status == 503
        assert 'route "played" cannot be used' in reply.error
        assert KEY not in reply.error
        assert meter.call(practising).status == 200
    route(meter, played, "well")
    assert meter.call(ONE).text == SAID


def test_a_key_in_routes_json_is_refused_for_everybody(meter: Rig) -> None:
    meter.routes({"practice": {"kind": "practice"}, "x": {"kind": "openai", "key": KEY}})
    reply = meter.call(ONE)
    meter.routes({"practice": {"kind": "practice"}})
    assert reply.status == 503
    assert KEY not in reply.error


def test_a_call_in_the_other_style_is_told_so_and_not_translated(meter: Rig, played: Provider) -> None:
    route(meter, played, "well", "anthropic")
    reply = meter.call(ONE)
    assert reply.status == 400
    assert "anthropic" in reply.error


LENGTHS: list[tuple[Json, str, Json]] = [
    ({"max_completion_tokens": 1, "max_tokens": 1_000_000}, "", {"max_completion_tokens": 1}),
    ({"max_completion_tokens": 1, "max_tokens": 1_000_000}, "max_tokens", {"max_tokens": 1}),
    ({"max_completion_tokens": None, "max_tokens": 7}, "", {"max_tokens": 7}),
    ({"max_output_tokens": 9, "n_predict": 1_000_000}, "", {"max_tokens": 32_768}),
    ({}, "max_completion_tokens", {"max_completion_tokens": 32_768}),
]


@pytest.mark.parametrize(("asked", "known", "sent"), LENGTHS)
def test_exactly_one_length_goes_on_and_it_is_the_one_that_was_reserved(
    meter: Rig, played: Provider, asked: Json, known: str, sent: Json
) -> None:
    key = route(meter, played, "no-usage", **({"length_field": known} if known else {}))
    before = used(meter)
    assert meter.call(ONE, {"model": "main", "messages": ask()["messages"], **asked}).status == 200
    body = played.calls(key)[-1].body
    assert {name: body[name] for name in body if name.startswith("max") or name == "n_predict"} == sent
    assert more(meter, before)["output"] == next(iter(sent.values()))


def test_in_anthropics_style_too_one_length_goes_on(meter: Rig, played: Provider) -> None:
    key = route(meter, played, "well", "anthropic")
    assert meter.call(ONE, ask(max_completion_tokens=1_000_000), MESSAGES).status == 200
    body = played.calls(key)[-1].body
    assert (body["max_tokens"], "max_completion_tokens" in body) == (4096, False)


@pytest.mark.parametrize("kind", ["image_url", "\\u0069mage_url"])
def test_a_picture_is_reserved_for_once_however_its_name_is_spelt(meter: Rig, played: Provider, kind: str) -> None:
    key = route(meter, played, "no-usage")
    part = f'{{"type": "{kind}", "{kind}": {{"url": "https://example.org/a.png"}}}}'
    words = f'{{"type": "text", "text": "an {kind} of \\"image\\""}}'
    request = f'{{"model": "main", "messages": [{{"role": "user", "content": [{words}, {part}, {part}]}}]}}'.encode()
    before = used(meter)
    assert meter.call(ONE, request).status == 200
    assert more(meter, before)["input"] == len(request) + 2 * 8192
    assert played.calls(key)[-1].body["messages"][0]["content"][1]["type"] == "image_url"


@pytest.mark.parametrize(("kind", "path"), [("openai", CHAT), ("anthropic", MESSAGES)])
def test_what_would_choose_another_model_or_price_does_not_go_on(
    meter: Rig, played: Provider, kind: str, path: str
) -> None:
    key = route(meter, played, "well", kind)
    other: Json = {
        "models": ["dear/model"],
        "route": "fallback",
        "provider": {"only": ["dear"]},
        "preset": "dear",
        "plugins": [{"id": "web"}],
        "service_tier": "priority",
        "web_search_options": {},
        "enable_search": True,
        "search_options": {"forced_search": True},
        "best_of": 20,
    }
    assert meter.call(ONE, ask(temperature=0.5, **other), path).status == 200
    assert played.calls(key)[-1].body == {**ask(temperature=0.5), "model": "played-1"}


def test_a_length_goes_by_the_name_that_the_provider_knows(meter: Rig, played: Provider) -> None:
    key = route(meter, played, "well", length_field="max_completion_tokens")
    meter.call(ONE)
    body = played.calls(key)[-1].body
    assert (body.get("max_tokens"), body["max_completion_tokens"]) == (None, 4096)


def test_a_cap_counts_what_a_call_could_use_at_most(meter: Rig, played: Provider) -> None:
    key = route(meter, played, "well", max_output=100_000)
    meter.routes({"practice": {"kind": "practice"}}, {"agents": {"one": {"tokens_per_day": 90_000}}})
    messages = ask()["messages"]
    before = len(played.calls(key))
    refused = meter.call(ONE, {"model": "main", "messages": messages})
    several = meter.call(ONE, {"model": "main", "messages": messages, "max_tokens": 30_000, "n": 4})
    meter.routes({"practice": {"kind": "practice"}})
    assert (refused.status, several.status) == (429, 429)
    assert len(played.calls(key)) == before


def test_the_refusals_of_a_provider_are_remembered_whatever_status_they_came_with(meter: Rig, played: Provider) -> None:
    for way, status in (("no-quota", 402), ("minimax-key", 401), ("throttled", 429)):
        route(meter, played, way)  # pyright: ignore[reportArgumentType] - each is a way
        meter.call(ONE)
        found = next(one for one in meter.report()["refusals"] if one["route"] == "played")
        assert (found["status"], found["answered"]) == (status, 0)
    route(meter, played, "well")
    meter.call(ONE)
    assert next(one for one in meter.report()["refusals"] if one["route"] == "played")["answered"] > 0
