"""From a bare Debian with sshd to an answered message: by `clawrack setup`, and by the same parts typed by hand.

Both start from a fresh machine, with the images in the cache of this computer, in turns; the medians are compared.
Prints one line of JSON: seconds of both, what setup costs more (at most 10 s are allowed), a second setup on the
finished machine (at most 5 s), and where the seconds of the first one went.
`--slow MBIT` does it once over a throttled wire.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import templates
from fleet import meter
from fleet.images import Built, build, load
from fleet.images.archive import stream
from fleet.kinds import home_of, kind
from fleet.model import Agent
from fleet.render import configs, target
from tests.rack.controller import Controller
from tests.rack.machine import Machine
from tests.rack.wire import Slow

KEY, GATEWAY = "by-hand-model-key", "by-hand-gateway-key"


def by_setup(machine: Machine) -> tuple[float, float, dict[str, float]]:
    """Return the seconds of the first setup, of the second, and of each step of the first."""
    with tempfile.TemporaryDirectory() as folder:
        controller = Controller(Path(folder))
        words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--yes", "--json")
        begun = time.monotonic()
        typed = controller.done(*words, "--fingerprint", machine.fingerprint())
        first = time.monotonic() - begun
        begun = time.monotonic()
        controller.done(*words)
        return first, time.monotonic() - begun, steps(typed.out)


def steps(printed: str) -> dict[str, float]:
    """Return the seconds of each step that was done."""
    events = [json.loads(line) for line in printed.splitlines() if '"event"' in line]
    found = [event["event"] for event in events]
    return {one["step"]: round(one["elapsed"], 1) for one in found if one["kind"] == "done" and one["elapsed"] > 0.5}


def by_hand(machine: Machine, images: dict[str, Built]) -> float:
    """Return the seconds that the same parts take when they are typed: no snapshot, no proof, no firewall."""
    begun = time.monotonic()
    ssh = ("ssh", "-i", str(machine.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
           "-o", "LogLevel=ERROR", f"root@{machine.address}")  # fmt: skip

    def typed(script: str, stdin: bytes = b"") -> str:
        return subprocess.run((*ssh, script), input=stdin, stdout=subprocess.PIPE, check=True).stdout.decode()

    typed(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive "
        "apt-get install -y -qq --no-install-recommends docker.io curl"
    )
    for built in images.values():
        loading = subprocess.Popen((*ssh, "docker load -q"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        assert loading.stdin
        for piece in stream(built):
            loading.stdin.write(piece)
        loading.stdin.close()
        assert loading.wait() == 0
    typed(script(images))
    ask = f"curl -sf -m 150 -H 'Authorization: Bearer {GATEWAY}' -H 'Content-Type: application/json' -d @-"
    where = "http://$(docker inspect -f '{{.NetworkSettings.Networks.hand.IPAddress}}' agent):18789"
    typed(f"until curl -sf {where}/readyz >/dev/null; do sleep 0.5; done")
    body = {"model": "openclaw", "messages": [{"role": "user", "content": "Hello! Are you there?"}]}
    assert "practice" in typed(f"{ask} {where}/v1/chat/completions", json.dumps(body).encode())
    return time.monotonic() - begun


def script(images: dict[str, Built]) -> str:
    """Return what a person would type to run a meter and an agent in its cage."""
    which = kind("openclaw")
    made = target("hand", Agent(kind="openclaw", machine="m", version=which.version, image="x"), which,
                  configs(home_of("openclaw")))  # fmt: skip
    config = made.files["openclaw.json"]
    secrets = json.dumps({"gateway": GATEWAY, "model": KEY})
    tmpfs = " ".join(f"--tmpfs {mount}" for mount in which.cage.tmpfs)
    env = " ".join(f"-e {name}={value}" for name, value in which.cage.env.items())
    cage = "--init --cap-drop ALL --security-opt no-new-privileges --read-only --network hand"
    return f"""set -e
docker network create --subnet 10.99.99.0/28 hand >/dev/null
mkdir -p /srv/a/state /srv/a/config /srv/a/secrets /srv/m/agents /srv/m/ledger
cat > /srv/a/config/openclaw.json <<'X'
{config}
X
echo '{secrets}' > /srv/a/secrets/secrets.json
echo '{json.dumps(meter.box().routes)}' > /srv/m/routes.json
sum=$(printf {KEY} | sha256sum | cut -d' ' -f1)
printf '{{"key_sha256":"%s","subnet":"10.99.99.0/28","route":"practice"}}' "$sum" > /srv/m/agents/hand.json
chown -R 1000:1000 /srv/a; chmod 700 /srv/a/*; chmod 600 /srv/a/secrets/*; chown -R 10001:10001 /srv/m
docker run -d --name meter --network-alias meter --user 10001:10001 {cage} \
  -v /srv/m:/etc/clawrack-meter:ro -v /srv/m/ledger:/ledger {images["meter"].config_id} >/dev/null
docker run -d --name agent --user 1000:1000 {cage} --memory 2g --pids-limit 512 {tmpfs} {env} \
  -v /srv/a/state:/home/node/.openclaw -v /srv/a/config:/etc/openclaw:ro -v /srv/a/secrets:/run/clawrack:ro \
  {images["openclaw"].config_id} {" ".join(which.cage.args)} >/dev/null
"""


def over_slow_wire(megabits: float) -> dict[str, object]:
    """Return seconds and bytes of a first setup through a wire of so many megabits a second."""
    with (
        Machine() as machine,
        Slow(machine.address, 22, megabits * 1e6 / 8) as wire,
        tempfile.TemporaryDirectory() as folder,
    ):
        controller = Controller(Path(folder))
        begun = time.monotonic()
        controller.done("setup", "--machine", f"root@{wire.address}:{wire.port}", "--key", str(machine.key), "--yes",
                        "--fingerprint", machine.fingerprint(), timeout=1200)  # fmt: skip
        seconds = time.monotonic() - begun
        return {"benchmark": "first_installation_slow", "mbit": megabits, "seconds": round(seconds, 1),
                "allowed": 300, "megabytes": round(wire.carried / 1e6, 1), "megabytes_allowed": 300}  # fmt: skip


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--slow", type=float, default=0.0, metavar="MBIT")
    asked = parser.parse_args()
    if asked.slow:
        print(json.dumps(over_slow_wire(asked.slow)))
        return
    images = {"meter": build(load(templates.path("meter", "image.yaml")), "amd64"),
              "openclaw": build(load(templates.path("kinds", "openclaw", "image.yaml")), "amd64")}  # fmt: skip
    ours: list[tuple[float, float, dict[str, float]]] = []
    hand: list[float] = []
    for _ in range(asked.runs):
        ours.append(by_setup_on_fresh())
        with Machine() as machine:
            hand.append(by_hand(machine, images))
    first, by = statistics.median(one[0] for one in ours), statistics.median(hand)
    print(json.dumps({
        "benchmark": "first_installation", "runs": asked.runs, "setup_seconds": round(first, 1),
        "by_hand_seconds": round(by, 1), "more_seconds": round(first - by, 1), "allowed": 10,
        "again_seconds": round(statistics.median(one[1] for one in ours), 1), "again_allowed": 5,
        "steps": sorted(ours, key=lambda one: one[0])[len(ours) // 2][2],
    }))  # fmt: skip


def by_setup_on_fresh() -> tuple[float, float, dict[str, float]]:
    """Measure our setup on a machine that nobody has touched."""
    with Machine() as machine:
        return by_setup(machine)


if __name__ == "__main__":
    sys.exit(main())
