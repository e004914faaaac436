"""The examples are fleets: each is read without a complaint, and nothing in them is left out of its test."""

from pathlib import Path

import pytest

from fleet.base.secret import Secret
from fleet.folder import check
from fleet.load import load
from installer.answers import from_file, gather

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in EXAMPLES.glob("*/fleet.yaml")), ids=lambda path: path.name
)
def test_an_example_is_a_fleet_that_can_be_read(folder: Path) -> None:
    wish = load(folder)
    assert wish.machines.keys() == {path.stem for path in (folder / "machines").iterdir()}
    members = {name for of, group in wish.groups.items() for name in group.members(of)}
    assert wish.agents.keys() == members | {path.stem for path in (folder / "agents").iterdir()}
    assert check(folder) == wish


def test_every_folder_of_the_examples_is_a_fleet() -> None:
    assert [path.name for path in EXAMPLES.iterdir() if path.is_dir() and not (path / "fleet.yaml").exists()] == []


def test_the_answers_of_the_examples_are_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rack-password").write_text("a password\n")
    first, second = (gather({}, {}, entry) for entry in from_file(EXAMPLES / "answers.yaml"))
    assert (first.name, second.machine, second.password) == (
        "frontdesk",
        "keeper@192.168.1.22:2222",
        Secret("a password"),
    )
