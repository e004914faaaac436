"""Machines that move, also half way through a setup, and machines whose disk was copied: no agent ever lives twice."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet import twins
from fleet.model import Machine as Known
from tests.rack import engine, network, tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.guard_bench import GUARD
from tests.rack.machine import Build, Machine

WHAT = "var/lib/clawrack var/lib/docker usr/local/lib/clawrack etc/systemd/system etc/ssh root/.ssh"
OURS = "docker ps --filter label=clawrack.agent --format '{{.Label \"clawrack.agent\"}}' | grep -v meter || true"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as machine:
        yield machine


@pytest.fixture(scope="module")
def other() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as machine:
        yield machine


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    folder = tmp_path_factory.mktemp("moved")
    made = Controller(folder)
    made.environment["CLAWRACK_KINDS"] = tinykinds.place(folder / "kinds")
    return made


def words(machine: Machine, *more: str) -> tuple[str, ...]:
    told = ("--key", str(machine.key), "--yes", "--json", "--kind", tinykinds.NAME)
    return ("setup", "--machine", f"root@{machine.address}", *told, *more)


def readdress(machine: Machine, fresh: str) -> None:
    """What a DHCP server does that has forgotten a machine."""
    old, width = machine.address, network.ensure(engine.client()).prefixlen
    gateway = machine.sh("ip route show default").text.split()[2]
    machine.sh(f"ip addr del {old}/{width} dev eth0; ip addr add {fresh}/{width} dev eth0")
    machine.sh(f"ip route replace default via {gateway}")
    machine.address = fresh


def agents(machine: Machine) -> list[str]:
    """The agents that run there, as Docker says it."""
    return machine.sh(OURS).text.split()


def machines(controller: Controller) -> dict[str, Any]:
    told = controller.done("status", "--json").document["status"]["machines"]
    return {one["name"]: one for one in told}


def test_an_address_that_changes_half_way_stops_as_unknown_and_the_next_run_carries_on_there(
    machine: Machine, controller: Controller
) -> None:
    fresh = network.take_address(engine.client(), network.ensure(engine.client()))
    process = controller.start(*words(machine, "--fingerprint", machine.fingerprint()))
    assert process.stdout
    for line in process.stdout:
        event = json.loads(line)["event"]
        if (event["step"], event["kind"]) == ("step.guard", "done"):
            break
    old = machine.address
    readdress(machine, fresh)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 4, out.decode()[-2000:]
    done = controller.done(*words(machine, "--moved"))
    assert done.document["receipt"]["machine"] == re.sub(r"[^0-9]", "-", old)  # known by its host key, and named once
    assert f'address: "{fresh}"' in one_file(controller)


def test_a_machine_that_moves_keeps_its_agents(machine: Machine, controller: Controller) -> None:
    fresh = network.take_address(engine.client(), network.ensure(engine.client()))
    readdress(machine, fresh)
    receipt = controller.done(*words(machine, "--moved")).document["receipt"]
    assert receipt["changed"] is False
    assert controller.done("agent", "ask", receipt["agent"], "hello").out
    (after,) = machines(controller).values()
    assert (after["name"], after["state"], after["agents"]) == (receipt["machine"], "ok", 1)


def test_where_the_other_one_is_gone_for_good_what_was_stopped_runs_again_and_can_be_asked(
    machine: Machine, controller: Controller
) -> None:
    ((name, _),) = machines(controller).items()
    there = Known(address=machine.address)
    twins.note(controller.folder / "config/clawrack/fleet", name, there, machine.host_key(), (tinykinds.NAME,))
    taken = machine.run(GUARD, "lease", "somebody", "60").text.removeprefix("token=").split()[0]
    machine.run(GUARD, "stop", taken, tinykinds.NAME)
    machine.run(GUARD, "release", taken)
    assert failed(controller.type("agent", "ask", tinykinds.NAME, "hello", "--json")) == "twin.stopped"
    controller.done("machine", "claim", name, "--at", machine.address, "--gone", "--yes", "--json")
    assert controller.done("agent", "ask", tinykinds.NAME, "hello").out


def failed(typed: Typed) -> str:
    """The key of the error that a command ended with."""
    return json.loads(typed.err.strip().splitlines()[-1])["error"]["key"]


def one_file(controller: Controller) -> str:
    (path,) = (controller.folder / "config/clawrack/fleet/machines").glob("*.yaml")
    return path.read_text()


def copied(machine: Machine, other: Machine, folder: Path) -> None:
    """A disk is copied into another computer, and both are switched on."""
    machine.sh("systemctl stop clawrack-tick.timer 'clawrack-agent@*' clawrack-meter docker.socket docker", timeout=60)
    disk = machine.run("tar", "-C", "/", "--numeric-owner", "-cf", "-", *WHAT.split(), timeout=120).out
    other.sh("systemctl stop docker.socket docker; rm -rf /var/lib/docker/* /var/lib/clawrack; true", timeout=60)
    other.run("tar", "-C", "/", "--numeric-owner", "-xpf", "-", stdin=disk, timeout=120)
    del folder
    for one in (machine, other):
        one.sh("systemctl daemon-reload; systemctl restart ssh; systemctl start docker", timeout=60)
        one.sh("systemctl start clawrack-boot clawrack-tick.timer clawrack-meter 'clawrack-agent@tinykind'", timeout=90)
        one.wait_ready()


def killed_in_the_parting(copy: Machine) -> None:
    """A guard that dies while it makes the copy a machine of its own is told again, by whoever comes next."""
    taken = copy.run(GUARD, "lease", "somebody", "60").text.removeprefix("token=").split()[0]
    for died in ("CLAWRACK_FAILPOINT=anew-agents", "CLAWRACK_FAILPOINT=anew-id"):
        assert copy.run("env", died, GUARD, "anew", taken, "keys", check=False, timeout=60).code in {137, -9}
    copy.run(GUARD, "release", taken)


def test_a_copied_disk_stops_both_and_the_copy_loses_its_agents(
    machine: Machine, other: Machine, controller: Controller, tmp_path: Path
) -> None:
    copied(machine, other, tmp_path)
    assert agents(machine) == agents(other) == [tinykinds.NAME]  # two live copies, from the copy's first boot on
    (name,) = machines(controller)
    noticed = controller.type(*words(other))
    assert noticed.code == 3, noticed
    assert failed(noticed) == "twin.noticed"
    assert (agents(machine), agents(other)) == ([tinykinds.NAME], [])
    stopped = controller.type("agent", "ask", tinykinds.NAME, "hello", "--json")
    assert (stopped.code, failed(stopped)) == (3, "twin.stopped")
    assert controller.type(*words(machine)).code == 3
    assert machines(controller)[name]["state"] == "silent"
    assert controller.type("machine", "claim", name, "--at", "10.1.2.3", "--yes", "--json").code == 2
    before = other.fingerprint()
    killed_in_the_parting(other)
    controller.done("machine", "claim", name, "--at", machine.address, "--yes", "--json")
    assert other.sh("cat /var/lib/clawrack/id").text != machine.sh("cat /var/lib/clawrack/id").text
    assert other.fingerprint() != before == machine.fingerprint()
    assert other.sh("docker ps -aq").text == ""
    assert other.sh("ls /var/lib/clawrack/kept").text.split()[-1] == tinykinds.NAME  # its state is a person's to judge
    assert controller.done("agent", "ask", tinykinds.NAME, "hello").out
    assert controller.done(*words(machine)).document["receipt"]["changed"] is False


@pytest.mark.soak
def test_the_new_computer_may_be_the_real_one_and_then_the_old_one_loses_its_agents(
    machine: Machine, other: Machine, controller: Controller, tmp_path: Path
) -> None:
    copied(machine, other, tmp_path)
    (name,) = machines(controller)
    assert controller.type(*words(other)).code == 3
    controller.done("machine", "claim", name, "--at", other.address, "--yes", "--json")
    assert (agents(machine), agents(other)) == ([], [tinykinds.NAME])
    assert f'address: "{other.address}"' in one_file(controller)
    assert controller.done("agent", "ask", tinykinds.NAME, "hello").out
    assert machines(controller)[name]["state"] == "ok"
