"""A fleet of rack machines, an engine and an agent of the small kind on each, against what is typed by hand.

One line of JSON for each of three figures, medians where there are runs:
- status: a warm look at all of them, against the same call of the guard's typed over the same connections;
- ready: an agent on each, from the plan to ready, images there, against as many `docker run` typed at once over SSH;
- downtime: of an upgrade that changes the configuration, seen from the machine, against stop, start, ready by hand.
Run as root: ``uv run benchmarks/rack.py [MACHINES]``.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml

from clawrack.wire import open_fleet
from fleet.machine.guard import Guard
from fleet.machine.many import many
from tests.rack.fleet_rig import Fleet, fleet_of
from tests.rack.machine import Machine

MACHINES = 20
SWEEPS = 7
RUNS = 5
POLL = """
import http.client, socket, sys, time
addresses, gone, since = sys.argv[1].split(","), 0.0, 0.0
begun = time.monotonic()
while time.monotonic() - begun < float(sys.argv[2]):
    well = False
    for address in addresses:
        try:
            with socket.create_connection((address, 8080), 0.2) as near:
                near.sendall(b"GET /healthz HTTP/1.0\\r\\n\\r\\n")
                well = well or b"200" in near.recv(64)
        except OSError:
            pass
    now = time.monotonic()
    if well and since:
        gone, since = gone + now - since, 0.0
    elif not well and not since:
        since = now
    time.sleep(0.01)
print(gone)
"""


def main() -> None:
    """Print the three lines."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MACHINES
    with tempfile.TemporaryDirectory() as folder, fleet_of(count, Path(folder)) as fleet:
        os.environ.update({k: v for k, v in fleet.controller.environment.items() if k.startswith(("XDG", "CLAW"))})
        os.environ["CLAWRACK_KINDS"] = str(fleet.kinds)
        for figure in (status, downtime, ready):
            print(json.dumps({"benchmark": f"rack_{figure.__name__}", "machines": count} | figure(fleet)), flush=True)


def status(fleet: Fleet) -> dict[str, Any]:
    """Compare a warm status with the guard's own answer over the same connections."""
    opened = open_fleet()
    machines = opened.wish().machines
    guards = [Guard(opened.open(name, machine)) for name, machine in machines.items()]

    def by_hand() -> object:
        return many(lambda guard: guard.port.run((guard.path, "look"), root=True), guards)

    opened.status()
    ours, hand = interleaved(opened.status, by_hand, SWEEPS)
    return {
        "status_s": ours,
        "sweep_s": hand,
        "ratio": round(ours / hand, 2),
        "at_most": 2,
        "agents": len(fleet.agents),
    }


