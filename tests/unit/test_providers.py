"""Providers as data: every file is whole, keys are told by their shape, addresses are looked at before use."""

import contextlib
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet import providers
from fleet.base.errors import BadInput
from fleet.base.words import LANGUAGES, choose
from fleet.providers import CUSTOM, Provider
from templates.meter.meter.meaning import Rule, meaning

KNOWN = [one for one in providers.providers().values() if one.name != CUSTOM]
FIRST_AND_BEST = [
    "moonshot", "kimi-coding", "minimax", "zai", "bigmodel",
    "deepseek", "dashscope", "openrouter", "anthropic", "openai",
]  # fmt: skip


def test_the_first_and_best_come_first_and_any_address_last() -> None:
    assert list(providers.providers())[: len(FIRST_AND_BEST)] == FIRST_AND_BEST
    assert list(providers.providers())[-1] == CUSTOM


@pytest.mark.parametrize("provider", KNOWN, ids=lambda one: one.name)
def test_a_providers_file_says_all_that_a_person_and_a_check_need(provider: Provider) -> None:
    assert provider.sources
    assert all(source.startswith("https://") for source in provider.sources)
    assert provider.vendor
    assert re.fullmatch(providers.MODEL, provider.model)
    for region in provider.regions.values():
        for address in (region.openai, region.check, region.get_key, region.anthropic or region.openai):
            assert address.startswith("https://")
        assert providers.ways(region.openai)[0].provider == provider
        assert re.fullmatch("[A-Z]{2}", region.country)
        assert not region.openai.endswith(("/", "/chat/completions"))


@pytest.mark.parametrize("provider", KNOWN, ids=lambda one: one.name)
def test_what_nobody_has_tried_against_the_real_service_says_so(provider: Provider) -> None:
    assert provider.verified == ""


def test_a_provider_is_called_by_its_name_in_the_language_in_use() -> None:
    moonshot = providers.named("moonshot")
    try:
        names = [choose(code) or moonshot.shown for code in LANGUAGES]
    finally:
        choose("en")
    assert len(set(names)) == len(LANGUAGES)


SHAPES: list[tuple[str, list[str]]] = [
    ("sk-ant-api03-abcdefgh", ["anthropic"]),
    ("sk-or-v1-abcdefgh", ["openrouter"]),
    ("sk-kimi-abcdefgh", ["kimi-coding"]),
    ("sk-proj-abcdefghijklmnopqrstuvwx", ["openai"]),
    ("sk-" + "Ab3" * 16, ["moonshot"]),
    ("sk-" + "0a" * 16, ["deepseek", "dashscope"]),
    ("0a" * 16 + "." + "Ab3d" * 4, ["zai", "bigmodel"]),
    ("AIza" + "x" * 35, ["gemini"]),
    ("whatever", []),
    ("", []),
]


@pytest.mark.parametrize(("key", "like"), SHAPES)
def test_a_key_is_told_by_its_shape_where_that_settles_it(key: str, like: list[str]) -> None:
    assert list(providers.recognise(key)) == like


@given(st.text(string.printable, max_size=80))
def test_any_text_is_looked_at_without_harm(text: str) -> None:
    providers.recognise(text)
    with contextlib.suppress(BadInput):
        providers.check_shape(text, providers.named("moonshot"))


def test_a_key_of_anothers_is_sent_nowhere_and_one_of_the_same_shape_may_be() -> None:
    with pytest.raises(BadInput) as refused:
        providers.check_shape("sk-ant-api03-abcdefgh", providers.named("moonshot"))
    assert refused.value.key == "keys.other_provider"
    providers.check_shape("sk-" + "0a" * 16, providers.named("dashscope"))
    providers.check_shape("sk-or-v1-abcdefgh", providers.named(CUSTOM))  # a resale relay may give out anything


@pytest.mark.parametrize("key", ["", "short", "two words", "ключ-ключ", "line\nbreak-1", "sk-\x1b[31mred-1234"])
def test_what_can_be_no_key_is_refused_before_anybody_sees_it(key: str) -> None:
    with pytest.raises(BadInput, match="no key"):
        providers.check_shape(key, providers.named("moonshot"))


def test_the_vendors_other_regions_follow_the_meant_one_and_nobody_elses() -> None:
    assert [way.region for way in providers.ways("moonshot")] == ["cn", "global"]
    assert [way.region for way in providers.ways("moonshot", "global")] == ["global", "cn"]
    assert {way.vendor for way in providers.ways("moonshot")} == {"Moonshot AI"}
    assert [way.provider.name for way in providers.ways("zai")] == ["zai", "zai", "bigmodel", "bigmodel"]


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("moonshoot", "keys.no_provider"),
        ("custom", "keys.address_needed"),
        ("http://llm.example/v1", "keys.plain_http"),
        ("http://8.8.8.8/v1", "keys.plain_http"),
        ("https://llm.example/v1?key=1", "keys.bad_address"),
        ("https://user:word@llm.example/v1", "keys.bad_address"),
        ("ftp://llm.example", "keys.bad_address"),
        ("https://", "keys.bad_address"),
        ("https://a:99999999", "keys.bad_address"),
        ("https://a:0x1", "keys.bad_address"),
        ("https://[x", "keys.bad_address"),
        ("https://a]b", "keys.bad_address"),
        ("https://[::1]x", "keys.bad_address"),
        ("https://:443", "keys.bad_address"),
        ("http://169.254.169.254/v1", "keys.link_local"),
        ("https://169.254.169.254/v1", "keys.link_local"),
        ("http://[fe80::1]/v1", "keys.link_local"),
        ("https://[::ffff:169.254.169.254]/v1", "keys.link_local"),
        ("http://0.0.0.0/v1", "keys.bad_address"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_with_the_reason(typed: str, key: str) -> None:
    with pytest.raises(BadInput) as refused:
        providers.ways(typed)
    assert refused.value.key == key


def test_a_region_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadInput, match="mars"):
        providers.ways("moonshot", "mars")


