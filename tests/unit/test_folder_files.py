"""The samples and the schemas of the fleet's files, and what is typed about the folder; no machine is needed."""

import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import msgspec
import pytest

import templates
from clawrack.cli.folder import FILES, asleep
from clawrack.cli.schema import form
from fleet import load
from fleet.base.patterns import SHARE, TIME
from fleet.base.yaml import plain, read
from fleet.groups import Group, Settings
from fleet.groups_file import FleetFile, settings
from fleet.model import Agent, Machine
from fleet.policy import Policy
from fleet.schema import of_file

STRUCTS = {"fleet": FleetFile, "machine": Machine, "agent": Agent}
OLD = {"kind"}  # of fleet.yaml: files of earlier versions say the default kind so


class Typed(msgspec.Struct):
    """What a command came to."""

    code: int
    out: str
    err: str
    seconds: float = 0


def typed(folder: Path, *words: str, lang: str = "en") -> Typed:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "CLAWRACK_FLEET": str(folder), "CLAWRACK_LANG": lang}
    command = [sys.executable, "-m", "clawrack", *words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    took = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    return Typed(done.returncode, done.stdout, done.stderr, took)


def sample(language: str, which: str) -> Path:
    return templates.path("fleet", language, FILES[which])


# --- samples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_sample_of_a_fleet_loads(language: str) -> None:
    wish = load.load(templates.path("fleet", language))
    assert (len(wish.agents), list(wish.groups), wish.policy) == (23, ["social", "night"], Policy())
    assert wish.agents["social-20"].tags == ("rack-a",)
    assert wish.agents["night-2"].machine == "rack-a-01"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("which", FILES)
def test_a_sample_uses_every_field_that_there_is(language: str, which: str) -> None:
    held = plain(sample(language, which).read_bytes(), which)
    assert {*STRUCTS[which].__struct_fields__} - {*held} == (OLD if which == "fleet" else set())
    if which == "fleet":
        assert {*Settings.__struct_fields__} == {*held["defaults"]}
        assert {*Policy.__struct_fields__} == {*held["policy"]}
        assert {*Group.__struct_fields__} == {key for group in held["groups"].values() for key in group}


def test_both_languages_have_the_same_values_in_their_samples() -> None:
    for which in FILES:
        assert read(sample("en", which), STRUCTS[which]) == read(sample("zh", which), STRUCTS[which])


def test_every_setting_in_a_sample_has_a_comment_before_it_or_shares_one() -> None:
    for which in FILES:
        rows = sample("en", which).read_text().splitlines()
        assert sum(row.startswith("#") for row in rows) > len(rows) / 3


def test_a_sample_that_is_taken_as_it_is_changes_nothing_and_awakes_by_taking_the_mark_away(tmp_path: Path) -> None:
    text = typed(tmp_path, "fleet", "sample").out
    (tmp_path / "fleet.yaml").write_text(text)
    assert settings(tmp_path) == FleetFile()
    (tmp_path / "fleet.yaml").write_text(re.sub(r"^#(?=\S|  )", "", text, flags=re.MULTILINE))
    assert settings(tmp_path) == settings(templates.path("fleet", "en"))
    assert asleep("a: 1\n\n  b: 2\n# c\n") == "#a: 1\n\n#  b: 2\n# c\n"


def test_the_sample_is_in_the_language_in_use(tmp_path: Path) -> None:
    assert "\u673a\u7fa4" in typed(tmp_path, "fleet", "sample", lang="zh").out
    told = json.loads(typed(tmp_path, "fleet", "sample", "agent", "--json").out)["sample"]
    assert told == {"file": "agents/helper.yaml", "text": sample("en", "agent").read_text()}


# --- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", FILES)
def test_every_field_of_a_file_is_described_in_its_schema(which: str, tmp_path: Path) -> None:
    schema = json.loads(typed(tmp_path, "fleet", "schema", which).out)
    assert json.loads(typed(tmp_path, "fleet", "schema", which, "--json").out)["schema"] == schema
    lacking = {
        f"{n}.{f}" for n, part in schema["$defs"].items() for f, v in part["properties"].items() if not v["description"]
    }
    assert lacking == set()
    assert all(part["description"] for part in schema["$defs"].values())


@pytest.mark.parametrize("which", FILES)
def test_the_sample_is_as_its_schema_says_and_a_mistake_is_not(which: str) -> None:
    schema = of_file(which, STRUCTS[which], inherits=which == "agent")
    held = plain(sample("en", which).read_bytes(), which)
    jsonschema.validate(held, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**held, "nmae": 1}, schema)


