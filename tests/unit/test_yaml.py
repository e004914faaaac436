import time

import msgspec
import pytest

from fleet.base.errors import BadInput
from fleet.base.yaml import parse


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    memory: int
    tag: str = ""


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    inner: Inner
    more: list[Inner] = []


def refused(text: bytes) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse(text, Outer, "f.yaml")
    return caught.value


def test_a_file_becomes_a_value() -> None:
    found = parse(b"name: ada\ninner: {memory: 5}\nmore: [{memory: 6, tag: x}]\n", Outer, "f.yaml")
    assert found == Outer("ada", Inner(5), [Inner(6, "x")])


@pytest.mark.parametrize("text", ["1.10", "NO", "12:30:45", "2026.9.6", "0x10", "1e3", "yes", "2026-11-21"])
def test_what_looks_like_a_version_stays_text(text: str) -> None:
    assert parse(f"name: {text}\ninner: {{memory: 1}}\n".encode(), Outer, "f.yaml").name == text


@pytest.mark.parametrize(
    ("text", "key", "where"),
    [
        (b"name: a\ninner: {memory: many}\n", "file.wrong", "f.yaml:2:17"),
        (b"name: a\ninner:\n  memry: 1\n", "file.unknown_key", "f.yaml:3:3"),
        (b"name: a\nname: b\n", "file.twice", "f.yaml:2:1"),
        (b"name: &x a\ninner: *x\n", "file.alias", "f.yaml:2:8"),
        (b"name: !!python/object:os.system x\n", "file.tag", "f.yaml:1:7"),
        (b"name: [\n", "file.not_yaml", "f.yaml:2:1"),
        (b"name:\tx\n\ty: 1\n", "file.not_yaml", "f.yaml:1:6"),
        (b"name: \xff\n", "file.not_text", "f.yaml"),
        (b"name: a\x00b\n", "file.not_yaml", "f.yaml"),
        (b"more: [{memory: 1}, {memory: x}]\nname: a\ninner: {memory: 1}\n", "file.wrong", "f.yaml:1:30"),
        (b"name: a\n", "file.wrong", "f.yaml:1:1"),
        (b"", "file.wrong", "f.yaml"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: bytes, key: str, where: str) -> None:
    error = refused(text)
    assert (error.key, error.exit_code) == (key, 2)
    assert error.where.startswith(where)


def test_the_nearest_right_word_is_offered() -> None:
    assert refused(b"name: a\ninner: {memroy: 1}\n").params["near"] == "memory"


def test_a_bomb_is_refused_at_once() -> None:
    bomb = b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (c + 1, c + 1, c, c) for c in range(97, 115))
    begun = time.process_time()
    assert refused(bomb).key == "file.alias"
    assert time.process_time() - begun < 1


def test_depth_and_size_are_limited() -> None:
    assert refused(b"name: " + b"[" * 500 + b"]" * 500).key == "file.too_deep"
    assert refused(b"#" * (2 << 20)).key == "file.too_large"
