"""What a fleet survives beside a killed controller: wrong clocks, full disks, prying eyes; and never two copies."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import engine, faults, network
from tests.rack.fleet_rig import Fleet, fleet_of, until
from tests.rack.messenger import Messenger
from tests.rack.neighbour import Neighbour

ROOT = Path(__file__).resolve().parents[2]
CLOCK = Path(__file__).with_name("clock.py")
AGENT, OTHER = "tiny-1", "tiny-2"
APPLY = ("apply", "--yes", "--touch", "2", "--json")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(2, tmp_path_factory.mktemp("fleet")) as made:
        yield made


@pytest.fixture(scope="module")
def messenger() -> Iterator[Messenger]:
    with Messenger(network.gateway(network.ensure(engine.client()))) as made:
        yield made


def polling(fleet: Fleet, messenger: Messenger, number: int) -> None:
    """Have the files wish an agent that asks the messenger; each number is another configuration."""
    fleet.kind(fault=f"polls:{messenger.place}:{number}")


def test_the_messenger_would_notice_two_copies(fleet: Fleet, messenger: Messenger) -> None:
    polling(fleet, messenger, 0)
    fleet.done("apply", AGENT, *APPLY[1:])
    until("it polls", lambda: bool(messenger.pollers))
    box = fleet.at(AGENT)
    copy = box.machine.run("docker", "exec", "-d", f"clawrack-{AGENT}", "python3", "-c", COPY.format(messenger.place))
    assert copy.code == 0
    until("they collide", lambda: bool(messenger.collisions))
    box.machine.run("docker", "exec", f"clawrack-{AGENT}", "python3", "-c", "import os;os.kill(1,15)", check=False)
    until("it is back", lambda: fleet.seen()[AGENT]["state"] == "running")
    messenger.collisions.clear()


COPY = """
import urllib.request as u
for _ in range(30):
    try:
        u.urlopen('http://{}/poll?who=copy', timeout=9).read()
    except OSError:
        pass
"""


def test_never_two_copies_of_one_agent_through_upgrades_rollbacks_reboots_and_power_cuts(
    fleet: Fleet, messenger: Messenger
) -> None:
    box = fleet.at(AGENT)

    def lives(what: str) -> None:
        known = len(messenger.pollers)
        until(f"a new life polls after {what}", lambda: len(messenger.pollers) > known)

    before = len(messenger.pollers)
    polling(fleet, messenger, 1)
    fleet.done("apply", AGENT, *APPLY[1:])
    fleet.done("rollback", AGENT, "--yes", "--touch", "1", "--json")
    fleet.done("agent", "restart", AGENT)
    assert len(messenger.pollers) >= before + 3
    faults.power_cut(box.machine)
    lives("a power cut")
    faults.kill_dockerd(box.machine)
    faults.await_docker(box.machine)
    until("the agent is back", lambda: fleet.seen()[AGENT]["state"] == "running", 60)
    assert messenger.collisions == []


def test_a_controller_whose_clock_is_years_off_does_no_harm(fleet: Fleet) -> None:
    for number, year in enumerate((2015, 2036)):
        fleet.kind(fault=f"calm-{number}")
        off = str((year - 2026) * 365.25 * 86400)
        more = {"CLAWRACK_KINDS": str(fleet.kinds), "PYTHONPATH": str(ROOT)}
        line = (sys.executable, str(CLOCK), off, "apply", OTHER, *APPLY[1:])
        environment = fleet.controller.environment | more
        ended = subprocess.run(line, env=environment, capture_output=True, timeout=200, check=False)
        assert ended.returncode == 0, ended.stderr.decode()[-2000:]
        shown = json.loads(ended.stdout.decode().splitlines()[-1])["rollout"]
        assert shown["state"] == "complete"
        assert abs(int(shown["begun"][:4]) - year) <= 1, "it did believe that clock"
    assert fleet.done("plan", OTHER, "--json").document["plan"]["actions"] == []


def test_a_full_disk_of_the_controller_costs_nothing_but_the_command(fleet: Fleet, tmp_path: Path) -> None:
    alive = fleet.at(OTHER).container()
    state, small = fleet.controller.folder / "state", tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=True)
    try:
        shutil.copytree(state, small / "state", ignore=shutil.ignore_patterns("reports"))
        filler = small / "filler"
        with filler.open("wb") as file:
            while True:
                try:
                    os.write(file.fileno(), b"x" * 4096)
                except OSError:
                    break
        fleet.kind(fault="calm-full")
        more = {"CLAWRACK_KINDS": str(fleet.kinds), "XDG_STATE_HOME": str(small / "state")}
        typed = fleet.controller.type("apply", OTHER, *APPLY[1:], more=more)
        assert typed.code == 5, typed
        assert "space" in typed.err
        assert fleet.at(OTHER).container() == alive, "nothing was stopped"
        filler.unlink()
        again = fleet.controller.type("apply", OTHER, *APPLY[1:], more=more)
        assert again.code == 0, again.out[-3000:] + again.err
        assert fleet.controller.type("rollout", "list", "--json", more=more).code == 0, "its records are whole"
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_no_secret_is_where_it_is_not_used(fleet: Fleet) -> None:
    secrets = [
        value
        for machine in fleet.machines.values()
        for text in machine.sh("cat /var/lib/clawrack/agents/*/secrets/*.json").text.splitlines()
        for value in json.loads(text).values()
    ]
    assert len(secrets) >= 4
    fleet.kind(fault="exit:1")
    typed = fleet.type("apply", OTHER, *APPLY[1:])
    shown = typed.out + typed.err + fleet.type("rollout", "show").out + fleet.type("agent", "logs", OTHER).out
    files = [path for path in fleet.controller.folder.rglob("*") if path.is_file()]
    found = [(path, s[:3]) for path in files for s in secrets if s.encode() in path.read_bytes()]
    assert found == []
    assert [s[:3] for s in secrets if s in shown] == []
    for machine in fleet.machines.values():
        told = machine.sh(TOLD).text
        assert [s[:3] for s in secrets if s in told] == []


TOLD = (
    "docker inspect $(docker ps -aq); for i in $(docker images -q); do docker history --no-trunc $i; done;"
    "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '; journalctl --no-pager -n 3000"
)


def test_nothing_listens_outside_after_all_this(fleet: Fleet) -> None:
    with Neighbour() as neighbour:
        for machine in fleet.machines.values():
            assert neighbour.open_ports(machine.address) == [22]
