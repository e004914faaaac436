"""A machine is made ready without an agent; and a controller that knows nothing writes the fleet's files again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine

NAME = "pc-07"


class Known(Controller):
    """A controller that knows the tiny kind."""

    def __init__(self, folder: Path, kinds: str) -> None:
        super().__init__(folder)
        self.environment["CLAWRACK_KINDS"] = kinds

    def add(self, machine: Machine, *words: str) -> dict[str, object]:
        line = (f"root@{machine.address}", "--name", NAME, "--tags", "rack-a,quiet", "--key", str(machine.key), "--yes")
        typed = self.done("machine", "add", *line, "--fingerprint", machine.fingerprint(), "--json", *words)
        return typed.document["added"]

    def file(self, *parts: str) -> Path:
        return self.folder.joinpath("config", "clawrack", "fleet", *parts)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as made:
        yield made


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, kinds: str) -> Known:
    return Known(tmp_path_factory.mktemp("controller"), kinds)


def life(machine: Machine) -> str:
    return machine.sh(f"docker inspect -f '{{{{.Id}}}} {{{{.State.StartedAt}}}}' clawrack-{tinykinds.NAME}").text


def test_a_plan_changes_nothing(machine: Machine, controller: Known) -> None:
    assert controller.add(machine, "--plan") is None
    assert not controller.file("machines").exists()
    assert machine.sh("ls -d /var/lib/clawrack", check=False).text == ""


def test_a_machine_is_ready_without_an_agent(machine: Machine, controller: Known) -> None:
    added = controller.add(machine)
    assert (added["machine"], added["changed"], added["strays"]) == (NAME, True, [])
    assert '["rack-a","quiet"]' in controller.file("machines", f"{NAME}.yaml").read_text()
    assert controller.done("agent", "list", "--json").document["agents"] == []
    (shown,) = controller.done("machine", "list", "--json").document["machines"]
    assert (shown["name"], shown["state"], shown["agents"], shown["trouble"]) == (NAME, "ok", 0, "")


def test_the_same_again_changes_nothing(machine: Machine, controller: Known) -> None:
    before = controller.file("machines", f"{NAME}.yaml").read_text()
    assert controller.add(machine)["changed"] is False
    assert controller.file("machines", f"{NAME}.yaml").read_text() == before


def test_a_name_stands_for_one_machine(machine: Machine, controller: Known) -> None:
    taken = controller.type("machine", "add", f"root@{machine.address}:2222", "--name", NAME, "--yes", "--json")
    assert taken.code in {3, 4}, taken  # nobody listens there; where somebody did, the name would be refused
    assert controller.type("machine", "add", "root@x", "--tags", "Rack A", "--yes").code == 2


def test_what_was_lost_here_is_written_again_from_the_machine(machine: Machine, controller: Known) -> None:
    controller.done("setup", "--machine", NAME, "--kind", tinykinds.NAME, "--yes")
    assert "quiet" in controller.file("machines", f"{NAME}.yaml").read_text(), "its tags stay"
    kept, alive = controller.file("agents", f"{tinykinds.NAME}.yaml"), life(machine)
    before = kept.read_text()
    kept.unlink()
    (made,) = controller.done("fleet", "rebuild", "--json").document["rebuilt"]
    assert (made["agent"], made["machine"], made["same"]) == (tinykinds.NAME, NAME, True)
    assert kept.read_text() == "".join(line for line in before.splitlines(True) if not line.startswith("proven"))
    assert controller.done("fleet", "rebuild", "--json").document["rebuilt"] == []
    assert controller.done("agent", "ask", tinykinds.NAME, "hello").out
    assert life(machine) == alive, "nothing was restarted"
    rows = [json.loads(row)["happened"] for row in controller.done("events", "--json").out.splitlines()]
    told = {(row["event"]["subject"], row["event"]["step"], row["event"]["kind"]) for row in rows}
    assert (f"{NAME}/{tinykinds.NAME}", "step.deploy", "done") in told


def test_another_controller_reads_everything_back(machine: Machine, tmp_path: Path, kinds: str) -> None:
    alive, other = life(machine), Known(tmp_path, kinds)
    assert other.add(machine)["strays"] == [tinykinds.NAME]
    (made,) = other.done("fleet", "rebuild", NAME, "--json").document["rebuilt"]
    assert made["same"] is True
    assert other.done("agent", "ask", tinykinds.NAME, "hello").out
    assert life(machine) == alive, "nothing was restarted"
