"""A rollout carries out the plan that was reviewed and no other, and writes over nobody's words."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clawrack.cli import door
from clawrack.wire.fleet import open_fleet
from fleet import load, rollout_record
from fleet.actions import Deploy
from fleet.api import Fleet
from fleet.deciding import target_of
from fleet.model import Agent, Machine
from fleet.plan import Plan
from fleet.policy import Policy
from fleet.rollout import Entry
from fleet.rollout_record import Head
from fleet.rollout_view import RolloutView

WAS = Agent(kind="openclaw", machine="pc", image="sha256:" + "a" * 64, image_of="2026.8.2", version="2026.8.2")
PLANNED = Agent(kind="openclaw", machine="pc", image="sha256:" + "b" * 64, image_of="2026.9.6", version="2026.9.6")
QUICK = Policy(healthy_deadline="1s", min_healthy_time="0s")
RELEASE = target_of("ada", PLANNED).release
PLAN = Plan(
    actions=(Deploy(machine="pc", agent="ada", release=RELEASE, replaces="old", reason="reason.agent_other"),),
    agents={"ada": PLANNED},
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "CLAWRACK_FLEET"):
        monkeypatch.setenv(name, str(tmp_path / name))
    made = tmp_path / "CLAWRACK_FLEET"
    load.save_machine(made, "pc", Machine(address="127.0.0.1", port=1))
    load.save_agent(made, "ada", WAS)
    return made


def file(folder: Path) -> str:
    return (folder / "agents" / "ada.yaml").read_text()


def edited(rolls: Callable[[Fleet], RolloutView], folder: Path, written: str) -> None:
    fleet = open_fleet(folder)
    assert rolls(fleet).state == "stopped"
    assert "ada's file was changed" in rollout_record.read(1).entries[-2].why
    error = fleet.ending(1)
    assert error
    assert (error.exit_code, file(folder)) == (3, written)


def edit(folder: Path) -> str:
    path = folder / "agents" / "ada.yaml"
    path.write_text(path.read_text() + "tags: [gpu]\n")
    return path.read_text()


@pytest.mark.parametrize(
    ("begun", "typed", "code"),
    [
        ((), ("--hash", "0123456789abcdef"), 3),
        (("--hash", "0123456789abcdef"), ("--hash", "fedcba9876543210"), 3),
        (("--hash", "0123456789abcdef"), (), 3),
        (("--hash", "0123456789abcdef"), ("--hash", "0123456789abcdef"), 0),
    ],
)
def test_the_plan_that_was_reviewed_goes_on_and_another_one_is_refused(
    begun: tuple[str, ...], typed: tuple[str, ...], code: int, capfd: pytest.CaptureFixture[str]
) -> None:
    record = rollout_record.begin(Head(asked=("apply", *begun), at=0, plan=Plan(), policy=QUICK))
    record.add(Entry(what="paused"))
    assert door.run(["apply", *typed, "--json"]) == code
    assert rollout_record.read(1).verdict == ("" if code else "complete")
    assert ("rollout.open" in capfd.readouterr().err) == bool(code)


def test_what_a_person_wrote_while_it_was_paused_is_refused_and_stays(folder: Path) -> None:
    record = rollout_record.begin(Head(asked=("apply",), at=0, plan=PLAN, policy=QUICK, fleet=1, was={"ada": WAS}))
    record.add(Entry(what="paused"))
    edited(lambda fleet: fleet.resume(1), folder, edit(folder))


def test_what_a_person_wrote_after_the_plan_is_refused_and_stays(folder: Path) -> None:
    before = load.load(folder)
    edited(lambda fleet: fleet.roll(PLAN, ("apply",), saw=before), folder, edit(folder))


def test_what_a_person_wrote_while_an_agent_was_on_trial_is_not_put_back(folder: Path) -> None:
    head = Head(asked=("apply",), at=0, plan=PLAN, policy=QUICK, fleet=1, was={"ada": WAS})
    papers = open_fleet(folder)._papers(rollout_record.begin(head))  # pyright: ignore[reportPrivateUsage]
    before = file(folder)
    papers.write("ada", PLANNED)
    assert load.load(folder).agents["ada"] == PLANNED
    papers.put_back("ada", before)
    assert file(folder) == before, "what the rollout wrote goes back"
    papers.write("ada", PLANNED)
    written = edit(folder)
    papers.put_back("ada", before)
    assert file(folder) == written


@pytest.mark.parametrize(("text", "code", "key"), [('{"version":2}', 3, "plan.newer"), ("{}", 2, "plan.not_one")])
def test_a_plan_of_a_newer_clawrack_and_what_is_none_are_refused(
    text: str, code: int, key: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text(text)
    assert door.run(["apply", "--plan", str(tmp_path / "plan.json"), "--json"]) == code
    assert key in capfd.readouterr().err
    assert rollout_record.listed() == []
