"""One agent upgraded, refused, taken back: image, configuration and state go together, and nobody else is touched."""

import json
from collections.abc import Iterator

import pytest

from tests.rack import faults
from tests.rack.fleet_rig import Fleet, fleet_of, until
from tests.rack.machine import Machine

GUARD = "/usr/local/lib/clawrack/guard.sh"
UPGRADE = ("upgrade", "tiny-1", "--to", "2", "--yes", "--json")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(2, tmp_path_factory.mktemp("fleet")) as made:
        yield made


def test_a_broken_version_that_migrated_the_state_leaves_the_old_one_answering_with_the_same_rows(fleet: Fleet) -> None:
    fleet.done("agent", "ask", "tiny-1", "remember me")
    rows, file = fleet.at("tiny-1").rows(), fleet.file("tiny-1")
    assert any("remember me" in row for row in rows)
    fleet.policy(healthy_deadline="6s")
    fleet.kind(version="2", schema=2, fault="never_ready")
    typed = fleet.type(*UPGRADE)
    assert typed.code == 5, typed
    assert "ready" in typed.document["rollout"]["why"]
    assert (fleet.version("tiny-1")["schema"], fleet.file("tiny-1")) == (1, file)
    assert fleet.at("tiny-1").rows() == rows
    fleet.done("agent", "ask", "tiny-1", "still there?")


def test_a_canary_is_asked_by_practice_so_that_its_own_way_costs_nothing(fleet: Fleet) -> None:
    machine = fleet.machines["m-1"]
    dead_route(machine, "tiny-1")
    assert fleet.type("agent", "ask", "tiny-1", "hello").code == 5
    fleet.kind(version="2", schema=2)
    before, other = len(fleet.at("tiny-1").rows()), fleet.at("tiny-2").container()
    assert fleet.done(*UPGRADE).document["rollout"]["state"] == "complete"
    assert len(fleet.at("tiny-1").rows()) == before + 1
    assert (fleet.version("tiny-1")["version"], fleet.at("tiny-2").container()) == ("2", other)
    assert 'version: "2"' in fleet.file("tiny-1")
    assert fleet.type("agent", "ask", "tiny-1", "hello").code == 5, "the one call was all that went another way"
    leased(machine, "assign", "tiny-1", "practice")


def dead_route(machine: Machine, agent: str) -> None:
    """Send an agent's calls to a provider that nobody is at."""
    shown = {"kind": "openai", "base": "http://192.0.2.1:9/v1", "model": "m"}
    content = f"{json.dumps(shown)}\nsk-nobody\n{{}}\n"
    leased(machine, "route", "dead", str(len(content)), stdin=content)
    leased(machine, "assign", agent, "dead")


def leased(machine: Machine, verb: str, *words: str, stdin: str = "") -> None:
    """Have the guard do something, under a lease of somebody else's."""
    token = machine.run(GUARD, "lease", "the-test", "60").text.split("token=")[1].split()[0]
    machine.run(GUARD, verb, token, *words, stdin=stdin.encode())
    machine.run(GUARD, "release", token)


def test_an_older_version_is_refused_and_the_way_back_is_named(fleet: Fleet) -> None:
    fleet.kind(version="1", schema=1)
    before = fleet.at("tiny-1").container()
    typed = fleet.type("upgrade", "tiny-1", "--to", "1", "--yes", "--json")
    told = json.loads(typed.err)["error"]
    assert (typed.code, told["key"], told["next"]) == (3, "upgrade.older", "clawrack rollback tiny-1")
    assert fleet.at("tiny-1").container() == before


def test_a_rollback_brings_back_image_configuration_and_state(fleet: Fleet) -> None:
    shown = fleet.done("rollback", "tiny-1", "--yes", "--json").document["rollout"]
    assert (shown["state"], shown["done"]) == ("complete", 1)
    assert (fleet.version("tiny-1")["version"], fleet.version("tiny-1")["schema"]) == ("1", 1)
    assert 'version: "2"' not in fleet.file("tiny-1")
    assert fleet.type("rollback", "tiny-1", "--to", "0123", "--yes").code == 3
    assert fleet.done("apply", "--yes", "--json").document["rollout"] is None


def test_a_plan_that_is_another_one_by_now_is_refused_and_nothing_is_done(fleet: Fleet) -> None:
    fleet.kind(version="1", fault="dies:600")  # another configuration, and as well as before
    reviewed = fleet.done("plan", "tiny-2", "--json").document["plan"]["hash"]
    before = fleet.at("tiny-2").container()
    fleet.kind(version="1", fault="dies:601")
    typed = fleet.type("apply", "tiny-2", "--hash", reviewed, "--yes", "--json")
    assert (typed.code, json.loads(typed.err)["error"]["key"]) == (3, "plan.other")
    assert fleet.at("tiny-2").container() == before
    fleet.kind(version="1", fault="dies:600")
    shown = fleet.done("apply", "tiny-2", "--hash", reviewed, "--json").document["rollout"]
    assert (shown["state"], shown["done"]) == ("complete", 1)