def interleaved(one: Callable[[], object], other: Callable[[], object], runs: int) -> tuple[float, float]:
    """Return the median seconds of both, run in turns."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for work, seconds in zip((one, other), took, strict=True):
            begun = time.monotonic()
            work()
            seconds.append(time.monotonic() - begun)
    return round(statistics.median(took[0]), 3), round(statistics.median(took[1]), 3)


def downtime(fleet: Fleet) -> dict[str, Any]:
    """Compare how long an agent is away in an upgrade with a stop and a start by hand."""
    box = fleet.at("tiny-1")
    there = box.look()["subnet"].rsplit(".", 1)
    first = int(there[1].split("/")[0])
    ours, hand = list[float](), list[float]()
    for number in range(RUNS):
        fleet.kind(fault=f"calm-{number}")
        addresses = [f"{there[0]}.{first + n}" for n in range(2, 6)]
        ours.append(
            away(box.machine, addresses, lambda: fleet.done("apply", "tiny-1", "--yes", "--touch", "1", "--json"))
        )
        hand.append(
            away(box.machine, [by_hand(box.machine)], lambda: box.machine.sh("docker stop hand; docker start hand"))
        )
        box.machine.sh("docker rm -f hand")
    more = statistics.median(ours) - statistics.median(hand)
    return {
        "upgrade_s": round(statistics.median(ours), 2), "by_hand_s": round(statistics.median(hand), 2),
        "more_s": round(more, 2), "at_most_more_s": 1.5, "state_mib": 0,
    }  # fmt: skip


def away(machine: Machine, addresses: list[str], work: Callable[[], object]) -> float:
    """Return for how many seconds nobody answered at the addresses while the work was done."""
    within = ["nsenter", "-t", str(machine.pid), "-n", sys.executable, "-c", POLL, ",".join(addresses), "25"]
    with subprocess.Popen(within, stdout=subprocess.PIPE) as watching:
        time.sleep(0.5)
        work()
        assert watching.stdout
        return float(watching.stdout.read())


def by_hand(machine: Machine) -> str:
    """Run the same image by hand; return its address once it answers."""
    made = machine.sh(
        "i=$(docker inspect -f '{{.Image}}' clawrack-tiny-1); s=/var/lib/clawrack/agents/tiny-1;"
        "rm -rf /srv/hand; mkdir -p /srv/hand/state; cp $s/releases/$(cat $s/current)/config/* /srv/hand/;"
        "cp $s/secrets/*.json /srv/hand/; chown -R 1000:1000 /srv/hand;"
        "docker run -d --name hand --init --read-only --user 1000:1000 --tmpfs /tmp -v /srv/hand/state:/state"
        " -v /srv/hand:/etc/tiny:ro -v /srv/hand:/run/clawrack:ro $i"
        " python3 /usr/lib/tiny.py /etc/tiny/tiny.json >/dev/null;"
        "docker inspect -f '{{.NetworkSettings.IPAddress}}' hand"
    )
    time.sleep(2)
    return made.text.split()[-1]


def ready(fleet: Fleet) -> dict[str, Any]:
    """Compare an agent on each machine, to ready, with as many `docker run` typed at once."""
    count = len(fleet.machines)
    with ThreadPoolExecutor(count) as pool:
        begun = time.monotonic()
        list(pool.map(typed_run, fleet.machines.values()))
        hand = time.monotonic() - begun
    for agent in fleet.agents:
        fleet.done("agent", "remove", agent, "--erase", "--yes", "--json")
    told = {
        "version": 1, "policy": {"canary": 0, "waves": ["100%"], "max_parallel": count, "min_healthy_time": "0s"},
        "groups": {"team": {"count": count, "kind": "tinykind"}},
    }  # fmt: skip
    (fleet.folder / "fleet.yaml").write_text(yaml.safe_dump(told))
    begun = time.monotonic()
    shown = fleet.done("apply", "--yes", "--touch", str(count), "--json").document["rollout"]
    took = time.monotonic() - begun
    assert shown["done"] == count, shown
    return {"ours_s": round(took, 2), "by_hand_s": round(hand, 2), "ratio": round(took / hand, 2), "at_most": 1.3}


def typed_run(machine: Machine) -> None:
    """Type a `docker run` over SSH, and wait until what it started answers."""
    ssh = ("ssh", "-i", str(machine.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
           "-o", "LogLevel=ERROR", f"root@{machine.address}")  # fmt: skip
    script = (
        "i=$(docker inspect -f '{{.Image}}' clawrack-tiny-1 2>/dev/null || docker images -q --no-trunc | head -1);"
        "s=$(echo /var/lib/clawrack/agents/*); rm -rf /srv/hand; mkdir -p /srv/hand/state;"
        "cp $s/releases/$(cat $s/current)/config/* $s/secrets/*.json /srv/hand/; chown -R 1000:1000 /srv/hand;"
        "i=$(docker inspect -f '{{.Image}}' clawrack-${s##*/});"
        "docker run -d --name hand --init --read-only --user 1000:1000 --tmpfs /tmp -v /srv/hand/state:/state"
        " -v /srv/hand:/etc/tiny:ro -v /srv/hand:/run/clawrack:ro $i"
        " python3 /usr/lib/tiny.py /etc/tiny/tiny.json >/dev/null;"
        "until docker exec hand python3 -c "
        "'import urllib.request as u; u.urlopen(\"http://127.0.0.1:8080/startupz\")' 2>/dev/null; do :; done;"
        "docker rm -f hand >/dev/null"
    )
    subprocess.run((*ssh, script), check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
