"""Images to several machines: each pulls the layers that it lacks through its own SSH connection, and no others."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fleet.base.errors import Refused, StateDamaged
from fleet.base.outcome import AlreadyTrue, Done, Outcome
from fleet.images import engine, lan, serve, serve_program
from fleet.images.archive import Built
from fleet.images.cache import Cache
from fleet.images.lan import Lan
from fleet.machine.ssh import SshPort
from tests.rack.images_rig import Heard, docker_registry, made, noise
from tests.rack.lan_rig import counted
from tests.rack.machine import Build, Machine
from tests.rack.wire import Wire

MIB = 1 << 20
SPARE = MIB // 2
"""What else passes the wire: SSH itself, the engine's questions."""
Reached = tuple[SshPort, Wire]


@pytest.fixture(scope="module")
def three() -> Iterator[list[Reached]]:
    with contextlib.ExitStack() as held:
        with ThreadPoolExecutor(3) as pool:
            machines = list(pool.map(Machine, [Build(docker=True)] * 3))
        for machine in machines:
            held.enter_context(machine)
        yield [held.enter_context(counted(machine)) for machine in machines]


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{docker_registry().parent}:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")


def carried(whole: Lan, reached: list[Reached], built: Built, heard: Heard) -> list[int]:
    """Have an image on all of them at once; return the bytes that went to each."""

    def one(there: Reached) -> Outcome:
        return whole.carry(there[0], there[0].docker(), built, heard)

    before = [wire.carried for _, wire in reached]
    with ThreadPoolExecutor(len(reached)) as pool:
        outcomes = list(pool.map(one, reached))
    assert outcomes == [Done()] * len(reached)
    assert all(engine.held(port.docker(), built.ids) for port, _ in reached)
    return [wire.carried - was for (_, wire), was in zip(reached, before, strict=True)]


def test_three_machines_fetch_an_image_and_then_only_what_changed(three: list[Reached], tmp_path: Path) -> None:
    cache, shared = Cache(tmp_path), noise(6 * MIB)
    first = made(cache, "lan", {"base": shared, "app": noise(2 * MIB)})
    second = made(cache, "lan", {"base": shared, "app": noise(MIB)})
    whole, heard = Lan(cache), Heard()
    moved = carried(whole, three, first, heard)
    assert all(first.size <= one < first.size + SPARE for one in moved), moved
    assert "image.step.share" in heard.steps()
    assert "image.step.not_shared" not in heard.steps(), heard
    again = carried(whole, three, second, heard)
    assert all(MIB <= one < MIB + SPARE for one in again), again
    for port, _ in three:
        assert whole.carry(port, port.docker(), second, heard) == AlreadyTrue()
        said = port.run(("docker", "images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}")).out
        assert set(said.decode().splitlines()) == {f"{one.name} <none>" for one in (first, second)}
    assert not list(cache.home.glob(f"{serve.PART}*")), "the registry's folder is gone with the last of them"


def test_a_layer_is_laid_out_once_and_takes_no_room_of_its_own(tmp_path: Path) -> None:
    cache, shared = Cache(tmp_path), noise(MIB)
    images = [made(cache, "shelf", {"base": shared, "app": noise(1000)}) for _ in range(2)]
    shelf = lan.House(cache)
    with shelf.open(docker_registry()) as served, shelf.open(docker_registry()) as same:
        assert served is same
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(served.shelf.add, images * 6))
        assert (
            len(list(served.shelf.digests())) == 3 + 2 * 2
        )  # a shared layer, two others; a configuration and manifest each
        base = Path(images[0].folder) / images[0].layers[0].name
        assert base.stat().st_nlink >= 2


def test_what_is_served_can_only_be_read_and_listens_on_no_port(tmp_path: Path) -> None:
    with lan.House(Cache(tmp_path)).open(docker_registry()) as served, served.reach() as sock:
        sock.sendall(b"POST /v2/x/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 405 " in sock.makefile("rb").readline()


def test_the_program_is_fetched_once_and_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    installed = shutil.which(serve_program.PACKAGE)
    cache = Cache(tmp_path / "images")
    with ThreadPoolExecutor(2) as pool:
        programs = set(pool.map(serve_program.fetched, [cache, cache]))
    (program,) = programs
    assert subprocess.run([program, "--version"], capture_output=True, check=True).stdout
    assert serve_program.there(cache) == program
    assert shutil.which(serve_program.PACKAGE) == installed


CHILD = """
import pathlib, sys, time
from fleet.images.cache import Cache
from fleet.images.serve import House
with House(Cache(pathlib.Path(sys.argv[1]))).open(pathlib.Path(sys.argv[2])) as served, served.reach() as sock:
    print(sock.getpeername(), flush=True)
    time.sleep(100)
"""


def answers(path: str) -> bool:
    """Whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(path) == 0


def test_a_registry_ends_with_a_killed_controller_and_the_next_one_sweeps_its_folder(tmp_path: Path) -> None:
    words = [sys.executable, "-c", CHILD, str(tmp_path), str(docker_registry())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        path = child.stdout.readline().strip()
        child.kill()
    end = time.monotonic() + 10
    while answers(path):
        assert time.monotonic() < end, "it still answers"
        time.sleep(0.1)
    assert list(tmp_path.glob(f"{serve.PART}*"))
    with lan.House(Cache(tmp_path)).open(docker_registry()):
        assert len(list(tmp_path.glob(f"{serve.PART}*"))) == 1
    assert not list(tmp_path.glob(f"{serve.PART}*"))
    shutil.rmtree(Path(path).parent)


def test_wrong_bytes_under_a_digest_are_refused_by_the_engine_and_told_as_damage(
    three: list[Reached], tmp_path: Path
) -> None:
    port, _ = three[0]
    built = made(Cache(tmp_path), "wrong", {"a": noise(200_000)})
    file = Path(built.folder) / built.layers[0].name
    raw = file.read_bytes()
    file.write_bytes(raw[:-40] + bytes(40))
    heard = Heard()
    with pytest.raises(StateDamaged):
        Lan(Cache(tmp_path)).carry(port, port.docker(), built, heard)
    assert "image.step.not_shared" in heard.steps()
    file.write_bytes(raw[:1000])
    with pytest.raises(StateDamaged):
        Lan(Cache(tmp_path)).carry(port, port.docker(), built, heard)
    assert not engine.held(port.docker(), built.ids)
    assert b"wrong" not in port.run(("docker", "images", "-a")).out


def test_an_image_for_another_architecture_is_neither_served_nor_sent(three: list[Reached], tmp_path: Path) -> None:
    port, wire = three[0]
    heard, before = Heard(), wire.carried
    with pytest.raises(Refused):
        Lan(Cache(tmp_path)).carry(port, port.docker(), made(Cache(tmp_path), "arm", {"a": noise(MIB)}, "arm64"), heard)
    assert wire.carried - before < SPARE
    assert heard == []


def test_where_sshd_forwards_nothing_the_image_is_sent_and_it_is_said(three: list[Reached], tmp_path: Path) -> None:
    port, _ = three[2]
    port.run(("sh", "-c", "echo 'AllowTcpForwarding local' >/etc/ssh/sshd_config.d/01-no.conf; systemctl reload ssh"))
    port.close()
    time.sleep(2)  # an sshd that reads its files again does not listen for a moment
    heard = Heard()
    built = made(Cache(tmp_path), "closed", {"a": noise(100_000)})
    assert Lan(Cache(tmp_path)).carry(port, port.docker(), built, heard) == Done()
    assert {"image.step.not_shared", "image.step.send"} <= heard.steps()
    assert engine.held(port.docker(), built.ids)
