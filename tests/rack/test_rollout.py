"""A bad release stops at one machine; a good one goes over all of them in waves, also past a pause and a kill."""

import json
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.rack.fleet_rig import Fleet, fleet_of, until

MACHINES = 6
BAD = {
    "exit:1": "1",
    "dies:2": "well",
    "hang": "within",
    "wrong": "version",
}
"""What is wrong with the new release, and what its cause must speak of."""
UPGRADE = ("upgrade", "all", "--to", "2", "--touch", str(MACHINES))


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(MACHINES, tmp_path_factory.mktemp("fleet")) as made:
        made.done("agent", "ask", "tiny-1", "remember me")
        made.policy(healthy_deadline="7s", min_healthy_time="3s")
        yield made


def boxes(fleet: Fleet, but: str = "") -> dict[str, str]:
    return {name: fleet.at(name).container() for name in fleet.agents if name != but}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_release_stops_at_its_canary_which_is_back_with_its_state(fleet: Fleet, fault: str) -> None:
    others, file, was = boxes(fleet, but="tiny-1"), fleet.file("tiny-1"), fleet.version("tiny-1")
    release = fleet.at("tiny-1").look()["release"]
    fleet.kind(version="2", schema=2, fault=fault)
    typed = fleet.type(*UPGRADE, "--json")
    assert typed.code == 5, typed
    shown = typed.document["rollout"]
    assert (shown["state"], shown["done"], shown["failed"]) == ("stopped", 0, 1)
    canary = next(unit for unit in shown["units"] if unit["canary"])
    assert (canary["subject"], canary["outcome"]) == ("m-1/tiny-1", "failed")
    assert BAD[fault] in canary["why"], canary["why"]
    assert boxes(fleet, but="tiny-1") == others
    assert (fleet.file("tiny-1"), fleet.version("tiny-1")) == (file, was)
    assert fleet.at("tiny-1").look()["release"] == release
    assert fleet.at("tiny-1").containers() == ["clawrack-tiny-1"]
    kept = fleet.controller.folder / "state" / "clawrack" / "rollouts" / str(shown["number"]) / "failures" / "tiny-1"
    assert json.loads((kept / "inspection.json").read_text())
    assert (kept / "log").exists()


def test_killed_in_the_middle_of_a_wave_the_same_command_carries_on_until_all_have_it(fleet: Fleet) -> None:
    fleet.kind(version="2", schema=2)
    process, number = started(fleet, *UPGRADE, "--json")
    until("the second wave", lambda: fleet.rollout(number).count("begun") > 1, 240)
    process.send_signal(signal.SIGKILL)
    out, _ = process.communicate()
    assert "begun" in fleet.rollout(number)
    typed = fleet.done(*UPGRADE, "--json")
    shown = typed.document["rollout"]
    assert (shown["number"], shown["state"], shown["done"], shown["failed"]) == (number, "complete", MACHINES, 0)
    assert shown["waves"] == 3
    assert [fleet.version(name)["version"] for name in fleet.agents] == ["2"] * MACHINES
    assert [len(fleet.at(name).containers()) for name in fleet.agents] == [1] * MACHINES
    assert fleet.version("tiny-1")["messages"] == 3, "its setup's greeting, what it was told, and the canary's message"
    assert not overlapping(out.decode())
    assert not overlapping(typed.out)
    assert fleet.done(*UPGRADE, "--json").document["rollout"] is None, "a second time there is nothing to do"


def overlapping(out: str) -> bool:
    """Whether an agent of a wave was begun before all of the wave before had ended."""
    open_: dict[str, int] = {}
    for line in out.splitlines():
        event = json.loads(line).get("event", {})
        wave = event.get("params", {}).get("wave", 0)
        if event.get("step") != "step.deploy":
            continue
        if event["kind"] == "begun":
            if any(other < wave for other in open_.values()):
                return True
            open_[event["subject"]] = wave
        else:
            open_.pop(event["subject"], None)
    return False


def test_a_whole_rollout_is_taken_back_with_the_state_of_before(fleet: Fleet) -> None:
    fleet.kind(version="1", schema=1)
    number = fleet.done("rollout", "show", "--json").document["rollout"]["number"]
    shown = fleet.done("rollback", "--rollout", str(number), "--touch", str(MACHINES), "--json").document["rollout"]
    assert (shown["state"], shown["done"], shown["of"]) == ("complete", MACHINES, number)
    assert [fleet.version(name)["schema"] for name in fleet.agents] == [1] * MACHINES
    assert fleet.version("tiny-1")["messages"] == 2, "the greeting of its setup, and what it was told; not the canary's"


def test_a_paused_rollout_rests_until_it_is_taken_up_and_nothing_else_is_begun_beside_it(fleet: Fleet) -> None:
    fleet.kind(version="2", schema=2)
    process, number = started(fleet, *UPGRADE)
    until("the canary", lambda: "done" in fleet.rollout(number), 240)
    fleet.done("rollout", "pause")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130, (out, err)
    shown = fleet.done("rollout", "show", "--json").document["rollout"]
    assert (shown["number"], shown["state"]) == (number, "paused")
    assert 0 < shown["done"] < MACHINES
    beside = fleet.type("upgrade", "tiny-2", "--to", "2", "--yes", "--json")
    assert (beside.code, json.loads(beside.err)["error"]["key"]) == (3, "rollout.open")
    assert fleet.done("rollout", "resume", "--json").document["rollout"]["state"] == "complete"


def started(fleet: Fleet, *words: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command, and wait until its rollout is there; return its number too."""
    number = fleet.done("rollout", "show", "--json").document["rollout"]["number"] + 1
    process = fleet.controller.start(*words, more={"CLAWRACK_KINDS": str(fleet.kinds)})
    until("the rollout", lambda: bool(fleet.rollout(number)) or process.poll() is not None, 240)
    return process, number
