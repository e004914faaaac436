import re

import pytest

from fleet.base.clean import pairs
from fleet.base.words import choose, find
from fleet.gate import parse
from fleet.model import Agent, Machine, Seen, Wish
from fleet.observe import agent_view, machine_view, read
from fleet.views import MachineView
from templates import path


def test_what_the_guard_says_becomes_a_machine_with_its_agents() -> None:
    said = (
        b"id=m1\ndocker.version=20.10\ndocker.platform=linux/amd64\nfirewall=ok\ndisk_free=4096\nmeter.state=running\n"
    )
    said += b"agent.ada.release=r1\nagent.ada.state=exited\nagent.ada.exit_code=78\nagent.ada.reason=never-retry\n"
    seen = read(pairs(said))
    assert (seen.id, seen.architecture, seen.engine, seen.free, seen.firewall) == ("m1", "amd64", "20.10", 4096, True)
    ada = seen.agents["ada"]
    assert (ada.release, ada.state, ada.exit_code) == ("r1", "stopped", 78)
    assert "a person is needed" in ada.reason


@pytest.mark.parametrize("name", ["/tmp/victim", "../fleet", "a/b", "Ada", "a b", "-", "meter", "a" * 41, ""])
def test_a_name_that_no_agent_can_have_is_none_of_an_agent(name: str) -> None:
    said = f"agent.{name}.release=r1\nagent.ada.release=r1\nagent.{name}=x\n"
    assert list(read(pairs(said.encode())).agents) == ["ada"]


def test_a_stray_is_called_as_containers_are() -> None:
    said = b"stray.clawrack-old_One.state=running\nstray./tmp/victim.state=running\nstray..state=running\n"
    assert read(pairs(said)).unnamed == ("clawrack-old_One",)


SAID = re.compile(r"^(?:[^#]*[;{|&]|\s*)\s*(?:fail|refuse|try|give_up|note_reason) ([a-z][a-z-]+)\b", re.MULTILINE)
NO_REASONS = {"not-installed", "running", "watched"}  # told otherwise; and two words of other commands


def test_every_reason_of_the_guard_has_its_words() -> None:
    parts = sorted((path("machine") / "guard.d").glob("*.sh"))
    reasons = {reason for part in (path("machine", "guard.sh"), *parts) for reason in SAID.findall(part.read_text())}
    assert len(reasons) > 40
    assert {reason for reason in reasons if not find(f"guard.reason.{reason}")} <= NO_REASONS


@pytest.mark.parametrize("number", ["²", "٣", "-1", "1e9", "9" * 5000, "", "nan"])
def test_a_number_that_is_none_is_no_reason_to_fall_over(number: str) -> None:
    assert read([("disk_free", number), ("agent.ada.exit_code", number)]).free == 0


def test_an_answer_nested_without_end_is_no_json() -> None:
    assert parse(b"[" * 200_000) is None


WISH = Wish(
    machines={"box": Machine(address="10.0.0.1", id="m1")},
    agents={"ada": Agent(kind="openclaw", machine="box"), "bob": Agent(kind="openclaw", machine="box")},
)
SAID_OF_ADA = "id=m1\ndisk_free=4096\nagent.ada.release=r1\nagent.ada.stopped=0\n"
UP = "docker=up\ndocker.version=24.0\ndocker.platform=linux/amd64\nagent.ada.state=running\nagent.ada.container=c\n"


@pytest.fixture(autouse=True)
def english() -> None:
    choose("en")


def shown(said: str) -> tuple[MachineView, dict[str, str]]:
    seen = Seen(machines={"box": read(pairs(said.encode()))})
    agents = {name: agent_view(name, agent, seen).state for name, agent in WISH.agents.items()}
    return machine_view("box", WISH.machines["box"], seen, {}, WISH), agents


def test_without_docker_agents_are_unknown_and_not_absent() -> None:
    machine, agents = shown(SAID_OF_ADA + "docker=down\n")
    assert agents == {"ada": "unknown", "bob": "unknown"}
    assert (machine.state, machine.meter, machine.free) == ("no-engine", "", 4096)
    assert "Docker" in machine.trouble


def test_a_meter_that_does_not_run_is_a_trouble_of_its_machine() -> None:
    machine, agents = shown(SAID_OF_ADA + UP + "meter.state=exited\n")
    assert agents == {"ada": "running", "bob": "absent"}
    assert (machine.state, machine.meter, "meter" in machine.trouble) == ("ok", "stopped", True)
    assert shown(SAID_OF_ADA + UP + "meter.state=running\n")[0].trouble == ""
