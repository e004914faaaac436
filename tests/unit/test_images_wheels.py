"""Applications of the Python registry, and what a recipe says of older versions."""

from pathlib import Path

import pytest

import templates
from fleet.base.errors import ActionFailed
from fleet.images import load
from fleet.images.recipe import recipe_hash, recipe_key
from fleet.images.wheels import package_name, python_of

NANOBOT = templates.path("kinds", "nanobot", "image.yaml")
OPENCLAW = templates.path("kinds", "openclaw", "image.yaml")
TINY = "name: t\nversion: '2'\napt: [python3]\nneeds: [a, b]\n"


@pytest.mark.parametrize(
    ("version", "python"),
    [("3.11.2-1+b1", "3.11"), ("3.13.5-1", "3.13"), ("3.12.3-0ubuntu2", "3.12"), ("1:3.10.6-1~22.04", "3.10")],
)
def test_the_python_of_an_image_is_that_of_its_packages(version: str, python: str) -> None:
    assert python_of({"python3": version}) == python


@pytest.mark.parametrize("resolved", [{}, {"python3": ""}, {"python3.11": "3.11.2"}, {"python3": "2.7.18-3"}])
def test_an_image_without_python_gets_no_wheels(resolved: dict[str, str]) -> None:
    with pytest.raises(ActionFailed):
        python_of(resolved)


@pytest.mark.parametrize(
    ("requirement", "name"),
    [("nanobot-ai[api]==0.3.5", "nanobot-ai"), ("a.b_c", "a.b_c"), ("a>=1,<2", "a"), ("a ; python_version>'3'", "a")],
)
def test_a_requirement_names_its_package(requirement: str, name: str) -> None:
    assert package_name(requirement) == name


def test_an_application_is_npms_or_pips_and_its_version_is_the_one_that_is_asked_for() -> None:
    assert (load(NANOBOT).requirement, load(NANOBOT).package) == ("nanobot-ai[api]==0.3.5", "")
    assert load(NANOBOT, "0.3.0").requirement == "nanobot-ai[api]==0.3.0"
    assert (load(OPENCLAW).requirement, load(OPENCLAW).package) == ("", "openclaw@2026.9.6")


def test_an_older_version_need_not_have_what_came_later() -> None:
    later = set(load(OPENCLAW).needs) - set(load(OPENCLAW, "2026.8.2").needs)
    assert later == {"app/node_modules/@openclaw/fs-safe-linux-{cpu}-gnu/fs-safe-native.node"}
    assert load(OPENCLAW, "2026.9.1").needs == load(OPENCLAW).needs


def test_what_is_said_of_older_versions_changes_no_other_image(tmp_path: Path) -> None:
    plain, said = tmp_path / "plain.yaml", tmp_path / "said.yaml"
    plain.write_text(TINY)
    said.write_text(f"{TINY}older: [{{before: '1.5', lacks: [a]}}]\n")
    assert recipe_key(load(plain), "amd64") == recipe_key(load(said), "amd64")
    assert recipe_hash(load(plain), "amd64", {}) == recipe_hash(load(said), "amd64", {})
    assert load(said, "1").needs == ("b",)