def test_a_machine_that_another_controller_is_changing_is_left_alone(fleet: Fleet) -> None:
    fleet.kind(version="2", schema=2)
    machine, before, file = fleet.machines["m-1"], fleet.at("tiny-1").container(), fleet.file("tiny-1")
    token = machine.run(GUARD, "lease", "somebody", "60").text.split("token=")[1].split()[0]
    typed = fleet.type(*UPGRADE)
    machine.run(GUARD, "release", token)
    assert typed.code == 3, typed
    assert "somebody" in typed.document["rollout"]["why"]
    assert (fleet.at("tiny-1").container(), fleet.file("tiny-1")) == (before, file)


def test_taken_back_while_its_canary_is_on_trial_it_is_as_before(fleet: Fleet) -> None:
    fleet.policy(healthy_deadline="5m")
    fleet.kind(version="2", schema=2, fault="hang")
    before, file = fleet.version("tiny-1"), fleet.file("tiny-1")
    process = fleet.controller.start(*UPGRADE, more={"CLAWRACK_KINDS": str(fleet.kinds)})
    until("the trial", lambda: bool(fleet.at("tiny-1").look().get("trial")), 120)
    fleet.done("rollout", "abort")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, (out, err)
    shown = fleet.done("rollout", "show", "--json").document["rollout"]
    assert (shown["state"], shown["done"]) == ("aborted", 0)
    assert (fleet.version("tiny-1"), fleet.file("tiny-1")) == (before, file)


def test_a_controller_that_died_is_taken_back_by_another_one(fleet: Fleet) -> None:
    before, file = fleet.version("tiny-1"), fleet.file("tiny-1")
    process = fleet.controller.start(*UPGRADE, more={"CLAWRACK_KINDS": str(fleet.kinds)})
    until("the trial", lambda: bool(fleet.at("tiny-1").look().get("trial")), 120)
    process.kill()
    process.communicate()
    assert fleet.done("rollout", "show", "--json").document["rollout"]["state"] == "open"
    assert fleet.done("rollout", "abort", "--json").document["rollout"]["state"] == "aborted"
    assert (fleet.version("tiny-1"), fleet.file("tiny-1")) == (before, file)
    assert fleet.type("rollout", "resume").code == 3, "it is over"


def test_what_was_cut_off_is_unknown_until_it_is_looked_at_again(fleet: Fleet) -> None:
    fleet.policy(healthy_deadline="20s", min_healthy_time="8s")
    fleet.kind(version="2", schema=2)
    machine, file = fleet.machines["m-1"], fleet.file("tiny-1")
    process = fleet.controller.start(*UPGRADE, more={"CLAWRACK_KINDS": str(fleet.kinds)})
    until("the trial", lambda: bool(fleet.at("tiny-1").look().get("trial")), 120)
    faults.disconnect(machine)
    out, _ = process.communicate(timeout=300)
    faults.reconnect(machine)
    shown = json.loads(out.splitlines()[-1])["rollout"]
    assert (process.returncode, shown["state"], shown["unknown"]) == (4, "open", 1)
    assert fleet.file("tiny-1") != file, "the wish came first"
    assert fleet.done("rollout", "resume", "--json").document["rollout"]["state"] == "complete"
    assert fleet.version("tiny-1")["version"] == "2"
    fleet.kind(version="1")
    fleet.done("rollback", "tiny-1", "--yes")


@pytest.mark.parametrize(("language", "said"), [("en", "touches 2 of 2 agents"), ("zh", "2 个智能体里的 2 个")])
def test_a_large_part_of_the_fleet_wants_its_number_typed(fleet: Fleet, language: str, said: str) -> None:
    fleet.policy()
    fleet.kind(version="2", schema=2)
    silent = fleet.type("upgrade", "all", "--to", "2", "--yes", "--json")
    told = json.loads(silent.err)["error"]
    assert (silent.code, told["key"]) == (3, "rollout.needs_touch")
    assert told["next"].endswith("--touch 2")
    more = {"CLAWRACK_KINDS": str(fleet.kinds), "CLAWRACK_LANG": language}
    with fleet.controller.at_terminal("upgrade", "all", "--to", "2", more=more) as terminal:
        assert said in terminal.sees(said)
        terminal.press("3\n")
        assert terminal.ends() == 3
    assert fleet.version("tiny-1")["version"] == "1"
