import time
from collections.abc import Generator
from pathlib import Path

import pytest

from fleet.base.errors import ActionFailed
from fleet.images import engine, obtain, registry
from fleet.images.cache import Cache
from fleet.images.registry import Pinned
from fleet.machine.ssh import SshPort
from tests.rack import engine as rack
from tests.rack import network
from tests.rack.images_rig import Heard, Registry, made, noise, port_to, recipe, silent
from tests.rack.machine import Build, Machine


@pytest.fixture(scope="module")
def gateway() -> str:
    return network.gateway(network.ensure(rack.client()))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, gateway: str) -> Generator[Registry]:
    opened = Registry(tmp_path_factory.mktemp("registry"), gateway)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def port(gateway: str) -> Generator[SshPort]:
    plain = f'{{"insecure-registries": ["{gateway}/32"]}}'.encode()
    with Machine(Build(docker=True, files={"/etc/docker/daemon.json": (plain, 0o644)})) as machine:
        opened = port_to(machine)
        yield opened
        opened.close()


def test_the_official_image_is_pulled_by_its_digest_and_then_it_is_there(
    port: SshPort, house: Registry, tmp_path: Path
) -> None:
    built = made(Cache(tmp_path / "maker"), "pulled", {"hello": noise(1 << 20)})
    digest = house.push(built, "official/pulled", "1")
    wanted = recipe("pulled", registry=[f"{house.host}/official/pulled:1"])
    heard, cache = Heard(), Cache(tmp_path)
    image = obtain(port, wanted, heard, cache=cache)
    assert (image.how, image.id) == ("pulled", built.config_id)
    assert image.ref == f"{house.host}/official/pulled@{digest}"
    assert {"image.step.probe", "image.step.resolved", "image.step.pull"} <= heard.steps()
    for again in (obtain(port, wanted, cache=cache), obtain(port, wanted, cache=cache, pinned=image.ref)):
        assert (again.how, again.id, again.ref) == ("there", image.id, image.ref)


def test_a_tag_that_moves_does_not_move_what_a_release_keeps(port: SshPort, house: Registry, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first, second = (made(cache, "moved", {"hello": noise(1000)}) for _ in range(2))
    digest = house.push(first, "official/moved", "1")
    house.push(second, "official/moved", "1")
    wanted = recipe("moved", registry=[f"{house.host}/official/moved:1"])
    pinned = obtain(port, wanted, cache=cache, pinned=f"{house.host}/official/moved@{digest}")
    assert pinned.id == first.config_id


@pytest.mark.parametrize("part", ["index", "manifest", "configuration", "layer"])
def test_wrong_bytes_for_a_digest_never_become_an_image(
    port: SshPort, house: Registry, tmp_path: Path, part: str
) -> None:
    built = made(Cache(tmp_path), f"spoiled-{part}", {"hello": noise(5000)})
    digest = house.push(built, f"official/{part}", "1")
    spoiled = {
        "index": digest,
        "manifest": built.manifest_id,
        "configuration": built.config_id,
        "layer": built.layers[0].digest,
    }
    house.spoil(spoiled[part])
    wanted = recipe(f"spoiled-{part}", registry=[f"{house.host}/official/{part}:1"])
    with pytest.raises(ActionFailed) as told:
        obtain(port, wanted, cache=Cache(tmp_path), pinned=f"{house.host}/official/{part}@{digest}")
    assert told.value.key == "image.pull_failed"
    assert not engine.inspect(port.docker(), f"{house.host}/official/{part}@{digest}")
    assert not engine.held(port.docker(), built.ids)


def test_an_image_that_the_registry_does_not_have_is_no_answer(port: SshPort, house: Registry) -> None:
    assert registry.probe(port.docker(), [f"{house.host}/official/nothing:1"]) is None


def test_a_registry_that_never_answers_holds_nobody_up(port: SshPort, gateway: str) -> None:
    with silent(gateway) as host:
        began = time.monotonic()
        assert registry.probe(port.docker(), [f"{host}/a:1"], seconds=2) is None
        assert time.monotonic() - began < 4
    port.docker().ping()


def test_the_first_registry_that_answers_is_taken_where_the_best_is_silent(
    port: SshPort, house: Registry, tmp_path: Path, gateway: str
) -> None:
    digest = house.push(made(Cache(tmp_path), "second", {"hello": b"x"}), "official/second", "1")
    with silent(gateway) as host:
        found = registry.probe(port.docker(), [f"{host}/a:1", f"{house.host}/official/second:1"], seconds=3)
    assert found == Pinned(f"{house.host}/official/second", digest, ("amd64",))


def test_an_image_of_another_architecture_is_never_taken_for_ours(
    port: SshPort, house: Registry, tmp_path: Path
) -> None:
    built = made(Cache(tmp_path), "other", {"hello": b"x"}, "arm64")
    digest = house.push(built, "official/other", "1")
    with pytest.raises(ActionFailed):
        registry.pull(port.docker(), Pinned(f"{house.host}/official/other", digest))


def test_where_no_registry_answers_the_image_is_built_here_and_sent_and_both_are_said(
    port: SshPort, tmp_path: Path, gateway: str
) -> None:
    wanted = recipe("built", apt=["busybox-static"], registry=[f"{gateway}:9/none:1"], needs=["bin/busybox"])
    heard, cache = Heard(), Cache(tmp_path)
    image = obtain(port, wanted, heard, cache=cache)
    assert image.how == "sent"
    assert {"image.step.no_registry", "image.step.packages", "image.step.send"} <= heard.steps()
    assert obtain(port, wanted, cache=cache).how == "there"
    assert obtain(port, wanted, cache=Cache(tmp_path / "another"), pinned=image.ref).id == image.id
