"""Copies of machines: when one is noticed, what is written down, and what is not opened any more."""

from pathlib import Path

import pytest

from clawrack.wire import Ports, hand_over, open_fleet
from fleet import load, observe, twins
from fleet.base.errors import BadInput, Refused
from fleet.base.event import ignore
from fleet.model import Machine, Seen, SeenMachine, Wish
from installer.again import is_copy, kept
from installer.detect.again import Again
from installer.facts import Facts
from installer.handover import Parting

BOX = Machine(address="10.0.0.5")
THERE = Machine(address="10.0.0.9", port=2222, user="op", jump="me@gate")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEpb3KgkfJOP9bxjd9Pbcc7ZXXO0cVhwmS6KvAxXXXX"


@pytest.mark.parametrize(
    ("again", "name", "copy"),
    [
        (Again("new"), "m", False),
        (Again("same", "box", ("id", "address")), "box", False),
        (Again("moved", "box", ("host_key", "hardware")), "box", False),
        (Again("cloned", "box", ("id", "hardware")), "m", True),
        (Again("cloned", "box", ("id", "hardware")), "box", True),  # at its very address
        (
            Again("unsure", "box", ("host_key",)),
            "box",
            False,
        ),  # a person said that it moved, and the old place is silent
        (Again("unsure", "box", ("id", "host_key")), "m", True),  # our id with other host keys: its agents came along
        (Again("unsure", "box", ("hardware",)), "m", False),  # a known computer with another system runs none of ours
        (Again("unsure", "box", ("address",)), "box", False),
    ],
)
def test_a_machine_with_the_disk_of_another_is_a_copy(again: Again, name: str, *, copy: bool) -> None:
    assert is_copy(again, name) is copy


def test_what_was_noticed_is_written_down_whole_and_forgotten_again(tmp_path: Path) -> None:
    written = twins.note(tmp_path, "box", THERE, KEY, ("helper", "quiet"))
    found = twins.find(tmp_path, "box")
    assert found
    assert found == written
    assert found.machine == THERE
    assert twins.place_of(found.machine) == "[10.0.0.9]:2222 via me@gate"
    twins.drop(tmp_path, "box")
    assert twins.find(tmp_path, "box") is None


def test_a_machine_with_a_copy_is_not_opened_and_the_sentence_names_both_places(tmp_path: Path) -> None:
    twins.note(tmp_path, "box", THERE, KEY, ())
    with pytest.raises(Refused) as error:
        Ports(tmp_path)("box", BOX)
    assert error.value.key == "twin.stopped"
    assert "10.0.0.5" in str(error.value)
    assert "[10.0.0.9]:2222" in str(error.value)


@pytest.mark.parametrize(
    "line", ['address: "-oProxyCommand=x"', 'address: "a b"', 'jump: "x@"', 'stopped: ["../x"]', "more: 1"]
)
def test_a_note_that_was_tampered_with_is_bad_input(tmp_path: Path, line: str) -> None:
    twins.note(tmp_path, "box", BOX, KEY, ())
    path = tmp_path / "twins" / "box.yaml"
    key = line.partition(":")[0]
    rows = [row for row in path.read_text().splitlines() if not row.startswith(f"{key}:")]
    path.write_text("\n".join([*rows, line]) + "\n")
    with pytest.raises(BadInput):
        twins.find(tmp_path, "box")


def test_a_newer_note_is_refused_not_guessed_at(tmp_path: Path) -> None:
    twins.note(tmp_path, "box", BOX, KEY, ())
    path = tmp_path / "twins" / "box.yaml"
    path.write_text(path.read_text().replace("version: 1", "version: 2"))
    with pytest.raises(Refused):
        twins.find(tmp_path, "box")


def test_one_id_on_two_machines_is_told_of_both() -> None:
    seen = Seen(machines={"a": SeenMachine(id="x"), "b": SeenMachine(id="y"), "c": SeenMachine(id="x"), "d": None})
    assert observe.twice(seen) == {"a": "c", "c": "a"}
    wish = Wish(machines=dict.fromkeys(seen.machines, BOX))
    views = {name: observe.machine_view(name, BOX, seen, {}, wish) for name in seen.machines}
    assert "carry one id" in views["a"].trouble
    assert "carry one id" in views["c"].trouble
    assert "carry one id" not in views["b"].trouble
    assert observe.twice(Seen(machines={"a": SeenMachine(id=""), "b": SeenMachine(id="")})) == {}


def test_the_numbers_of_the_hardware_are_kept_in_one_order() -> None:
    facts = Facts({"id.mac.eth0": "b", "id.board_serial": "a", "uname_s": "Linux"})
    assert kept(facts) == ("board_serial=a", "mac.eth0=b")


@pytest.mark.parametrize("verb", ["remove", "handover"])
def test_a_machine_with_a_copy_is_neither_removed_nor_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("CLAWRACK_FLEET", str(tmp_path / "fleet"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    fleet = open_fleet()
    load.save_machine(fleet.folder, "box", BOX)
    twins.note(fleet.folder, "box", THERE, KEY, ())
    acts = {
        "remove": lambda: fleet.remove_machine("box", keep_state=False),
        "handover": lambda: hand_over("box", Parting(way="off"), None, "", ignore),
    }
    with pytest.raises(Refused) as error:
        acts[verb]()
    assert error.value.key == "twin.stopped"
    assert (list(load.load(fleet.folder).machines), list((tmp_path / "state").glob("*ing/*"))) == (["box"], [])