def test_what_a_file_may_inherit_it_need_not_say() -> None:
    assert of_file("a", Agent, inherits=True)["$defs"]["Agent"]["required"] == []
    assert of_file("m", Machine)["$defs"]["Machine"]["required"] == ["address"]
    policy = of_file("f", FleetFile)["$defs"]["Policy"]["properties"]
    assert (policy["min_healthy_time"]["pattern"], policy["ask_above"]["pattern"]) == (TIME, SHARE)
    assert policy["canary"]["default"] == 1


# --- what is typed ----------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "pc-1.yaml").write_text("address: 10.0.0.1\n")
    (tmp_path / "machines" / "pc-2.yaml").write_text("address: 10.0.0.2\ntags: [gpu]\n")
    (tmp_path / "fleet.yaml").write_text("defaults: {kind: openclaw}\ngroups:\n  social:\n    count: 2\n")
    return tmp_path


def refused(found: Typed, code: int, *words: str) -> None:
    assert found.code == code, found
    text = " ".join(found.err.split())
    for word in (*words, "\u2192 "):
        assert word in text, text


def test_an_agent_is_written_down_and_waits_for_a_plan(folder: Path) -> None:
    assert "clawrack apply" in typed(folder, "agent", "create", "helper", "--tag", "gpu").out
    assert (folder / "agents" / "helper.yaml").read_text() == 'tags: ["gpu"]\npage: 18702\n'
    pinned = typed(folder, "agent", "create", "other", "--machine", "pc-1", "--version", "2026.9.6", "--json")
    assert json.loads(pinned.out)["result"] == {"agent": "other", "machine": "", "changed": True}
    assert load.load(folder).agents["other"] == Agent(kind="openclaw", machine="pc-1", version="2026.9.6", page=18703)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("Helper",), 2, "cannot be an agent's name"),
        (("meter",), 2, "cannot be an agent's name"),
        (("social-01",), 3, "fleet.yaml:4"),
        (("social-07",), 3, "fleet.yaml:4"),
        (("a", "--kind", "openclow"), 2, "openclaw"),
        (("a", "--machine", "pc-3"), 2, "the nearest is `pc-"),
        (("a", "--tag", "gup"), 2, "the nearest is `gpu`"),
        (("a", "--machine", "pc-1", "--tag", "gpu"), 2, "lacks tags"),
        (("a", "--version", "2026.9.6; reboot"), 2, "2026.9.6"),
        (("there",), 3, "already"),
    ],
)
def test_an_agent_that_cannot_be_is_not_written(folder: Path, words: tuple[str, ...], code: int, said: str) -> None:
    (folder / "agents").mkdir()
    (folder / "agents" / "there.yaml").write_text("machine: pc-1\n")
    refused(typed(folder, "agent", "create", *words), code, said)
    assert [path.name for path in (folder / "agents").iterdir()] == ["there.yaml"]


def test_a_member_of_a_group_is_not_removed_but_by_the_line_that_says_how_many(folder: Path) -> None:
    refused(typed(folder, "agent", "remove", "social-01", "--yes"), 3, "fleet.yaml:4", "count: 1", "social-02")
    (folder / "agents").mkdir()
    (folder / "agents" / "social-03.yaml").write_text("group: social\nmachine: pc-1\n")
    assert "social-03" in typed(folder, "fleet", "check").out
    assert json.loads(typed(folder, "agent", "show", "social-01", "--json").out)["agent"]["state"] == "absent"
    refused(typed(folder, "agent", "ask", "social-01", "hello"), 3, "no machine yet", "clawrack plan")
    refused(typed(folder, "agent", "create", "x", "--tag", "large"), 2, "No machine has the tag `large`")


