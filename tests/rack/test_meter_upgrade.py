"""The meter is replaced, and killed, while agents call all the time: no call is unmetered, and none is lost unsaid.

Two agents call in turns, one by practice and one by a played provider, which writes down what it was asked. The real
meter, from its image; a second version of it is made on the machine by changing one file.
"""

import hashlib
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

import templates
from fleet import images
from fleet.base.errors import ActionFailed
from fleet.images.recipe import Architecture
from fleet.meter import place_meter
from fleet.site import held
from templates.meter.meter import VERSION
from tests.rack import engine, network
from tests.rack.guard_bench import Bench, Said, packed, until
from tests.rack.images_rig import port_to
from tests.rack.machine import Build, Machine
from tests.rack.offline_rig import ARCHITECTURE
from tests.rack.provider import Provider

OWN = "sk-canary-upgrade-0000001"
KEYS = {"drill": "agent-key-drill", "works": "agent-key-works"}
KILLED = {137, -9}
METER = "/var/lib/clawrack/meter"
# In an agent's container: calls until its input ends, whole ones and streams, four at once; what came of them.
CALLS = """
import collections, http.client, json, sys, threading, time
key, over = sys.argv[1], threading.Event()
came = collections.Counter()
def call(stream):
    body = json.dumps({"model": "main", "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    wire = http.client.HTTPConnection("meter", 8080, timeout=60)
    begun = False
    try:
        wire.request("POST", "/v1/chat/completions", body, headers)
        begun = True
        answer = wire.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return "cut" if begun else "nobody"
    finally:
        wire.close()
    if answer.status != 200:
        return "refused" if json.loads(said).get("error") else "unclear"
    if stream:
        return "answered" if said.rstrip().endswith(b"[DONE]") else "cut"
    return "answered" if json.loads(said)["choices"][0]["message"]["content"] else "unclear"
def go(stream):
    while not over.is_set():
        try:
            came[call(stream)] += 1
        except Exception as error:
            came["unclear"] += 1
            print(repr(error), file=sys.stderr)
        time.sleep(0.05)
threads = [threading.Thread(target=go, args=(stream,)) for stream in (False, True) * 2]
for thread in threads: thread.start()
sys.stdin.read()
over.set()
for thread in threads: thread.join()
print(json.dumps(came))
"""


@dataclass
class Rig:
    """A machine with the real meter and two agents that can call it."""

    bench: Bench
    provider: Provider
    image: str

    def place(self, image: str) -> None:
        """Have the meter run from an image, as a plan's action does."""
        with held(port_to(self.bench.machine), "bench") as site:
            place_meter(site, image)
        self.bench.lease()

    def version(self, number: str, *changes: tuple[str, str]) -> str:
        """A meter of another version: the image, with words in its program changed."""
        machine = self.bench.machine
        machine.sh(f"docker rm -f other 2>/dev/null; docker create --name other {self.image}", check=False)
        for file, script in (("__init__.py", f"s/{VERSION}/{number}/"), *changes):
            path = f"/usr/lib/clawrack/meter/{file}"
            machine.sh(f"docker cp other:{path} /root/f && sed -i '{script}' /root/f && docker cp /root/f other:{path}")
        return machine.sh("docker commit other; docker rm other >/dev/null").text.split()[0]

    def serves(self) -> str:
        """The version that answers; empty where none does."""
        ran = self.bench.machine.run("docker", "exec", "clawrack-meter", "python3", "-m", "meter", "ready", check=False)
        return ran.text

    def used(self, route: str) -> list[dict[str, Any]]:
        """The ledger's sums of a route; nothing is in flight."""
        report = json.loads(self.bench.guard("usage").out)
        assert report["open"] == []
        return [row for row in report["usage"] if row["route"] == route]

    def calling(self) -> dict[str, subprocess.Popen[bytes]]:
        """Have both agents call until `came` is asked; the first calls have reached the provider."""
        asked = len(self.provider.calls(OWN))
        inside = ["nsenter", "-t", str(self.bench.machine.pid), "-m", "-u", "-i", "-n", "-p", "--"]
        words = {
            name: ["docker", "exec", "-i", f"clawrack-{name}", "python3", "-c", CALLS, key]
            for name, key in KEYS.items()
        }
        pipe = subprocess.PIPE
        begun = {name: subprocess.Popen([*inside, *each], stdin=pipe, stdout=pipe) for name, each in words.items()}
        until(lambda: len(self.provider.calls(OWN)) > asked + 5, 60, "calls are under way")
        return begun

    def came(self, calling: dict[str, subprocess.Popen[bytes]]) -> dict[str, Counter[str]]:
        """What came of the calls of each agent, after some more have reached the provider."""
        asked = len(self.provider.calls(OWN))
        until(lambda: len(self.provider.calls(OWN)) > asked + 5, 60, "calls go on")
        return {name: Counter(json.loads(each.communicate(timeout=120)[0])) for name, each in calling.items()}


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    host = network.gateway(network.ensure(engine.client()))
    built = images.build(
        images.load(templates.path("meter", "image.yaml")), msgspec.convert(ARCHITECTURE, Architecture)
    )
    with Machine(Build(docker=True)) as machine, Provider(host=host, keys={OWN: "well"}) as provider:
        bench = Bench(machine)
        bench.install()
        bench.lease()
        port = port_to(machine)
        images.send(port.docker(), built, machine=machine.name)
        rig = Rig(bench, provider, machine.run("docker", "images", "-q", "--no-trunc", built.name).text)
        rig.place(rig.image)
        for name in KEYS:
            agent(rig, name)
        plain = json.dumps({"version": 1, "kind": "openai", "base": provider.base, "model": "played-1"})
        route = f"{plain}\n{OWN}\n{{}}\n".encode()
        assert bench.guard("route", bench.token, "played", str(len(route)), stdin=route).code == 0
        assert bench.guard("assign", bench.token, "works", "played").code == 0
        yield rig


