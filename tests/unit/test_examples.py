"""The examples are fleets: each is read without a complaint, and nothing in them is left out of its test."""

from pathlib import Path

import pytest

from fleet.load import load

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    "folder", sorted(path.parent for path in EXAMPLES.glob("*/fleet.yaml")), ids=lambda path: path.name
)
def test_an_example_is_a_fleet_that_can_be_read(folder: Path) -> None:
    wish = load(folder)
    assert wish.machines.keys() == {path.stem for path in (folder / "machines").iterdir()}
    assert wish.agents.keys() == {path.stem for path in (folder / "agents").iterdir()}


def test_every_folder_of_the_examples_is_a_fleet() -> None:
    assert [path.name for path in EXAMPLES.iterdir() if path.is_dir() and not (path / "fleet.yaml").exists()] == []
