from pathlib import Path

import msgspec
import pytest

import templates
from fleet.base.errors import BadInput
from fleet.images import ahead
from fleet.images.recipe import Recipe, load, recipe_hash, recipe_key

VERSIONS = {"curl": "7.88.1-10", "git": "1:2.39.5-0"}


def small(**more: object) -> Recipe:
    return msgspec.convert({"name": "small", "version": "1", "apt": ["curl"], **more}, Recipe)


def written(folder: Path, text: str) -> Path:
    file = folder / "image.yaml"
    file.write_text(text)
    return file


def test_every_recipe_that_is_shipped_can_be_read() -> None:
    names = [
        load(templates.path(*parts)).name for parts in (("kinds", "openclaw", "image.yaml"), ("meter", "image.yaml"))
    ]
    assert names == ["openclaw", "clawrack-meter"]


def test_the_registry_that_is_asked_before_a_build_is_the_one_that_docker_would_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(ahead, "_answers", asked.append)
    ahead._to_be_had(small(registry=["one/two:1", "plain:1", "docker.io/one/two:1", "ghcr.io/one/two:1"]))  # pyright: ignore[reportPrivateUsage]
    assert asked == ["docker.io", "docker.io", "docker.io", "ghcr.io"]


def test_another_version_of_the_program_changes_the_package_and_the_tags_alone() -> None:
    shipped = load(templates.path("kinds", "openclaw", "image.yaml"))
    other = load(templates.path("kinds", "openclaw", "image.yaml"), "2026.9.5")
    assert other.app == "openclaw@2026.9.5"
    assert other.registry == ("ghcr.io/openclaw/openclaw:2026.9.5", "docker.io/openclaw/openclaw:2026.9.5")
    assert (
        msgspec.structs.replace(other, version=shipped.version, app=shipped.app, registry=shipped.registry) == shipped
    )


def test_no_recipe_that_is_shipped_invents_a_digest() -> None:
    for parts in (("kinds", "openclaw", "image.yaml"), ("meter", "image.yaml")):
        assert "sha256:" not in templates.text(*parts)


def test_the_hash_changes_with_each_thing_that_goes_in() -> None:
    recipe = small()
    seen = {
        recipe_hash(recipe, "amd64", VERSIONS),
        recipe_hash(recipe, "arm64", VERSIONS),
        recipe_hash(recipe, "amd64", {**VERSIONS, "git": "1:2.39.5-1"}),
        recipe_hash(small(env={"A": "1"}), "amd64", VERSIONS),
        recipe_hash(recipe, "amd64", VERSIONS, b"-----BEGIN CERTIFICATE-----"),
    }
    assert len(seen) == 5


def test_the_hash_does_not_depend_on_the_order_in_which_apt_names_packages() -> None:
    backwards = dict(reversed(VERSIONS.items()))
    assert recipe_hash(small(), "amd64", VERSIONS) == recipe_hash(small(), "amd64", backwards)


def test_a_changed_file_of_ours_is_another_recipe(tmp_path: Path) -> None:
    file = written(tmp_path, "name: a\nversion: '1'\napt: []\nfiles: {program: /usr/lib/a}\n")
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "main.py").write_text("print(1)\n")
    before = recipe_key(load(file), "amd64")
    (tmp_path / "program" / "main.py").write_text("print(2)\n")
    assert recipe_key(load(file), "amd64") != before


def test_what_python_compiled_beside_our_files_stays_out(tmp_path: Path) -> None:
    file = written(tmp_path, "name: a\nversion: '1'\napt: []\nfiles: {program: /usr/lib/a}\n")
    for name in ("main.py", "__pycache__/main.cpython-311.pyc"):
        (tmp_path / "program" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "program" / name).write_text("x")
    assert [ours.to for ours in load(file).ours] == ["/usr/lib/a/main.py"]


def test_a_misspelt_field_is_told_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, "name: a\nversion: '1'\napt: []\nentrypiont: [x]\n")
    with pytest.raises(BadInput) as told:
        load(file)
    assert told.value.where == f"{file}:4:1"


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    file = written(tmp_path, "name: a\nversion: '1'\napt: []\nfiles: {gone: /usr/lib/a}\n")
    with pytest.raises(BadInput) as told:
        load(file)
    assert told.value.where == str(tmp_path / "gone")
