"""A support bundle without a machine: what is in it, what is refused, and that damage does not prevent it."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawrack import wire
from fleet.api import Fleet
from fleet.base.errors import BadInput, Unreachable
from fleet.base.words import LANGUAGES, catalogue
from fleet.bundle.form import Bundle
from fleet.bundle.machine import take
from fleet.bundle.make import MOST_BYTES, Maker, _scrubbed, make  # pyright: ignore[reportPrivateUsage]
from fleet.bundle.taken import Taken
from fleet.load import save_agent, save_machine
from fleet.machine.port import Port, Ran
from fleet.model import Agent, Machine
from fleet.scrub.scrubber import Names, Scrubber
from fleet.scrub.shapes import Sort
from tests.terminal import AtTerminal

SORTS = {*get_args(Sort), "machine", "agent", "host", "folder", "path"}
SECRET = "hunter2hunter2"
LOOK = b"version=1\nid=0123456789abcdef\nagent.wagtail.state=running\ndisk_free=13800000000\nkept=ortolan-1\n"


class Machined:
    """A machine that answers what it is told to; the rack has real ones."""

    name = "attic"

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self.answers = answers

    def run(self, words: Iterable[str], **how: object) -> Ran:
        del how
        said = next((out for key, out in self.answers.items() if key in " ".join(words)), b"")
        return Ran(0, said, b"")

    def docker(self) -> Any:
        raise Unreachable("wire.timed_out", where=self.name, seconds=1)


def look(port: Port) -> tuple[str, Mapping[str, str]]:
    del port
    return "uname_s=Linux\n", {"hostname": "goldcrest", "user": "dipper", "ip4": "10.7.7.7/24"}


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet of one machine that nothing listens on."""
    for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    folder = tmp_path / "redstart"
    save_machine(folder, "attic", Machine(address="127.0.0.2", port=1, user="dipper"))
    save_agent(folder, "wagtail", Agent(kind="openclaw", machine="attic"))
    return wire.open_fleet(folder)


def read(bundle: Bundle, path: Path) -> dict[str, str]:
    path.write_bytes(bundle.packed())
    with tarfile.open(path) as tar:
        names = tar.getnames()
        return {name: cast("Any", tar.extractfile(name)).read().decode() for name in names}


def test_a_silent_machine_is_silent_and_everything_else_is_told(fleet: Fleet, tmp_path: Path) -> None:
    bundle = make(fleet, Maker("1", look))
    (machine,) = bundle.manifest.machines
    assert (machine.name, machine.state) == ("machine-1", "silent")
    told = read(bundle, tmp_path / "a.tar.gz")
    assert json.loads(told["clawrack-support/controller/wish.json"])["agents"]["agent-1"]["machine"] == "machine-1"
    whole = "".join(told.values())
    assert not [name for name in ("attic", "wagtail", "dipper", "redstart", str(tmp_path)) if name in whole]


def test_who_is_called_like_a_cover_is_not_taken_for_another(fleet: Fleet) -> None:
    save_machine(fleet.folder, "machine-1", Machine(address="127.0.0.3", port=1))
    save_agent(fleet.folder, "agent-2", Agent(kind="openclaw", machine="machine-1"))
    bundle = make(fleet, Maker("1", look))
    assert [machine.name for machine in bundle.manifest.machines] == ["machine-2", "machine-3"]
    wish = json.loads(bundle.contents["controller/wish.json"])
    assert {name: agent["machine"] for name, agent in wish["agents"].items()} == {
        "agent-1": "machine-3",
        "agent-3": "machine-2",
    }
    assert (bundle.names["machine-3"], bundle.names["agent-3"]) == ("machine-1", "wagtail")


def test_the_same_bundle_is_always_the_same_bytes(fleet: Fleet) -> None:
    bundle = make(fleet, Maker("1", look))
    assert bundle.packed() == bundle.packed()


def test_a_machine_that_is_not_in_the_fleet_is_refused(fleet: Fleet) -> None:
    with pytest.raises(BadInput):
        make(fleet, Maker("1", look), ["cellar"])


def test_a_damaged_folder_does_not_keep_a_bundle_from_being_made(fleet: Fleet) -> None:
    (fleet.folder / "agents" / "ortolan.yaml").write_text("kind: [")
    bundle = make(fleet, Maker("1", look))
    assert {"wish.json", "status.json", "plan.json"} <= bundle.manifest.left_out.keys()
    assert "FLEET/agents/agent-1.yaml" in bundle.manifest.left_out["wish.json"]
    assert [machine.name for machine in bundle.manifest.machines] == ["machine-1"]


def test_a_damaged_journal_is_shown_as_it_is(fleet: Fleet, tmp_path: Path) -> None:
    journal = tmp_path / "XDG_STATE_HOME/clawrack/journal.jsonl"
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.write_text('{"v":1\nattic broke here\n')
    assert make(fleet, Maker("1", look)).contents["controller/journal.jsonl"] == b'{"v":1\nmachine-1 broke here\n'


