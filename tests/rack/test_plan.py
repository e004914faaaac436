"""What `clawrack plan` says of a machine that somebody changed by hand, and that `apply` puts right what it said."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rack.fleet_rig import Fleet, fleet_of

AGENT = "tiny-1"
RELEASES = f"/var/lib/clawrack/agents/{AGENT}/releases"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A machine with an agent of the tiny kind."""
    with fleet_of(1, tmp_path_factory.mktemp("plan")) as made:
        yield made


def planned(one: Fleet, *words: str) -> dict[str, Any]:
    return one.done("plan", "--json", *words).document["plan"]


def told(plan: dict[str, Any]) -> set[tuple[str, str]]:
    return {(found["key"], found["then"]) for found in plan["drift"]}


def test_a_fleet_that_nobody_touched_has_nothing_to_do(one: Fleet) -> None:
    plan = planned(one)
    assert (plan["empty"], plan["alike"], plan["actions"], plan["drift"]) == (True, 1, [], [])
    assert one.done("plan", "--expect-empty").out.startswith("Nothing to do")


def test_what_was_changed_by_hand_is_shown_and_put_back(one: Fleet, tmp_path: Path) -> None:
    machine, before = one.machines["m-1"], planned(one)["hash"]
    config = machine.sh(f"ls {RELEASES}/*/config/tiny.json").text
    text = machine.get(config).decode()
    machine.sh(f'chmod u+w {config} && sed -i \'s/"port": *[0-9]*/"port": 1/\' {config}')
    machine.sh(f"echo '# token=abcdefghijklmnop0123' >>{config}")
    image = machine.run("docker", "inspect", "-f", "{{.Image}}", f"clawrack-{AGENT}").text
    machine.run("docker", "create", "--name", "plex", "--entrypoint", "/bin/true", image)
    plan = planned(one, "--out", str(tmp_path / "plan.json"))
    assert [(found["what"], found["reason"]) for found in plan["actions"]] == [("Mend", "reason.config_changed")]
    assert told(plan) == {("drift.config", "mended"), ("drift.other", "left")}
    lines = plan["actions"][0]["diff"]
    assert lines[0] == "--- config/tiny.json"
    assert any(row.startswith("-") and '"port": 1' in row for row in lines)
    assert "abcdefghijklmnop0123" not in str(plan)
    assert one.type("plan", "--expect-empty").code == 3
    assert "was changed on m-1" in one.done("plan").out

    stale = one.type("apply", "--hash", before, "--json")
    assert stale.code == 3, stale
    machine.run("docker", "update", "--memory", "200m", "--memory-swap", "200m", f"clawrack-{AGENT}")
    moved_on = one.type("apply", "--plan", str(tmp_path / "plan.json"), "--json")
    assert moved_on.code == 3, moved_on
    assert machine.get(config).decode() != text, "a stale plan changes nothing"

    plan = planned(one)
    assert [found["reason"] for found in plan["actions"]] == ["reason.config_changed", "reason.box_changed"]
    assert ("drift.limits", "mended") in told(plan)
    one.done("apply", "--hash", plan["hash"], "--touch", "1", "--json")
    assert machine.get(config).decode() == text
    assert one.at(AGENT).look()["state"] == "running"
    assert machine.run("docker", "inspect", "-f", "{{.State.Status}}", "plex").text == "created"
    after = planned(one)
    assert (after["empty"], told(after)) == (True, {("drift.other", "left")})
    machine.run("docker", "rm", "plex")


def test_an_agent_that_was_stopped_on_purpose_is_left_stopped(one: Fleet) -> None:
    one.done("agent", "stop", AGENT)
    plan = planned(one)
    assert (plan["empty"], told(plan)) == (True, {("drift.stopped", "left")})
    assert "clawrack agent start tiny-1" in one.done("plan").out
    one.done("apply", "--yes", "--json")
    assert one.at(AGENT).look()["state"] == "exited"
    one.done("agent", "start", AGENT)
    assert planned(one)["drift"] == []


def test_a_machine_that_does_not_answer_is_unknown_never_missing(one: Fleet) -> None:
    file = one.folder / "machines" / "m-1.yaml"
    text = file.read_text()
    file.write_text(text.replace(one.machines["m-1"].address, "127.0.0.9"))
    try:
        plan = planned(one)
    finally:
        file.write_text(text)
    assert plan["actions"] == []
    assert [(found["machine"], found["agents"]) for found in plan["unknown"]] == [("m-1", [AGENT])]
