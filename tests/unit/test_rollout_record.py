"""A rollout's record is whole or told to be damaged; what a power cut tore is dropped; how it ended is told truly."""

import threading
from pathlib import Path

import pytest

from fleet import rollout_record
from fleet.actions import Deploy
from fleet.base.errors import BadInput, Interrupted, Refused, StateDamaged, Unreachable
from fleet.machine.guard import Failure
from fleet.model import Agent
from fleet.plan import Plan
from fleet.policy import Policy
from fleet.rollout import Entry, What
from fleet.rollout_plan import forward
from fleet.rollout_record import Head, Record
from fleet.rollout_view import error_of, view
from fleet.rollout_why import cause

PLAN = Plan(
    actions=tuple(
        Deploy(machine=f"m-{n}", agent=f"a-{n}", release="new", replaces="old", reason="reason.agent_other")
        for n in range(3)
    ),
    agents={f"a-{n}": Agent(kind="k", machine=f"m-{n}", image="i", version="2") for n in range(3)},
)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "clawrack" / "rollouts"


def begun(asked: tuple[str, ...] = ("upgrade", "all", "--to", "2")) -> Record:
    return rollout_record.begin(Head(asked=asked, at=0, plan=PLAN, policy=Policy(canary=0), fleet=3))


def told(record: Record, *what: What, why: str = "told so", code: int = 5) -> Record:
    for number, word in enumerate(what):
        record.add(Entry(what="begun", unit=number))
        if word != "begun":
            record.add(Entry(what=word, unit=number, why="" if word == "done" else why, code=code))
    return record


def test_what_was_written_is_read_again() -> None:
    record = told(begun(), "done", "begun")
    again = rollout_record.read(1)
    assert (again.head, again.entries) == (record.head, record.entries)
    assert view(again) == view(record)


def test_a_torn_last_line_is_dropped_and_the_next_one_stands_on_a_line_of_its_own(state: Path) -> None:
    told(begun(), "done")
    path = state / "1" / "record.jsonl"
    path.write_bytes(path.read_bytes() + b'{"what":"beg')
    record = rollout_record.read(1)
    with record.held():
        record.add(Entry(what="paused"))
    assert [entry.what for entry in rollout_record.read(1).entries] == ["begun", "done", "paused"]


@pytest.mark.parametrize("file", ["record.jsonl", "rollout.json"])
def test_damage_anywhere_else_is_told_and_nothing_is_written(state: Path, file: str) -> None:
    told(begun(), "done", "done")
    path = state / "1" / file
    path.write_bytes(b"\x00" + path.read_bytes()[1:])
    before = path.read_bytes()
    with pytest.raises(StateDamaged):
        rollout_record.read(1)
    assert path.read_bytes() == before


def test_a_newer_record_is_refused_and_left_as_it_is(state: Path) -> None:
    begun()
    (state / "1" / "rollout.json").write_bytes(b'{"version":2,"by":"9.9.9"}')
    with pytest.raises(Refused) as caught:
        rollout_record.unfinished()
    assert caught.value.key == "format.newer_by"


def test_one_that_is_worked_on_is_not_worked_on_twice() -> None:
    with begun().held(), pytest.raises(Refused) as caught, rollout_record.read(1).held():
        pytest.fail("two at once")
    assert caught.value.key == "disk.locked"


def test_old_ones_go() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollout_record, "KEPT", 3)
        for _ in range(5):
            begun().add(Entry(what="ended", verdict="complete"))
    assert rollout_record.listed() == [2, 3, 4, 5]
    assert rollout_record.unfinished() is None
    with pytest.raises(BadInput):
        rollout_record.read(1)


def test_beside_an_open_one_none_is_begun() -> None:
    record = begun()
    with pytest.raises(Refused) as caught:
        begun(("apply",))
    assert (caught.value.key, rollout_record.listed()) == ("rollout.open", [1])
    record.add(Entry(what="ended", verdict="complete"))
    assert begun().number == 2


def test_of_many_that_begin_at_once_one_does_and_its_plan_is_its_own() -> None:
    told: list[Record | Refused] = []
    ready = threading.Barrier(8)

    def begin(name: str) -> None:
        ready.wait()
        try:
            told.append(begun((name,)))
        except Refused as error:
            told.append(error)

    threads = [threading.Thread(target=begin, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = [one for one in told if isinstance(one, Record)]
    assert len(records) == 1
    assert rollout_record.read(1).head == records[0].head
    assert {one.key for one in told if isinstance(one, Refused)} <= {"rollout.open", "disk.locked"}


def test_a_folder_that_a_power_cut_left_without_a_plan_is_nobodys(state: Path) -> None:
    (state / "1").mkdir(parents=True)
    (state / "1" / "record.jsonl").write_bytes(b'{"what":"aborted"}\n')
    assert begun().number == 2


def test_how_it_ended_is_told_by_the_exit_code() -> None:
    def ended(record: Record) -> Record:
        record.add(Entry(what="ended", verdict="stopped"))
        return record

    failed, refused = error_of(ended(told(begun(), "done", "failed"))), error_of(ended(told(begun(), "failed", code=3)))
    record = told(begun(), "done", "unknown", code=4)
    unknown = error_of(record)
    ended(record)
    assert [type(error).__name__ for error in (failed, refused)] == ["ActionFailed", "Refused"]
    assert isinstance(unknown, Unreachable)
    record = told(begun(), "done", "done", "done")
    record.add(Entry(what="ended", verdict="complete"))
    assert error_of(record) is None
    record = told(begun(), "done")
    record.add(Entry(what="paused"))
    assert isinstance(error_of(record), Interrupted)


def test_a_failed_rollback_is_told_as_that() -> None:
    error = error_of(told(begun(("rollback", "a-0")), "failed"))
    assert error
    assert error.key == "rollout.back_failed"


def test_a_version_older_than_what_runs_is_refused_from_the_files_too() -> None:
    action = Deploy(
        machine="m",
        agent="a",
        release="r",
        replaces="s",
        version="2026.8.2",
        runs="2026.9.6",
        reason="reason.agent_other",
    )
    with pytest.raises(Refused) as caught:
        forward(Plan(actions=(action,)))
    assert caught.value.part("next") == "clawrack rollback a"


def test_a_cause_names_the_exit_code_and_the_last_line_without_secrets_and_without_escapes() -> None:
    log = b"starts\n\x1b]0;owned\x07key is s3cret-value\n\n"
    found = Failure({"exit": "78", "running": "false"}, b"{}", log)
    said = cause("It is not ready", found, ["s3cret-value"])
    assert "78" in said
    assert "•••" in said
    assert "s3cret-value" not in said
    assert "\x1b" not in said