def test_what_a_machine_cannot_tell_is_named_and_the_rest_is_told() -> None:
    taken = take(
        "attic", lambda: cast("Port", Machined({"look": LOOK, "date": b"soon", "df": b"a\nb 1 2 3 4% /\n"})), look
    )
    assert taken.pieces["look.json"]["disk_free"] == 13800000000
    assert taken.left_out["clock.json"].startswith("builtins.")
    assert "engine.json" in taken.left_out
    assert "/ KiB 1 2 3 4%" in taken.pieces["disk.txt"]
    assert {("agent", "wagtail"), ("agent", "ortolan-1"), ("host", "goldcrest"), ("user", "dipper")} <= set(taken.names)


def test_the_secrets_of_a_machine_are_learnt_and_are_no_piece_of_the_bundle() -> None:
    answers = {
        "look": LOOK + b"agent.wagtail.secret=s.json\n",
        "reveal wagtail s.json": b'{"gateway": "hunter2hunter2"}',
    }
    taken = take("attic", lambda: cast("Port", Machined(answers)), look)
    assert taken.secrets == {"hunter2hunter2"}
    assert "hunter2" not in repr(taken.pieces)


def test_a_chattering_machine_gets_no_more_than_its_share(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def much(name: str, *_: object) -> Taken:
        return Taken(name, {f"{n}.txt": "so it goes on and on\n" * 100_000 for n in range(40)})

    monkeypatch.setattr("fleet.bundle.make.take", much)
    bundle = make(fleet, Maker("1", look))
    assert sum(file.bytes for file in bundle.manifest.files) < MOST_BYTES
    assert all(file.cut for file in bundle.manifest.files if file.name.startswith("machines/"))
    assert bundle.manifest.machines[0].left_out["39.txt"] == "no room left"


@given(st.lists(st.text(max_size=30), max_size=5))
def test_a_secret_is_taken_out_of_a_piece_and_its_name_whatever_it_stands_beside(texts: list[str]) -> None:
    names = Names()
    here = Taken(
        "controller", {"hunter2hunter2.txt": "hunter2hunter2".join(texts), "a.json": [*texts, "hunter2hunter2"]}
    )
    bundle = _scrubbed("1", here, [], Scrubber(["hunter2hunter2"], names), names)
    assert b"hunter2hunter2" not in b"".join([*bundle.contents.values(), "".join(bundle.contents).encode()])


@pytest.mark.parametrize("language", LANGUAGES)
def test_whatever_is_taken_out_has_a_word(language: str) -> None:
    assert {f"bundle.sort.{sort}" for sort in SORTS} == {
        key for key in catalogue(language) if key.startswith("bundle.sort.")
    }


def clawrack(home: Path, *words: str, more: Mapping[str, str] = {}) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "CLAWRACK_LANG": "en", "PYTHONUTF8": "1", **more}
    line = [sys.executable, "-m", "clawrack", "support-bundle", *words]
    return subprocess.run(line, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def test_without_a_person_or_a_yes_nothing_is_written(tmp_path: Path) -> None:
    done = clawrack(tmp_path, "--out", str(tmp_path / "b.tar.gz"))
    assert (done.returncode, "--yes" in done.stderr) == (3, True)
    assert not (tmp_path / "b.tar.gz").exists()


def test_the_archive_can_be_read_by_its_owner_alone_and_replaces_nothing(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    done = clawrack(tmp_path, "--out", str(path), "--yes")
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    again = clawrack(tmp_path, "--out", str(path), "--yes")
    assert (again.returncode, path.read_bytes()) == (3, before)


def test_a_missing_folder_is_told_before_anything_is_gathered(tmp_path: Path) -> None:
    done = clawrack(tmp_path, "--out", str(tmp_path / "absent" / "b.tar.gz"), "--yes")
    assert (done.returncode, done.stdout) == (2, "")
    assert "absent: The folder of the archive is missing" in done.stderr.replace("\n  ", " ")


def test_a_machine_that_nobody_has_is_refused_with_the_nearest(tmp_path: Path) -> None:
    save_machine(tmp_path / "fleet", "attic", Machine(address="192.0.2.7", id="m1"))
    done = clawrack(tmp_path, "--machine", "atic", more={"CLAWRACK_FLEET": str(tmp_path / "fleet")})
    assert done.returncode == 2
    assert "attic" in done.stderr


def test_the_line_to_type_again_keeps_the_machine(tmp_path: Path) -> None:
    save_machine(tmp_path / "fleet", "attic", Machine(address="192.0.2.7", id="m1"))
    done = clawrack(tmp_path, "--machine", "attic", more={"CLAWRACK_FLEET": str(tmp_path / "fleet")})
    assert done.returncode == 3
    assert "--machine attic --yes" in done.stderr


@pytest.mark.parametrize(("typed", "code"), [("no", 3), ("", 3), ("yes", 0)])
def test_a_person_sees_every_file_and_is_asked_before_it_is_written(tmp_path: Path, typed: str, code: int) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm", "CLAWRACK_LANG": "en"}
    line = [sys.executable, "-m", "clawrack", "support-bundle", "--out", str(tmp_path / "b.tar.gz")]
    with AtTerminal(line, env) as terminal:
        assert "controller/versions.json" in terminal.sees("Write it to")
        assert not (tmp_path / "b.tar.gz").exists()
        terminal.press(f"{typed}\n")
        assert terminal.ends() == code
    assert (tmp_path / "b.tar.gz").exists() == (code == 0)
