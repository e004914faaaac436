import time
from pathlib import Path

import msgspec
import pytest
import yaml

from fleet.base import yaml as reading
from fleet.base.errors import BadInput
from fleet.base.yaml import content, parse, place, read
from fleet.base.yaml_wrong import KEY
from fleet.groups import Group
from fleet.policy import Policy


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
        (b"name: [\n", "file.not_yaml", "f.yaml:1:8"),
        (b"name:\tx\n\ty: 1\n", "file.tab", "f.yaml:2:1"),
        (b"name: x\ninner:\n \tmemory: 1\n", "file.tab", "f.yaml:3:2"),
        (b"name: \xff\n", "file.not_text", "f.yaml:1:7"),
        (b"name: a\x00b\n", "file.character", "f.yaml:1:8"),
        (b"\xef\xbb\xbfname: a\x1bb\n", "file.character", "f.yaml:1:8"),
        ("name: 蜗牛\x00\n".encode(), "file.character", "f.yaml:1:9"),
        ("name: x\ninner: {memory: 1, tag: 蜗牛, memroy: 2}\n".encode(), "file.unknown_key", "f.yaml:2:29"),
        ("name: a\ninner: 1\n".encode("utf-16"), "file.not_text", "f.yaml:1:1"),
        (b"<<: {name: a}\ninner: {memory: 1}\n", "file.merge", "f.yaml:1:1"),
        (b"name: a\ninner: {memory: 1}\n---\nname: b\n", "file.documents", "f.yaml:3:1"),
        (b"name: a\ninner: !!set {memory}\n", "file.tag", "f.yaml:2:8"),
        (b"name: a\ninner: {memory: !!int x}\n", "file.tag", "f.yaml:2:17"),
        (b"name: a\n? [x, y]\n: 1\n", "file.key", "f.yaml:2:3"),
        (b"*x : 1\n", "file.alias", "f.yaml:1:1"),
        (b"name: a\ninner: {memory: " + b"1" * 5000 + b"}\n", "file.wrong", "f.yaml:2:17"),
        (b"name: 2026\ninner: {memory: 1}\n", "file.wrong", "f.yaml:1:7"),
        (b"name: a\ninner: {memory: 1.10}\n", "file.wrong", "f.yaml:2:17"),
        (b"name: a\ninner: {memory: NO}\n", "file.wrong", "f.yaml:2:17"),
        (b"- name\n", "file.wrong_whole", "f.yaml:1:1"),
        (b"name: a\ninner: ~\n", "file.wrong", "f.yaml:2:8"),
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
    assert refused(b"nmae: a\ninner: {memory: 1}\n").params["near"] == "name"


class Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    policy: Policy = Policy()
    groups: dict[str, Group] = {}


@pytest.mark.parametrize(
    ("text", "where", "field", "said"),
    [
        ("policy: {max_failures: 101%}", "f.yaml:1:24", "policy.max_failures", "from 0% to 100%"),
        ("policy:\n  waves:\n    - 5%\n    - 250%", "f.yaml:4:7", "policy.waves[2]", "from 0% to 100%"),
        ("policy: {min_healthy_time: ten}", "f.yaml:1:28", "policy.min_healthy_time", "90s, 5m or 1h"),
        ("policy: {healthy_deadline: 90}", "f.yaml:1:28", "policy.healthy_deadline", "text has to stand here"),
        ("policy: {canary: -1}", "f.yaml:1:18", "policy.canary", "at least 0"),
        ("policy: {max_parallel: 0}", "f.yaml:1:24", "policy.max_parallel", "at least 1"),
        ("policy: {auto_revert: NO}", "f.yaml:1:23", "policy.auto_revert", "true or false has to stand here"),
        ("policy: {canary_message: practise}", "f.yaml:1:26", "policy.canary_message", "the nearest is practice"),
        ("policy: {canary_message: zzz}", "f.yaml:1:26", "policy.canary_message", "one of none, own, practice"),
        ("groups:\n  a: {count: 1}\n  b:\n    count: x", "f.yaml:4:12", "groups.b.count", "a whole number"),
        ("groups:\n  a: {count: 1}\n  b: {}", "f.yaml:3:6", "groups.b.count", "missing"),
        ("groups: {a: {count: 1, tags: [ok, No]}}", "f.yaml:1:35", "groups.a.tags[2]", "a-z, 0-9 and hyphens"),
        ("groups: {a: 5}", "f.yaml:1:13", "groups.a", "a structure has to stand here"),
    ],
)
def test_what_is_wrong_is_said_in_words_at_the_very_value(text: str, where: str, field: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text.encode(), Fleet, "f.yaml")
    assert (caught.value.key, caught.value.where, caught.value.params["field"]) == ("file.wrong", where, field)
    assert said in str(caught.value)
    assert "regex" not in str(caught.value)


