"""Which versions of a kind there are, asked of the registries that this box uses; nothing is built."""

import itertools
from pathlib import Path

import pytest

from fleet.base.errors import Refused
from fleet.images import load
from fleet.images.published import missing
from fleet.images.recipe import recipe_of
from fleet.kinds import kind, recipe_file
from fleet.versions import older
from tests.rack.controller import Controller
from tests.unit.test_schema import fits


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"))


@pytest.mark.parametrize("name", ["openclaw", "nanobot"])
def test_the_versions_of_a_kind_are_listed_the_newest_first_and_what_may_not_run_says_so(
    controller: Controller, name: str
) -> None:
    typed = controller.done("image", "versions", name, "--json")
    assert fits(typed.out) == "versions"
    rows = typed.document["versions"]
    assert [row["image_version"] for row in rows if row["usual"]] == [kind(name).version]
    assert all(not older(a["image_version"], b["image_version"]) for a, b in itertools.pairwise(rows))
    floor = kind(name).floor
    assert {row["image_version"] for row in rows if row["refused"]} == {
        row["image_version"] for row in rows if floor and older(row["image_version"], floor.version)
    }


@pytest.mark.parametrize(
    ("name", "wanted", "near"), [("openclaw", "2026.9.77", "2026.9.6"), ("nanobot", "0.3.4", "0.3.5")]
)
def test_a_version_that_does_not_exist_is_told_with_the_nearest(
    name: str, wanted: str, near: str, tmp_path: Path
) -> None:
    error = missing(load(recipe_file(name), wanted), tmp_path)
    assert error
    assert (error.key, error.exit_code) == ("version.unknown", 2)
    assert near in error.part("why")
    assert missing(load(recipe_file(name), kind(name).version), tmp_path) is None


def test_no_image_is_made_of_a_version_below_the_floor() -> None:
    with pytest.raises(Refused, match=r"2026\.1\.20"):
        recipe_of("openclaw", "2026.1.20")


def test_the_images_that_were_built_here_are_listed(controller: Controller) -> None:
    typed = controller.done("image", "list", "--json")
    assert fits(typed.out) == "images"
    for row in typed.document["images"]:
        assert row["name"].startswith(f"clawrack/{row['of']}:{row['image_version']}-")
        assert row["megabytes"] > 0
