import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawrack.cli import door
from fleet import events
from fleet.actions import Start, Stop
from fleet.journal import Entry, Journal
from fleet.views import AgentView, MachineView, Status

START = Start(machine="attic", agent="ada", reason="reason.asked")


def agent(state: str) -> AgentView:
    row = {"name": "ada", "machine": "attic", "state": state, "kind": "openclaw", "version": "1", "model": "practice"}
    return msgspec.convert(row, AgentView)


def looked(machine: str = "ok", state: str = "running") -> Status:
    return Status(
        (msgspec.convert({"name": "attic", "address": "a", "state": machine, "agents": 1}, MachineView),),
        (agent(state),),
    )


def test_a_journal_tells_what_began_and_how_it_ended_with_what_it_was() -> None:
    rows = [
        Entry(at=10, run="r", n=1, what="begins", action=START),
        Entry(at=12.5, run="r", n=1, what="failed", why="no room"),
    ]
    begun, failed = events.told(rows)
    assert (begun.event.kind, begun.event.subject, begun.at) == ("begun", "attic/ada", "1970-01-01T00:00:10Z")
    assert (failed.event.kind, failed.event.step, failed.event.elapsed, failed.why) == (
        "failed",
        "step.start",
        2.5,
        "no room",
    )


def test_an_end_whose_beginning_was_forgotten_is_left_out() -> None:
    assert list(events.told([Entry(at=1, run="r", n=1, what="done")])) == []


def test_two_looks_tell_what_became_of_machines_and_agents() -> None:
    dark = list(events.changes(looked(), looked("silent", "unknown")))
    assert [(one.subject, one.step, one.params) for one in dark] == [
        ("attic", "events.state", {"old": "ok", "new": "silent"}),
        ("attic/ada", "events.state", {"old": "running", "new": "unknown"}),
    ]
    assert [one.step for one in events.changes(Status((), ()), looked())] == ["events.came", "events.came"]
    assert [one.step for one in events.changes(looked(), Status((), ()))] == ["events.went", "events.went"]
    assert list(events.changes(looked(), looked())) == []


@given(st.floats())
def test_no_time_ends_the_telling(at: float) -> None:
    assert events.moment(at).endswith("Z")


def test_the_command_shows_the_last_and_only_those_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("CLAWRACK_FLEET", str(tmp_path / "fleet"))
    journal = Journal(tmp_path / "clawrack" / "journal.jsonl", "r")
    for action in (START, Stop(machine="cellar", agent="bob", reason="reason.asked")):
        with journal.action(action):
            pass
    assert door.run(["events", "--json"]) == 0
    rows = [json.loads(row)["happened"]["event"] for row in capsys.readouterr().out.splitlines()]
    assert [(row["subject"], row["kind"]) for row in rows] == [
        ("attic/ada", "begun"), ("attic/ada", "done"), ("cellar/bob", "begun"), ("cellar/bob", "done"),
    ]  # fmt: skip
    assert door.run(["events", "bob", "--last", "1"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
