"""The rack itself: that its machines are machines, and that its faults are faults."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.rack import engine, faults, hull, recipe
from tests.rack.machine import Build, Machine, User, owner, reap
from tests.rack.middle import Middle
from tests.rack.neighbour import Neighbour
from tests.rack.places import home
from tests.rack.wire import Cut, Refusing, Slow, Stalled


def ssh(machine: Machine, *words: str, user: str = "root", at: tuple[str, int] | None = None) -> str:
    """What the system's own ssh client gets with the rack's key."""
    address, port = at or (machine.address, machine.port)
    options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"]
    line = ["ssh", "-i", str(machine.key), "-p", str(port), *(f"-o{option}" for option in options)]
    done = subprocess.run([*line, f"{user}@{address}", *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def shown(host: str, port: int) -> str:
    """The ed25519 host key that whoever listens there shows."""
    words = ["ssh-keyscan", "-t", "ed25519", "-p", str(port), host]
    line = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True).stdout
    return " ".join(line.split()[1:3])


def test_a_machine_boots_without_a_failed_unit(machine: Machine) -> None:
    assert machine.run("systemctl", "is-system-running").text == "running"
    assert machine.run("systemctl", "list-units", "--failed", "--no-legend").text == ""


def test_a_bare_machine_has_neither_docker_nor_python_nor_curl(machine: Machine) -> None:
    assert machine.run("sh", "-c", "command -v dockerd docker python3 curl", check=False).out == b""


@pytest.mark.parametrize("system", ["debian11", "debian13"])
def test_other_systems_boot_too(system: str) -> None:
    with Machine(Build(system=system)) as machine:
        assert f'VERSION_ID="{system.removeprefix("debian")}"' in machine.get("/etc/os-release").decode()
        assert machine.run("systemctl", "is-system-running").text == "running"


def test_root_logs_in_with_the_racks_key(machine: Machine) -> None:
    assert ssh(machine, "id", "-u") == "0"


def test_two_machines_have_keys_and_ids_of_their_own(machine: Machine) -> None:
    with Machine() as other:
        assert other.host_key() != machine.host_key()
        assert other.get("/etc/machine-id") != machine.get("/etc/machine-id")


def test_a_reinstalled_machine_shows_another_host_key() -> None:
    with Machine() as machine:
        before = shown(machine.address, 22)
        assert before == machine.host_key()
        machine.new_host_key()
        assert shown(machine.address, 22) not in {before, ""}


def test_users_have_the_sudo_they_were_given() -> None:
    logins = (
        User("asked", "a word", "password", key=True, uid=1000),
        User("free", "a word", "nopasswd", key=True, uid=1001),
        User("none", "a word", "no", key=True, uid=1002),
    )
    with Machine(Build(users=logins)) as machine:
        assert ssh(machine, "sudo", "-n", "id", "-u", user="free") == "0"
        assert ssh(machine, "echo a word | sudo -S -p '' id -u", user="asked") == "0"
        for user in ("asked", "none"):
            with pytest.raises(subprocess.CalledProcessError):
                ssh(machine, "sudo", "-n", "id", user=user)


def test_packages_come_from_where_the_box_gets_them(machine: Machine) -> None:
    assert recipe.mirror(recipe.usual()).site in machine.get("/etc/apt/sources.list").decode()
    machine.run("apt-get", "-q", "update", timeout=120)
    assert "Candidate: (none)" not in machine.run("apt-cache", "policy", "docker.io").text


def test_the_boxs_own_authorities_are_the_machines_too(machine: Machine) -> None:
    bundle = machine.get("/etc/ssl/certs/ca-certificates.crt").decode().split()
    assert all(set(word.split()) <= set(bundle) for word in recipe.authorities())


def test_a_neighbour_reaches_sshd_and_nothing_else(machine: Machine, neighbour: Neighbour) -> None:
    assert neighbour.open_ports(machine.address) == [22]


def test_a_neighbour_with_a_route_reaches_what_a_machine_publishes_nowhere(
    docker_machine: Machine, neighbour: Neighbour
) -> None:
    docker_machine.sh("ip addr add 10.99.98.1/32 dev lo")
    assert neighbour.hears("10.99.98.1", 22) == b""
    neighbour.route("10.99.98.0/28", docker_machine)
    assert neighbour.hears("10.99.98.1", 22) == b"SSH-"


def test_a_machine_with_docker_runs_containers_of_its_own(docker_machine: Machine) -> None:
    assert docker_machine.run("docker", "info", "--format", "{{.Driver}}").text == "overlay2"
    docker_machine.sh("tar -C / -c bin lib lib64 usr/lib64 usr/bin/echo usr/lib/x86_64-linux-gnu | docker import - own")
    assert docker_machine.run("docker", "run", "--rm", "own", "/usr/bin/echo", "inside").text == "inside"


def test_a_power_cut_keeps_the_disk_and_loses_run(docker_machine: Machine) -> None:
    docker_machine.sh("echo kept > /var/lib/docker/mark; echo kept > /var/mark; echo gone > /run/mark")
    address, key = docker_machine.address, docker_machine.host_key()
    faults.power_cut(docker_machine)
    assert docker_machine.get("/var/lib/docker/mark") == docker_machine.get("/var/mark") == b"kept\n"
    assert docker_machine.run("test", "-e", "/run/mark", check=False).code == 1
    assert shown(address, 22) == key


def test_a_reboot_ends_services_in_order(docker_machine: Machine) -> None:
    docker_machine.put(
        "/etc/systemd/system/last.service",
        b"[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/touch /var/ended\n"
        b"[Install]\nWantedBy=multi-user.target\n",
    )
    docker_machine.run("systemctl", "enable", "-q", "--now", "last.service")
    faults.power_cut(docker_machine)
    assert docker_machine.run("test", "-e", "/var/ended", check=False).code == 1
    faults.reboot(docker_machine)
    assert docker_machine.run("test", "-e", "/var/ended").code == 0


def test_a_reboot_typed_in_the_machine_is_one(docker_machine: Machine) -> None:
    docker_machine.sh("touch /run/mark")
    pid = docker_machine.pid
    docker_machine.run("systemctl", "reboot", check=False)
    faults.await_reboot(docker_machine, pid)
    assert docker_machine.run("test", "-e", "/run/mark", check=False).code == 1


def test_a_killed_engine_comes_back_by_itself(docker_machine: Machine) -> None:
    before = docker_machine.run("pidof", "dockerd").text
    faults.kill_dockerd(docker_machine)
    faults.await_docker(docker_machine)
    assert docker_machine.run("pidof", "dockerd").text not in {before, ""}


def test_a_pulled_cable_loses_packets_and_heals() -> None:
    with Machine() as machine:
        faults.disconnect(machine)
        assert not machine.answers(timeout=0.5)
        faults.reconnect(machine)
        machine.wait_ready(within=10)


def test_a_small_disk_gets_full_and_is_relieved() -> None:
    with Machine(Build(disk=64, disk_at="/var/lib/small")) as machine:
        assert machine.disk
        machine.disk.fill()
        full = machine.sh("dd if=/dev/zero of=/var/lib/small/x bs=64k count=16", check=False)
        assert b"No space left" in full.err
        machine.disk.relieve()
        machine.sh("dd if=/dev/zero of=/var/lib/small/x bs=64k count=16")


@pytest.mark.soak
def test_forty_machines_are_up_at_once() -> None:
    with contextlib.ExitStack() as stack:
        machines = [stack.enter_context(Machine()) for _ in range(40)]
        assert len({machine.fingerprint() for machine in machines}) == 40
        assert all(machine.answers() for machine in machines)


def test_a_removed_machine_leaves_nothing_on_the_box() -> None:
    with Machine(Build(disk=32)) as machine:
        name = machine.name
    assert not list((home() / "disks").glob(f"{name}*"))
    assert name not in Path("/proc/self/mounts").read_text()
    assert name not in {container.name for container in engine.client().containers.list(all=True)}


def test_machines_of_a_killed_run_are_reaped_and_those_of_a_living_one_are_not(machine: Machine) -> None:
    script = (
        "from tests.rack.machine import Machine; import os; print(Machine().name, flush=True); os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=False, timeout=60
    )
    gone = reap()
    assert run.stdout.strip() in gone
    assert machine.name not in gone
    assert machine.container.labels["clawrack.rack.owner"] == owner()


def test_a_slow_wire_is_as_slow_as_told(machine: Machine) -> None:
    with Slow(machine.address, machine.port, 200_000) as wire:
        begun = time.monotonic()
        assert ssh(machine, "head -c 300000 /dev/zero | base64", at=_at(wire))
        assert 1.3 < time.monotonic() - begun < 6


def test_a_wire_is_cut_in_the_middle_of_what_it_carries(machine: Machine) -> None:
    with Cut(machine.address, machine.port, 100) as wire, pytest.raises(subprocess.CalledProcessError):
        ssh(machine, "true", at=_at(wire))
    assert wire.carried > 100


def test_a_stalled_wire_takes_everything_and_says_nothing(machine: Machine) -> None:
    with Stalled(machine.address, machine.port) as wire, socket.create_connection(_at(wire), 1) as near:
        near.settimeout(0.5)
        near.sendall(b"SSH-2.0-hello\r\n")
        with pytest.raises(TimeoutError):
            near.recv(1)


def test_a_refusing_wire_ends_before_a_word(machine: Machine) -> None:
    with Refusing(machine.address, machine.port) as wire, socket.create_connection(_at(wire), 1) as near:
        assert near.recv(1) == b""


def test_a_man_in_the_middle_shows_a_key_of_his_own_and_sees_who_tries(machine: Machine) -> None:
    with Middle() as middle:
        assert shown(middle.address, middle.port) not in {machine.host_key(), ""}
        assert not middle.tried
        with pytest.raises(subprocess.CalledProcessError):
            ssh(machine, "true", at=(middle.address, middle.port))
        assert middle.tried


def test_only_what_the_box_lacks_is_dropped_from_a_machine(machine: Machine) -> None:
    inside = machine.sh("grep CapBnd /proc/1/status").text.split()[1]
    here = Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0]
    known = (1 << 38) - 1  # Docker 20.10 knows no later ones
    assert int(inside, 16) & known == int(here, 16) & known
    assert all(name in hull.CAPABILITIES for name in hull.lacking())


def _at(wire: Slow | Cut | Stalled | Refusing) -> tuple[str, int]:
    return wire.address, wire.port
