"""nanobot, the second real kind, beside another kind on one machine: that a kind is data, seen from outside.

The other kind is the tiny one, so that this stays quick; nothing here knows which it is. The tests follow each other.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import templates
from fleet.kinds import kind
from tests.rack import tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.machine import Build, Machine

AGENT, OTHER = "nano", "tiny"
CONTAINER = f"clawrack-{AGENT}"
ASK = """
import json, sys, urllib.request
key = json.load(open("/run/clawrack/secrets.json"))["gateway"] if sys.argv[2:] else "nobody's"
asked = urllib.request.Request("http://127.0.0.1:8900" + sys.argv[1], headers={"Authorization": "Bearer " + key})
try:
    print(urllib.request.urlopen(asked, timeout=10).read().decode())
except urllib.error.HTTPError as error:
    print(error.code)
"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as made:
        yield made


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, kinds: str) -> Controller:
    made = Controller(tmp_path_factory.mktemp("controller"))
    made.environment["CLAWRACK_KINDS"] = kinds
    return made


def setup(controller: Controller, machine: Machine, *words: str, **more: Any) -> Typed:
    where = ("--machine", f"root@{machine.address}", "--key", str(machine.key), "--fingerprint", machine.fingerprint())
    return controller.type("setup", *where, "--image-source", "build", "--yes", "--json", *words, **more)


def inside(machine: Machine, path: str, *known: str) -> str:
    return machine.run("docker", "exec", CONTAINER, "python3", "-c", ASK, path, *known).text


def test_a_machine_gets_a_nanobot_that_answers(machine: Machine, controller: Controller) -> None:
    typed = setup(controller, machine, "--kind", "nanobot", "--name", AGENT)
    assert typed.code == 0, typed
    receipt = typed.document["receipt"]
    assert (receipt["kind"], receipt["version"]) == ("nanobot", kind("nanobot").version)
    assert "practice" in receipt["answer"]


def test_another_kind_runs_beside_it_in_the_same_fleet(machine: Machine, controller: Controller) -> None:
    assert setup(controller, machine, "--kind", tinykinds.NAME, "--name", OTHER).code == 0
    told = controller.done("status", "--json").document["status"]["agents"]
    assert {(agent["name"], agent["kind"], agent["state"]) for agent in told} == {
        (AGENT, "nanobot", "running"),
        (OTHER, tinykinds.NAME, "running"),
    }
    for name in (AGENT, OTHER):
        assert "practice" in controller.done("agent", "ask", name, "hello").out
    rows = controller.done("usage", "--json").document["usage"]
    assert {row["agent"] for row in rows} == {AGENT, OTHER}
    controller.done("plan", "--expect-empty")
    assert "8900" in controller.done("agent", "logs", AGENT).out
    assert controller.type("agent", "open", AGENT, "--json").code == 2


def test_the_process_itself_says_its_version_to_who_has_its_token_alone(machine: Machine) -> None:
    assert json.loads(inside(machine, "/version", "known")) == {"version": kind("nanobot").version}
    assert inside(machine, "/version") == "401"
    assert inside(machine, "/v1/models") == "401"


def test_its_secrets_are_where_it_reads_them_and_nowhere_else(machine: Machine) -> None:
    there = f"/var/lib/clawrack/agents/{AGENT}"
    held = json.loads(machine.get(f"{there}/secrets/secrets.json"))
    assert set(held) == {"gateway", "model"}
    known = machine.run("docker", "inspect", CONTAINER).text + machine.run("docker", "logs", CONTAINER).text
    known += machine.sh("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'").text
    for secret in held.values():
        assert secret not in known
        assert not machine.sh(f"grep -rlF -e '{secret}' {there}/state {there}/releases || true").text


def test_it_lives_in_the_same_cage(machine: Machine) -> None:
    form = (
        "{{json .HostConfig.CapDrop}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Memory}}"
    )
    assert machine.run("docker", "inspect", "-f", form, CONTAINER).text == (
        f'["ALL"] true [no-new-privileges] {kind("nanobot").cage.memory}'
    )
    assert machine.run("docker", "inspect", "-f", "{{.HostConfig.PortBindings}}", CONTAINER).text == "map[]"
    assert machine.run("docker", "exec", CONTAINER, "id", "-u").text.startswith("213")
    touched = machine.run("docker", "exec", CONTAINER, "touch", "/usr/lib/clawrack/start.py", check=False)
    assert touched.code != 0


def test_what_its_model_did_wrong_is_told_and_is_no_answer(machine: Machine, controller: Controller) -> None:
    key = f"/var/lib/clawrack/meter/conf/agents/{AGENT}.json"
    machine.run("mv", key, "/root/aside.json")
    refused = controller.type("agent", "ask", AGENT, "hello")
    machine.run("mv", "/root/aside.json", key)
    assert refused.code == 5
    assert "refused" in refused.err
    assert "practice" in controller.answers(AGENT, "hello", 60)


def test_what_was_said_outlives_a_restart(machine: Machine, controller: Controller) -> None:
    find = f"find /var/lib/clawrack/agents/{AGENT}/state/sessions -name '*.jsonl' -exec cat {{}} +"
    before = machine.sh(find).text
    assert "hello" in before
    controller.done("agent", "restart", AGENT)
    assert machine.sh(find).text.startswith(before)


def test_a_configuration_that_it_refuses_is_told_and_not_tried_again(
    machine: Machine, controller: Controller, tmp_path: Path
) -> None:
    shutil.copytree(templates.path("kinds", "nanobot"), tmp_path / "nanobot")
    tinykinds.place(tmp_path)
    file = tmp_path / "nanobot/config/config.json.j2"
    file.write_text(file.read_text().replace('"timeout": 150', '"timeout": "soon"'))
    typed = setup(controller, machine, "--kind", "nanobot", "--name", "bad", more={"CLAWRACK_KINDS": str(tmp_path)})
    assert typed.code == 5, typed
    assert "78" in typed.err
    assert machine.sh("docker ps -aq --filter name=clawrack-bad").text == ""
