import io
import json
import tarfile
import threading
import time
from pathlib import Path

import msgspec
import pytest

from fleet.base.errors import StateDamaged
from fleet.images import archive, layer
from fleet.images.archive import Built
from fleet.images.cache import Cache, whole
from fleet.images.recipe import Recipe
from fleet.images.tree import Tree, text

RECIPE = msgspec.convert(
    {
        "name": "small",
        "version": "7",
        "apt": [],
        "env": {"A": "1"},
        "entrypoint": ["tini", "--"],
        "cmd": ["run"],
        "user": "1000:1000",
        "port": 80,
        "health": {"test": ["CMD", "true"]},
    },
    Recipe,
)


def unheard(done: int, total: int) -> None:
    assert done <= total


def built(cache: Cache, made_from: str = "a" * 64, key: str = "asked", content: str = "hello") -> Built:
    with cache.part() as part:
        folder = part / "image"
        folder.mkdir()
        trees = {"base": Tree({"a": text(content)}), "app": Tree({"b": text(content * 1000)})}
        layers = tuple(layer.write(tree, folder / f"{name}.tar.gz", 0, unheard) for name, tree in trees.items())
        config = archive.configuration(RECIPE, "arm64", layers, made_from)
        name = f"clawrack/small:7-{made_from[:12]}"
        made = Built(recipe=made_from, name=name, architecture="arm64", config=config, layers=layers, resolved={})
        return cache.keep(made, key, folder)


def test_what_was_kept_is_found_by_its_hash_and_by_what_was_asked(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    made = built(cache)
    assert cache.get("a" * 64) == made == cache.asked("asked")
    assert whole(made)
    assert [image.name for image in cache.listed()] == [made.name]


def test_two_builds_of_one_thing_have_the_same_ids(tmp_path: Path) -> None:
    assert built(Cache(tmp_path / "1")).ids == built(Cache(tmp_path / "2")).ids


def test_a_changed_byte_in_a_layer_is_noticed(tmp_path: Path) -> None:
    made = built(Cache(tmp_path))
    file = Path(made.folder) / made.layers[1].name
    raw = bytearray(file.read_bytes())
    raw[-20] ^= 1
    file.write_bytes(raw)
    assert not whole(made)


def test_a_missing_layer_is_noticed(tmp_path: Path) -> None:
    made = built(Cache(tmp_path))
    (Path(made.folder) / made.layers[0].name).unlink()
    assert not whole(made)


def test_a_description_that_is_not_whole_is_damage_and_not_an_empty_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    file = Path(built(cache).folder) / "image.json"
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(StateDamaged):
        cache.asked("asked")
    assert cache.listed() == []


def test_a_build_that_was_cut_off_leaves_nothing_that_looks_like_an_image(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def cut_off() -> None:
        with cache.part() as part:
            (part / "image.json").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    assert list(tmp_path.iterdir()) == []


def test_pruning_keeps_what_it_is_told_to_keep(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    kept, gone = built(cache), built(cache, "b" * 64, "other", "something else")
    (tmp_path / "part-left").mkdir()
    freed = cache.prune({kept.recipe})
    assert freed >= gone.size
    assert cache.get(kept.recipe) == kept
    assert cache.asked("other") is None
    assert not (tmp_path / "part-left").exists()


def test_pruning_does_not_take_the_folder_from_under_a_builder(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with cache.locked("key"), cache.part() as part:
        cache.prune(())
        assert part.is_dir()


def test_two_builders_of_one_recipe_come_one_after_the_other(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    order: list[str] = []

    def second() -> None:
        with cache.locked("key"):
            order.append("second")

    with cache.locked("key"):
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def test_the_archive_has_the_size_that_was_foretold_and_both_formats_name_the_same_layers(tmp_path: Path) -> None:
    made = built(Cache(tmp_path))
    raw = b"".join(archive.stream(made))
    assert len(raw) == archive.total(made)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        files = {info.name: tar.extractfile(info).read() for info in tar}  # pyright: ignore[reportOptionalMemberAccess]
    docker = json.loads(files["manifest.json"])[0]
    index = json.loads(files["index.json"])
    manifest = json.loads(files["blobs/" + index["manifests"][0]["digest"].replace(":", "/")])
    assert docker["Layers"] == ["blobs/" + row["digest"].replace(":", "/") for row in manifest["layers"]]
    assert docker["Config"] == "blobs/" + manifest["config"]["digest"].replace(":", "/")
    assert made.ids == (manifest["config"]["digest"], index["manifests"][0]["digest"])
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert archive.digest(content) == name.removeprefix("blobs/").replace("/", ":")


def test_layers_that_need_not_be_sent_are_left_out(tmp_path: Path) -> None:
    made = built(Cache(tmp_path))
    without = {made.layers[0].diff_id}
    raw = b"".join(archive.stream(made, without))
    assert len(raw) == archive.total(made, without) < archive.total(made)


def test_the_configuration_says_what_the_recipe_says(tmp_path: Path) -> None:
    config = json.loads(built(Cache(tmp_path)).config)
    assert (config["architecture"], config["variant"], config["os"]) == ("arm64", "v8", "linux")
    assert config["config"]["Entrypoint"] == ["tini", "--"]
    assert config["config"]["User"] == "1000:1000"
    assert config["config"]["Env"] == ["A=1"]
    assert config["config"]["Healthcheck"]["Interval"] == 180_000_000_000
    assert config["config"]["Labels"]["clawrack.recipe"] == "a" * 64
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == 2