def test_a_machine_is_tagged_and_drained_in_its_file_alone(folder: Path) -> None:
    assert "gpu, rack-a" in typed(folder, "machine", "tag", "pc-2", "rack-a").out
    assert "rack-a" in typed(folder, "machine", "tag", "pc-2", "--remove", "gpu").out
    assert json.loads(typed(folder, "machine", "tag", "pc-2", "rack-a", "--json").out)["result"]["changed"] is False
    refused(typed(folder, "machine", "tag", "pc-2", "Rack A"), 2, "cannot be a tag")
    refused(typed(folder, "machine", "tag", "pc-2", "--remove", "rack-b"), 2, "the nearest is `rack-a`")
    refused(typed(folder, "machine", "tag", "pc-9", "x"), 2, "pc-9")
    typed(folder, "agent", "create", "helper", "--machine", "pc-2")
    told = typed(folder, "machine", "drain", "pc-2").out
    assert "helper" in told
    assert (folder / "machines" / "pc-2.yaml").read_text() == 'address: "10.0.0.2"\ntags: ["rack-a"]\ndrained: true\n'
    refused(typed(folder, "agent", "create", "x", "--machine", "pc-2"), 3, "drained", "machine drain pc-2 --undo")
    typed(folder, "machine", "drain", "pc-2", "--undo")
    assert (folder / "machines" / "pc-2.yaml").read_text() == 'address: "10.0.0.2"\ntags: ["rack-a"]\n'


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("result", ("agent", "create", "helper")),
        ("result", ("machine", "tag", "pc-1", "x")),
        ("result", ("machine", "drain", "pc-1")),
        ("checked", ("fleet", "check")),
        ("sample", ("fleet", "sample")),
        ("schema", ("fleet", "schema", "machine")),
    ],
)
def test_what_is_printed_as_json_has_the_form_that_is_told(folder: Path, document: str, words: tuple[str, ...]) -> None:
    found = typed(folder, *words, "--json")
    jsonschema.validate(json.loads(found.out), form(document))
    assert found.err == ""


def test_before_a_machine_is_removed_its_members_of_groups_are_named(folder: Path) -> None:
    (folder / "agents").mkdir()
    (folder / "agents" / "social-02.yaml").write_text("group: social\nmachine: pc-1\n")
    told = " ".join(typed(folder, "machine", "remove", "pc-1").out.split())
    assert "social-02" in told
    assert "fleet.yaml:4" in told


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("groups:\n  b: {count: 1, kind: openclow}\n", "fleet.yaml:2:23", "openclaw"),
        ("defaults: {kind: openclow}\n", "fleet.yaml:1:18", "openclaw"),
        ("defaults: {kind: openclaw}\ngroups:\n  b:\n    count: 1\n    tags: [gpu, gup]\n", "fleet.yaml:5:17", "`gpu`"),
        ("defaults: {kind: openclaw, version: 'x y'}\ngroups: {b: {count: 1}}\n", "fleet.yaml:1:37", "one word"),
    ],
)
def test_what_has_no_meaning_is_told_where_it_stands(folder: Path, text: str, where: str, said: str) -> None:
    (folder / "fleet.yaml").write_text(text)
    refused(typed(folder, "fleet", "check"), 2, where, said)


BOMB = "a: &a [x,x]\n" + "".join(f"{chr(c + 1)}: &{chr(c + 1)} [*{chr(c)},*{chr(c)}]\n" for c in range(97, 115))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (BOMB.encode(), "fleet.yaml:2:8"),
        (b"defaults: " + b"[" * 500 + b"]" * 500, "fleet.yaml:1:31"),
        (b"version: 1\nversion: 1\n", "fleet.yaml:2:1"),
        (b"policy:\n\tcanary: 1\n", "fleet.yaml:2:1"),
        (b"policy: {canary: 1\x00}\n", "fleet.yaml:1:19"),
        (b"policy: {auto_revert: NO}\n", "fleet.yaml:1:23"),
        (b"policy: {canary: 1.10}\n", "fleet.yaml:1:18"),
        (b"policy: {<<: {canary: 1}}\n", "fleet.yaml:1:10"),
        (b"policy: !!python/object:os.system {}\n", "fleet.yaml:1:9"),
        (b"\xff\xfep\x00", "fleet.yaml:1:1"),
        (b"policy: {cannary: 1}\n", "fleet.yaml:1:10"),
    ],
)
def test_a_file_that_means_harm_ends_in_a_sentence_with_its_place(tmp_path: Path, text: bytes, where: str) -> None:
    (tmp_path / "fleet.yaml").write_bytes(text)
    for words in (("fleet", "check"), ("status",)):
        found = typed(tmp_path, *words)
        refused(found, 2, where)
        assert "Traceback" not in found.err
        assert found.seconds < 1


def test_a_file_of_100_megabytes_takes_neither_time_nor_memory(tmp_path: Path) -> None:
    with (tmp_path / "fleet.yaml").open("wb") as file:
        file.write(b"a: [" + b"x, " * (1 << 20))
        file.truncate(100 << 20)
    code = (
        "import sys\nfrom pathlib import Path\nfrom fleet import load\nfrom fleet.base.errors import BadInput\n"
        "try:\n    load.load(Path(sys.argv[1]))\nexcept BadInput as error:\n    print(error.key, error.exit_code)\n"
        "print(next(int(row.split()[1]) // 1024 for row in open('/proc/self/status') if row.startswith('VmHWM')))"
    )
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    key, memory = done.stdout.splitlines()
    assert key == "file.too_large 2"
    assert int(memory) < 100
    assert time.monotonic() - begun < 20
