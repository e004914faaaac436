"""Language and words: what is looked at, and that both languages say the same things."""

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.meter.meter.language import language_of, own_words
from templates.meter.meter.practice import cut, tokens_in
from templates.meter.meter.refusal import SHAPES, Refusal
from templates.meter.meter.words import catalogue, say

GROUP = """[Chat messages since your last reply - for context]
[WhatsApp 群] 王小明: 你好

[Current message - respond to this]
[WhatsApp 群] Jake: what is up?
[from: 王小明 (+86)]"""
CASES = [
    ("hello", "en", "hello"),
    ("你好", "zh", "你好"),
    ("用 docker 安装", "zh", "用 docker 安装"),
    ("こんにちは、世界", "en", "こんにちは、世界"),
    ("안녕 世界", "en", "안녕 世界"),
    ("", "en", ""),
    ("[Telegram 王小明 id:48 2026-11-21 10:00 UTC] good morning", "en", "good morning"),
    ("[Fri 2026-11-20 20:30 CST] 早", "zh", "早"),
    ('Sender (untrusted metadata):\n```json\n{"name": "王小明"}\n```\n\nhi there', "en", "hi there"),
    ("System: [2026-11-20] 已连接\n\nhi there", "en", "hi there"),
    ("System (untrusted): 已连接\nhi there", "en", "hi there"),
    (
        GROUP,
        "en",
        "Jake: what is up?",
    ),
    ("<system-reminder>请记住</system-reminder>what now?", "en", "what now?"),
    ("[图片]", "zh", "[图片]"),
    ("```\n只有代码\n```", "zh", "```\n只有代码\n```"),
]


@pytest.mark.parametrize(("text", "language", "words"), CASES)
def test_the_persons_own_words_decide_the_language(text: str, language: str, words: str) -> None:
    assert own_words(text) == words
    assert language_of(text) == language


@pytest.mark.parametrize("piece", ["<context ", "```\n", "(untrusted ", "[", "System: ", "[a] ", "<metadata>"])
def test_no_text_takes_long_to_look_at(piece: str) -> None:
    began = time.process_time()
    language_of(piece * (4_000_000 // len(piece)))
    assert time.process_time() - began < 0.5


@given(st.text())
def test_any_text_has_a_language(text: str) -> None:
    assert language_of(text) in ("en", "zh")


@given(st.text(), st.integers(1, 50))
def test_a_cut_text_is_a_beginning_and_never_longer_than_asked(text: str, tokens: int) -> None:
    text = text.encode("utf-8", "ignore").decode()
    shorter = cut(text, tokens)
    assert text.startswith(shorter)
    assert tokens_in(len(shorter.encode())) <= tokens


def test_both_languages_have_the_same_keys_with_the_same_placeholders() -> None:
    english, chinese = catalogue()["en"], catalogue()["zh"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert placeholders(text) == placeholders(chinese[key]), key


def test_every_refusal_has_its_words() -> None:
    assert set(SHAPES) | {"practice"} == catalogue()["en"].keys()


@pytest.mark.parametrize("key", sorted(SHAPES))
def test_every_refusal_is_json_in_both_styles_and_both_languages(key: str) -> None:
    params: dict[str, object] = dict.fromkeys(placeholders(catalogue()["en"][key]), "\ud800“x”\n")
    for style in ("openai", "anthropic"):
        for language in ("en", "zh", None):
            assert b'"message"' in Refusal(key, params).body(style, language)


def test_without_a_language_both_are_said() -> None:
    both = say("practice")
    assert both == f"{say('practice', 'en')} {say('practice', 'zh')}"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