def test_an_address_of_a_vendors_is_known_as_the_vendors_and_another_as_nobodys() -> None:
    (way,) = providers.ways("https://api.moonshot.ai/v1/")
    assert (way.provider.name, way.region) == ("moonshot", "global")
    (way,) = providers.ways("https://relay.example/v1")
    assert (way.provider.name, way.vendor, way.country) == (CUSTOM, "relay.example", "")
    (way,) = providers.ways("http://192.168.1.20:8000/v1")
    assert way.check == "http://192.168.1.20:8000/v1/models"


def test_a_file_with_a_word_too_much_is_refused_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.yaml").write_text("order: 1\nkey: sk-1\n")
    monkeypatch.setenv("CLAWRACK_PROVIDERS", str(tmp_path))
    providers.providers.cache_clear()
    try:
        with pytest.raises(BadInput) as refused:
            providers.providers()
    finally:
        monkeypatch.undo()
        providers.providers.cache_clear()
    assert refused.value.where.startswith(f"{tmp_path}/odd.yaml:2")


# What providers answer, as their documents and the issues named in their files quote it.
ANSWERS = [
    (
        "moonshot",
        401,
        '{"error":{"message":"Invalid Authentication","type":"invalid_authentication_error"}}',
        "wrong-key",
    ),
    ("moonshot", 429, '{"error":{"type":"exceeded_current_quota_error","message":"check your billing"}}', "no-money"),
    ("moonshot", 429, '{"error":{"type":"rate_limit_reached_error","message":"max RPM"}}', "throttled"),
    ("kimi-coding", 403, '{"error":{"message":"currently only available for Coding Agents such as"}}', "no-permission"),
    ("minimax", 200, '{"base_resp":{"status_code":1004,"status_msg":"login fail"}}', "wrong-key"),
    ("minimax", 200, '{"base_resp":{"status_code":0},"choices":[]}', None),
    (
        "minimax",
        401,
        '{"type":"error","error":{"type":"authorized_error","message":"2049 invalid api key"}}',
        "wrong-key",
    ),
    ("minimax", 200, '{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}', "no-money"),
    ("bigmodel", 429, '{"error":{"code":"1113","message":"您的账户已欠费"}}', "no-money"),
    ("zai", 429, '{"error":{"code":"1302","message":"Rate limit"}}', "throttled"),
    ("deepseek", 402, '{"error":{"message":"Insufficient Balance","type":"unknown_error"}}', "no-money"),
    ("dashscope", 400, '{"error":{"code":"Arrearage","message":"Access denied"}}', "no-money"),
    ("dashscope", 401, '{"error":{"code":"invalid_api_key"}}', "wrong-key"),
    ("openrouter", 402, '{"error":{"code":402,"message":"Insufficient credits"}}', "no-money"),
    ("anthropic", 403, '{"error":{"type":"forbidden","message":"Request not allowed"}}', "blocked-country"),
    ("anthropic", 400, '{"error":{"message":"Your credit balance is too low to access"}}', "no-money"),
    ("openai", 403, '{"error":{"code":"unsupported_country_region_territory"}}', "blocked-country"),
    ("openai", 429, '{"error":{"code":"insufficient_quota"}}', "no-money"),
    ("openai", 429, '{"error":{"code":"rate_limit_exceeded"}}', "throttled"),
    ("openai", 404, '{"error":{"code":"model_not_found"}}', "no-model"),
    ("openai", 400, '{"error":{"code":"context_length_exceeded"}}', "this-call"),
    ("gemini", 400, '[{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"API key not valid."}}]', "wrong-key"),
    ("gemini", 400, '{"error":{"message":"User location is not supported for the API use."}}', "blocked-country"),
    ("siliconflow", 403, '{"code":30011,"message":"requires paid balance"}', "no-money"),
    ("siliconflow", 401, '"Token is invalid"', "wrong-key"),
    ("openai", 500, "<html>", "trouble"),
    ("openai", 503, "", "trouble"),
    ("openai", 200, "{}", None),
]


@pytest.mark.parametrize(("name", "status", "body", "expected"), ANSWERS)
def test_each_providers_refusal_is_understood(name: str, status: int, body: str, expected: str | None) -> None:
    rules = [Rule(one.means, one.status, one.code, one.said) for one in providers.named(name).errors]
    assert meaning(status, body.encode(), rules) == expected


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_answer_means_something(status: int, body: bytes) -> None:
    assert (meaning(status, body) is None) == (status < 400)