def test_a_wrong_word_below_a_name_of_the_persons_is_found_there_and_nowhere_else() -> None:
    with pytest.raises(BadInput) as caught:
        parse(b"groups:\n  a: {count: 1}\n  b: {count: 1, tgas: [x]}\n", Fleet, "f.yaml")
    assert (caught.value.where, caught.value.params["near"]) == ("f.yaml:3:17", "tags")


def test_a_place_can_be_asked_for_later(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("groups:\n  b: {count: 1, tags: [x, y]}\n")
    assert place(path, "groups", "b", "tags", 1) == f"{path}:2:27"
    assert place(path, "groups", "b", "count", KEY) == f"{path}:2:7"
    assert place(path, "groups", "b", "kind") == f"{path}:2:6"  # not there: what is nearest


def test_what_a_quoted_word_says_is_text() -> None:
    assert parse(b"name: '<<'\ninner: {memory: 1}\n", Outer, "f.yaml").name == "<<"
    assert parse(b'name: "5"\ninner: {memory: 1}\n', Outer, "f.yaml").name == "5"
    assert parse(b"\xef\xbb\xbfname: !!str 5\r\ninner: {memory: 1}\r\n", Outer, "f.yaml").name == "5"


@pytest.mark.parametrize("loader", [yaml.SafeLoader, yaml.CSafeLoader])
def test_both_parsers_read_alike(loader: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_LOADER", loader)
    text = "# 蜗牛\nname: 'a''b'\ninner: {memory: 5, tag: \"\\u4e2d\"}\nmore:\n- memory: 1\n"
    assert parse(text.encode(), Outer, "f.yaml") == Outer("a'b", Inner(5, "中"), [Inner(1)])
    assert refused(text.encode() + b"- {memory: x}\n").where == "f.yaml:6:12"


def test_a_bomb_is_refused_at_once() -> None:
    bomb = b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (c + 1, c + 1, c, c) for c in range(97, 115))
    begun = time.process_time()
    assert refused(bomb).key == "file.alias"
    assert time.process_time() - begun < 1


def test_depth_and_size_are_limited() -> None:
    assert refused(b"name: " + b"[" * 500 + b"]" * 500).where == "f.yaml:1:27"
    assert refused(b"#" * (2 << 20)).key == "file.too_large"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"[" * (1 << 20), "file.too_deep"),
        (b"{" * (1 << 20), "file.key"),
        (b"- " * (1 << 19), "file.too_deep"),
        (b"? " * (1 << 19), "file.key"),
        (b"more: [" + b"a," * ((1 << 19) - 8) + b"]", "file.too_many"),
        (b"a: " + b"x " * ((1 << 19) - 8), "file.unknown_key"),
        (b"".join(b"k%d: 1\n" % n for n in range(49_000)), "file.unknown_key"),
    ],
)
def test_a_file_that_means_harm_costs_less_than_a_second(text: bytes, key: str) -> None:
    begun = time.process_time()
    assert refused(text).key == key
    assert time.process_time() - begun < 1


def test_of_a_file_of_100_megabytes_hardly_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(100 << 20)
    assert len(content(path)) == reading.MAX_BYTES + 1
    with pytest.raises(BadInput) as caught:
        read(path, Outer)
    assert caught.value.key == "file.too_large"
