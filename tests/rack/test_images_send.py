from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from fleet.base.errors import Refused, StateDamaged
from fleet.base.outcome import AlreadyTrue, Done, Failed, Unknown
from fleet.images import engine, layer
from fleet.images.cache import Cache
from fleet.images.send import send
from fleet.images.tree import Tree, text
from fleet.machine.ssh import SshPort
from tests.rack.images_rig import Cutter, Heard, made, noise, port_to
from tests.rack.machine import Build, Machine

MIB = 1 << 20


@pytest.fixture(scope="module")
def machine() -> Generator[Machine]:
    with Machine(Build(docker=True)) as ready:
        yield ready


@pytest.fixture
def port(machine: Machine) -> Generator[SshPort]:
    opened = port_to(machine)
    yield opened
    opened.close()


def test_an_image_arrives_over_ssh_and_is_not_sent_again(port: SshPort, tmp_path: Path) -> None:
    built = made(Cache(tmp_path), "one", {"hello": noise(3 * MIB)})
    heard, again = Heard(), Heard()
    assert send(port.docker(), built, heard, machine=port.name) == Done()
    assert engine.held(port.docker(), built.ids) == built.config_id
    assert heard.total("image.step.send") >= built.size
    assert send(port.docker(), built, again, machine=port.name) == AlreadyTrue()
    assert again == []


def test_layers_that_the_machine_holds_are_not_sent(port: SshPort, tmp_path: Path) -> None:
    cache, shared = Cache(tmp_path), noise(3 * MIB)
    first = made(cache, "two", {"base": shared, "app": noise(MIB)})
    second = made(cache, "two", {"base": shared, "app": noise(MIB)})
    heard = Heard()
    assert send(port.docker(), first) == Done()
    assert send(port.docker(), second, heard) == Done()
    assert MIB < heard.total("image.step.send") < 2 * MIB
    assert engine.held(port.docker(), second.ids)


def test_an_image_for_another_architecture_is_refused_before_anything_is_sent(port: SshPort, tmp_path: Path) -> None:
    heard = Heard()
    with pytest.raises(Refused) as told:
        send(port.docker(), made(Cache(tmp_path), "three", {"a": b"x"}, "arm64"), heard, machine=port.name)
    assert heard == []
    assert told.value.where == port.name
    assert "clawrack machine list" in told.value.part("next")


def test_a_layer_that_was_damaged_in_the_cache_is_not_sent(port: SshPort, tmp_path: Path) -> None:
    built = made(Cache(tmp_path), "four", {"a": noise(1000)})
    file = Path(built.folder) / built.layers[0].name
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    with pytest.raises(StateDamaged):
        send(port.docker(), built)
    assert not engine.held(port.docker(), built.ids)


def test_an_image_that_is_not_what_its_id_says_is_noticed_by_the_machine(port: SshPort, tmp_path: Path) -> None:
    built = made(Cache(tmp_path), "five", {"a": noise(1000)})
    file = Path(built.folder) / built.layers[0].name
    file.unlink()
    other = layer.write(Tree({"a": text("something else")}), file, 0)
    forged = msgspec.structs.replace(built, layers=(msgspec.structs.replace(other, diff_id=built.layers[0].diff_id),))
    outcome = send(port.docker(), forged)
    assert isinstance(outcome, Failed)
    assert "did not arrive whole" in outcome.reason
    assert not engine.held(port.docker(), forged.ids)


def test_a_wire_cut_on_the_way_is_unknown_and_the_next_run_carries_on(machine: Machine, tmp_path: Path) -> None:
    wire = Cutter(machine, after=2 * MIB)
    port = port_to(machine, wire)
    built = made(Cache(tmp_path), "six", {"a": noise(8 * MIB)})
    try:
        assert isinstance(send(port.docker(), built), Unknown)
        wire.after = 0
        assert send(port.docker(), built) == Done()
        assert engine.held(port.docker(), built.ids)
    finally:
        port.close()
        wire.close()


def test_a_full_disk_is_told_and_nothing_half_is_left(tmp_path: Path) -> None:
    with Machine(Build(docker=True, disk=80)) as small:
        port = port_to(small)
        built = made(Cache(tmp_path), "seven", {"a": noise(76 * MIB)})
        outcome = send(port.docker(), built)
        assert isinstance(outcome, Failed)
        assert "no space left" in outcome.reason
        assert not engine.held(port.docker(), built.ids)
        assert small.run("ls", "/var/lib/docker/tmp").text == ""
        port.close()
