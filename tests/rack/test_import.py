"""A container that somebody else made: looked at, watched, taken over with its state, given back; never two at once.

The tests share one machine and follow each other. The container is a tiny agent, dressed as compose and as a cell.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rack import engine, network, tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine
from tests.rack.provider import ANSWER, Provider

PC, KEY, TOKEN = "pc", "sk-canary-import-00000001", "canary-token-000000002"
SAID = 3
COMPOSE = ("--label", "com.docker.compose.project=mine", "--label", "com.docker.compose.service=gateway")
CELL = ("--label", "tiny.fleet.tenant=cell")


class Foreign:
    """A tiny agent as somebody else runs it; its state has been spoken to."""

    def __init__(
        self, machine: Machine, name: str, provider: str, *, volume: bool = False, channel: bool = False
    ) -> None:
        self.machine, self.name = machine, name
        self.folder = f"/var/lib/docker/volumes/{name}/_data" if volume else f"/srv/my {name}"
        if volume:
            machine.run("docker", "volume", "create", name)
        own = {
            "fault": "", "port": 8080, "meter": "http://127.0.0.1:1",
            "secrets": "/state/secrets.json", "state": "/state",
            "model": "played/played-1", "providers": {"played": {"apiKey": KEY, "baseUrl": provider}},
            "channels": {"telegram": {"botToken": TOKEN}} if channel else {"slack": {"enabled": False}},
        }  # fmt: skip
        machine.put(f"{self.folder}/own.json", json.dumps(own).encode())
        machine.put(f"{self.folder}/secrets.json", json.dumps({"gateway": TOKEN, "model": "m"}).encode())
        machine.put(f"{self.folder}/tiny.sqlite", _state())
        machine.run("ln", "-s", "/etc/shadow", f"{self.folder}/link")
        machine.run("chown", "-R", "1000:1000", self.folder)
        self.where = f"{name if volume else self.folder}:/state"

    def run(self, *more: str) -> None:
        """Start it as a person would."""
        image = self.machine.sh("docker images -q clawrack/tinykind").text
        words = ("-d", "--name", self.name, "-v", self.where, "-e", f"TELEGRAM_HOME={TOKEN}", *more, image)
        self.machine.run("docker", "run", *words, "python3", "/usr/lib/tiny.py", "/state/own.json")
        self.machine.sh(f"timeout 20 sh -c 'until docker logs {self.name} 2>&1 | grep listens; do sleep 0.2; done'")

    def now(self) -> dict[str, Any]:
        """What its engine says of it."""
        return json.loads(self.machine.run("docker", "inspect", self.name).out)[0]

    def runs(self) -> bool:
        return bool(self.now()["State"]["Running"])

    def sums(self) -> str:
        """What lies in its state."""
        return self.machine.sh(f"cd '{self.folder}'; find . -type f | sort | xargs sha256sum; ls -ln").text


def _state() -> bytes:
    """The state of a tiny agent that was spoken to."""
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE said (message TEXT NOT NULL)")
    made.executemany("INSERT INTO said VALUES (?)", [(f"hello {n}",) for n in range(SAID)])
    made.execute("PRAGMA user_version = 1")
    made.commit()
    return made.serialize()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as made:
        yield made


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(host=network.gateway(network.ensure(engine.client())), keys={KEY: "well"}) as played:
        yield played


@pytest.fixture(scope="module")
def controller(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """A controller whose machine has had an agent of the kind, so that its image is there."""
    made = Controller(tmp_path_factory.mktemp("controller"))
    made.environment["CLAWRACK_KINDS"] = tinykinds.place(tmp_path_factory.mktemp("kinds"))
    reached = (
        "--machine",
        f"root@{machine.address}",
        "--key",
        str(machine.key),
        "--fingerprint",
        machine.fingerprint(),
    )
    made.done("setup", *reached, "--machine-name", PC, "--kind", tinykinds.NAME, "--name", "first", "--yes", "--json")
    return made


@pytest.fixture(scope="module")
def foreign(machine: Machine, controller: Controller, provider: Provider) -> Foreign:
    assert controller
    made = Foreign(machine, "my-gateway-1", provider.base)
    made.run(*COMPOSE, "--restart", "always", "-p", "18789:8080", "-p", "127.0.0.1:18790:8080")
    return made


def found(controller: Controller, *words: str) -> dict[str, Any]:
    (one,) = controller.done("fleet", "import", PC, *words, "--json").document["imports"]
    return one


def kept(machine: Machine, name: str) -> int:
    """How many messages the state of an agent of ours holds."""
    return spoken(machine, f"/var/lib/clawrack/agents/{name}/state/tiny.sqlite")


def spoken(machine: Machine, path: str) -> int:
    """How many messages a state holds."""
    content = machine.get(path)
    state = sqlite3.connect(":memory:")
    state.deserialize(content)
    return int(state.execute("SELECT count(*) FROM said").fetchone()[0])


def test_looking_tells_what_there_is_and_changes_nothing(controller: Controller, foreign: Foreign) -> None:
    before, sums = foreign.now(), foreign.sums()
    one = found(controller)
    assert {key: one[key] for key in ("container", "kind", "version", "state", "kept", "source", "restart")} == {
        "container": "my-gateway-1", "kind": "tinykind", "version": "1", "state": "running", "kept": "bind",
        "source": foreign.folder, "restart": "always",
    }  # fmt: skip
    assert (one["supervisor"], one["project"], one["channels"]) == ("compose", "mine", [])
    assert [(port["port"], port["world"]) for port in one["ports"]] == [("18789", True), ("18790", False)]
    assert [key["where"] for key in one["keys"]] == ["configuration"]
    assert 8192 < one["bytes"] < 1 << 20
    assert (one["watched"], one["taken"]) == (True, False)
    assert (foreign.now(), foreign.sums()) == (before, sums)
    shown = controller.done("fleet", "import", PC)
    assert "PUBLISHED TO THE WORLD" in shown.out
    assert "*:18789" in shown.out
    for secret in (KEY, TOKEN):
        assert secret not in shown.out + shown.err
        assert secret.encode() not in controller.written()


def test_what_is_watched_is_shown_and_left_alone(controller: Controller, foreign: Foreign) -> None:
    found(controller, "my-gateway-1", "--name", "social")
    assert 'container: "my-gateway-1"' in (controller.folder / "config/clawrack/fleet/imports/social.yaml").read_text()
    shown = " ".join(controller.done("status").out.split())
    assert "social on pc: not ours (container my-gateway-1" in shown
    assert controller.done("status", "--json").document["status"]["strays"] == []
    before = foreign.now()
    controller.done("apply", "--yes", "--json")
    assert foreign.now() == before


def test_nothing_but_an_agent_that_is_not_ours_can_be_taken(machine: Machine, controller: Controller) -> None:
    machine.sh("docker create --name other $(docker images -q clawrack/tinykind) python3 -V")
    for name, says in (("other", "no agent"), ("clawrack-first", "no agent"), ("nobody", "There is no container")):
        typed = controller.type("fleet", "import", PC, name, "--take-over", "--yes")
        assert typed.code == 2, typed
        assert says in typed.err
    machine.run("docker", "rm", "-f", "other")


def test_a_release_that_fails_leaves_the_container_running_as_before(
    controller: Controller, foreign: Foreign, tmp_path: Path
) -> None:
    broken = {"CLAWRACK_KINDS": tinykinds.place(tmp_path, fault="exit:1", patience=6)}
    typed = controller.type("fleet", "import", PC, "my-gateway-1", "--take-over", "--yes", more=broken)
    assert typed.code == 5, typed
    assert foreign.runs()
    assert foreign.now()["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert spoken(foreign.machine, f"{foreign.folder}/tiny.sqlite") == SAID
    assert not (controller.folder / "config/clawrack/fleet/agents/social.yaml").exists()
    assert found(controller)["taken"] is False
    assert foreign.machine.sh("docker ps -aq --filter name=clawrack-social").text == ""


def test_taken_over_it_has_its_messages_and_the_original_is_stopped_for_good(
    machine: Machine, controller: Controller, foreign: Foreign, provider: Provider
) -> None:
    sums = foreign.sums()
    words = ("fleet", "import", PC, "my-gateway-1", "--take-over", "--with-key")
    result = controller.done(*words, "--json").document["result"]
    assert (result["agent"], result["changed"]) == ("social", True)
    assert not foreign.runs()
    assert foreign.now()["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert foreign.sums() == sums
    assert kept(machine, "social") == SAID
    assert machine.sh("find /var/lib/clawrack/agents/social/state -type l").text.endswith("/link")
    assert "".join(ANSWER) in controller.done("agent", "ask", "social", "hello").out
    assert provider.saw
    assert kept(machine, "social") == SAID + 1
    assert KEY.encode() not in controller.written()
    assert controller.done(*words, "--json").document["result"]["changed"] is False
    machine.sh("systemctl restart docker")
    assert not foreign.runs()


def test_one_that_somebody_starts_again_beside_ours_is_told(controller: Controller, foreign: Foreign) -> None:
    foreign.machine.run("docker", "start", foreign.name)
    assert "IT RUNS AGAIN" in controller.done("fleet", "import", PC, "my-gateway-1").out
    foreign.machine.run("docker", "stop", "-t", "5", foreign.name)


def test_given_back_it_runs_as_before_and_what_was_said_since_is_kept(
    machine: Machine, controller: Controller, foreign: Foreign
) -> None:
    typed = controller.done("fleet", "import", PC, "my-gateway-1", "--undo", "--yes")
    assert foreign.runs()
    assert foreign.now()["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert machine.sh("docker ps -aq --filter name=clawrack-social").text == ""
    assert "/var/lib/clawrack/kept/social" in typed.out
    assert machine.run("test", "-e", "/var/lib/clawrack/kept/social/tiny.sqlite").code == 0
    assert found(controller)["taken"] is False
    assert "social" not in [one["name"] for one in controller.done("agent", "list", "--json").document["agents"]]


def test_a_cell_with_a_volume_and_a_messenger_is_taken_only_when_its_silence_is_agreed(
    machine: Machine, controller: Controller, provider: Provider
) -> None:
    cell = Foreign(machine, "cell-1", provider.base, volume=True, channel=True)
    cell.run(*CELL, "--restart", "unless-stopped", "-e", f"OPENAI_API_KEY={KEY}")
    one = found(controller, "cell-1")
    assert (one["supervisor"], one["kept"], one["channels"]) == ("engine", "volume", ["telegram"])
    assert next((key["provider"], key["where"]) for key in one["keys"]) == ("openai", "environment")
    refused = controller.type("fleet", "import", PC, "cell-1", "--take-over", "--yes")
    assert (refused.code, cell.runs()) == (3, True), refused
    assert "telegram" in refused.err
    controller.done("fleet", "import", PC, "cell-1", "--take-over", "--without-channels", "--yes")
    assert (cell.runs(), kept(machine, one["name"])) == (False, SAID)
    assert "practice" in controller.done("agent", "ask", one["name"], "hello").out
    controller.done("fleet", "import", PC, one["name"], "--undo", "--yes")
    assert cell.runs()
    machine.run("docker", "rm", "-f", "cell-1")
    controller.done("fleet", "import", PC, one["name"], "--forget")
    assert "cell" not in controller.done("status").out