def agent(rig: Rig, name: str) -> None:
    """An agent that does nothing by itself; its container has a python."""
    program = ("entrypoint=python3", "arg=-c", "arg=import signal; signal.pause()", f"image={rig.image}")
    key = f"meter_key_sha256={hashlib.sha256(KEYS[name].encode()).hexdigest()}"
    release = rig.bench.fresh(lines=(*program, key))
    assert rig.bench.trial(name, release).code == 0
    assert rig.bench.guard("commit", rig.bench.token, name, release.release).code == 0


class Watching(threading.Thread):
    """Counts the meters that run at once, all the time."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(daemon=True)
        self.most, self.done, self._machine = 0, threading.Event(), machine

    def run(self) -> None:
        words = ("docker", "ps", "-q", "--filter", "label=clawrack.agent=meter")
        while not self.done.is_set():
            self.most = max(self.most, len(self._machine.run(*words, check=False).text.split()))


def tokens(rows: list[dict[str, Any]]) -> tuple[int, int, int]:
    """Calls that were counted by the provider's own word, those charged as reserved, those that a kill left open."""
    exact = [row for row in rows if not row["estimated"]]
    assert sum(row["input_tokens"] for row in exact) % 111 == 0
    counted = sum(row["input_tokens"] for row in exact) // 111
    assert sum(row["output_tokens"] for row in exact) == counted * 4
    left = sum(row["calls"] for row in rows if row["unsettled"])
    return counted, sum(row["calls"] for row in rows if row["estimated"]) - left, left


def test_while_the_meter_is_upgraded_every_call_is_answered_or_told_and_every_one_is_in_the_ledger(rig: Rig) -> None:
    new = rig.version("9.1.0")
    watching = Watching(rig.bench.machine)
    watching.start()
    calling = rig.calling()
    rig.place(new)
    assert rig.serves() == "9.1.0"
    found = rig.came(calling)
    watching.done.set()
    watching.join()
    assert watching.most == 1, "there is one meter, or none"
    for name in KEYS:
        assert found[name]["answered"] > 10
        assert found[name]["refused"] + found[name]["nobody"] > 0, "it was away while they called"
        assert {"cut", "unclear"} & found[name].keys() == set()
    asked = len(rig.provider.calls(OWN))
    assert found["works"]["answered"] == asked
    assert tokens(rig.used("played")) == (asked, 0, 0)
    assert sum(row["calls"] for row in rig.used("practice")) == found["drill"]["answered"]


def test_killed_with_its_guard_in_the_middle_of_it_no_call_is_unmetered(rig: Rig) -> None:
    before, practised = tokens(rig.used("played")), sum(row["calls"] for row in rig.used("practice"))
    asked = len(rig.provider.calls(OWN))
    calling = rig.calling()
    rig.bench.machine.sh("docker kill clawrack-meter")  # by its supervisor it is there again
    until(lambda: rig.serves() == "9.1.0", 30, "it serves again")
    assert raw(rig, rig.version("9.2.0"), failpoint="meter-started").code in KILLED
    rig.bench.machine.sh("docker kill clawrack-meter", check=False)
    assert rig.bench.guard("tick").code == 0
    assert rig.serves() == "9.2.0"
    found = rig.came(calling)
    counted, estimated, left = (now - then for now, then in zip(tokens(rig.used("played")), before, strict=True))
    asked = len(rig.provider.calls(OWN)) - asked
    for name in KEYS:
        assert found[name]["answered"] > 10
        assert found[name]["unclear"] == 0
    assert found["works"]["answered"] <= counted <= asked
    assert asked <= counted + estimated + left, "what the provider was asked is charged"
    assert left <= found["works"]["cut"] + 4, "and little that it was not: what was in flight at two kills"
    calls = sum(row["calls"] for row in rig.used("practice")) - practised
    assert found["drill"]["answered"] <= calls <= sum(found["drill"].values())


def raw(rig: Rig, image: str, failpoint: str = "") -> Said:
    """Place a meter as the one that is there, from another image."""
    there = f"{METER}/releases/{rig.bench.look()['meter.release']}"
    spec = rig.bench.machine.get(f"{there}/spec").decode().splitlines()
    release = hashlib.sha256(image.encode()).hexdigest()[:16]
    own = ("image=", "release=")
    lines = [f"image={image}", f"release={release}", *(line for line in spec if not line.startswith(own))]
    files = {"spec": "\n".join([*lines, ""]).encode(), "routes.json": rig.bench.machine.get(f"{there}/routes.json")}
    content = packed(files)
    digest = hashlib.sha256(content).hexdigest()
    return rig.bench.guard("meter", rig.bench.token, release, digest, stdin=content, failpoint=failpoint)


def test_a_meter_that_answers_as_another_version_is_not_taken_and_the_one_before_serves(rig: Rig) -> None:
    impatient, lying = ("ready.py", "s/+ seconds/+ 2/"), ("app.py", 's/"version": VERSION/"version": "9.2.9"/')
    liar = rig.version("9.3.0", impatient, lying)
    with pytest.raises(ActionFailed, match="was not ready"):
        rig.place(liar)
    rig.bench.lease()
    assert rig.serves() == "9.2.0"
    assert rig.came(rig.calling())["works"]["answered"] > 0
