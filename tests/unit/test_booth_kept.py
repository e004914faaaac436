"""What a booth writes down and reads: tickets, rows of a day, the pipe to a child, a day from a file."""

import io
import json
import os
import stat
from pathlib import Path

import pytest
from msgspec import structs

from fleet.base.errors import BadInput, ClawrackError, OurBug, Refused, StateDamaged, Unreachable
from installer.booth import keep, pipe, script
from installer.booth.child import environment
from installer.booth.desk import Ends, Reached, Said
from installer.booth.ticket import Cause, Wanted
from installer.booth.view import TicketView
from installer.booth.work import cause_of
from tests.unit.tickets import ORDER, a_row, a_ticket, at

EXAMPLE = Path(__file__).parents[2] / "examples/booth-day.yaml"


# ---- what is kept ----------------------------------------------------------------------------------------------------


def a_keep(tmp_path: Path) -> keep.Keep:
    return keep.Keep(tmp_path / "tickets", tmp_path / "days")


def test_a_ticket_is_read_back_as_it_was_without_its_receipt(tmp_path: Path) -> None:
    kept, ticket = a_keep(tmp_path), structs.replace(at("installing"), receipt="r", wanted=Wanted(id="consent"))
    kept.write(ticket, ORDER)
    (found,) = kept.tickets()
    assert found.ticket == structs.replace(ticket, receipt="", wanted=None)
    assert found.order == ORDER
    files = list(tmp_path.joinpath("tickets").rglob("*"))
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in files)
    kept.wipe(1)
    assert list(kept.tickets()) == [] == list((tmp_path / "tickets").iterdir())


def test_a_row_is_written_once_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    kept = a_keep(tmp_path)
    kept.book(a_row(id="a"))
    kept.book(a_row(id="a"))
    kept.book(a_row(id="b"))
    file = tmp_path / "days" / f"{keep.today()}.jsonl"
    file.write_bytes(file.read_bytes() + b'{"version":1,"id":"c')
    assert [one.id for one in kept.rows(keep.today())] == ["a", "b"]
    assert kept.days() == [keep.today()]


def test_what_a_newer_clawrack_wrote_is_refused_and_what_is_not_whole_is_said_to_be_damaged(tmp_path: Path) -> None:
    kept = a_keep(tmp_path)
    kept.write(a_ticket(), ORDER)
    file = tmp_path / "tickets/1/ticket.json"
    file.write_bytes(json.dumps({**json.loads(file.read_bytes()), "version": 2}).encode())
    with pytest.raises(Refused):
        list(kept.tickets())
    file.write_bytes(b"{")
    with pytest.raises(StateDamaged):
        list(kept.tickets())
    kept.book(a_row(version=2))
    with pytest.raises(Refused):
        kept.rows(keep.today())


def test_a_folder_that_others_can_look_into_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "tickets").mkdir(mode=0o755)
    with pytest.raises(Refused) as caught:
        a_keep(tmp_path).write(a_ticket(), ORDER)
    assert caught.value.key == "booth.not_private"


def test_a_folder_that_was_made_and_is_no_ticket_yet_goes(tmp_path: Path) -> None:
    kept = a_keep(tmp_path)
    assert kept.home(7).is_dir()
    assert list(kept.tickets()) == []
    assert not (tmp_path / "tickets/7").exists()


@pytest.mark.parametrize(
    ("lingers", "runtime", "on_disk"),
    [
        ("yes", "logind", False),
        ("no", "logind", True),
        ("", "logind", True),  # it does not know the login, or is not there
        ("no", "own", False),  # nobody but its owner empties that one
        (None, "logind", False),  # no systemd: nobody empties anything
    ],
)
def test_tickets_lie_in_memory_only_where_no_logout_empties_it(
    lingers: str | None, runtime: str, on_disk: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    systemd, logind = tmp_path / "systemd", tmp_path / "user" / str(os.getuid())
    for folder in (logind, tmp_path / "own", *([] if lingers is None else [systemd])):
        folder.mkdir(parents=True)
    (tmp_path / "loginctl").write_text(f"#!/bin/sh\necho {lingers}\n[ -n '{lingers}' ]\n")
    (tmp_path / "loginctl").chmod(0o755)
    monkeypatch.setattr(keep, "SYSTEMD", systemd)
    monkeypatch.setattr(keep, "LOGINS", logind.parent)
    monkeypatch.setattr(keep, "MEMORY", tmp_path / "none")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(logind if runtime == "logind" else tmp_path / "own"))
    found = keep.usual()
    assert found.on_disk is on_disk
    assert found.folder.is_relative_to(tmp_path / "state") is on_disk


def test_tickets_that_were_begun_on_disk_are_found_there_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    days = tmp_path / "state" / "clawrack" / "booth"
    keep.Keep(days / "tickets", days).write(a_ticket(), ORDER)
    assert [kept.ticket for kept in keep.usual().tickets()] == [a_ticket()]


def test_no_number_is_given_twice(tmp_path: Path) -> None:
    assert [a_keep(tmp_path).number() for _ in range(3)] == [1, 2, 3]


def test_a_child_has_a_home_of_its_own_and_none_of_the_booth_s_answers(tmp_path: Path) -> None:
    ours = {"PATH": "/bin", "CLAWRACK_PASSWORD": "canary", "CLAWRACK_FLEET": "/rack", "CLAWRACK_KINDS": "/kinds"}
    theirs = environment(ours, tmp_path, "zh")
    assert theirs == {
        "PATH": "/bin", "CLAWRACK_KINDS": "/kinds", "CLAWRACK_LANG": "zh", "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }  # fmt: skip


# ---- the pipe --------------------------------------------------------------------------------------------------------


def heard(text: bytes) -> list[Said]:
    words: list[Said] = []
    pipe.listen(io.BytesIO(text), Said, words.append)
    return words


def test_words_come_through_the_pipe_and_a_line_that_was_not_finished_is_none() -> None:
    out = io.BytesIO()
    pipe.send(out, Reached("detected"))
    pipe.send(out, Ends("done", receipt="回执"))
    assert heard(out.getvalue() + b'{"type":"ends"') == [Reached("detected"), Ends("done", receipt="回执")]


@pytest.mark.parametrize("text", [b"hello\n", b'{"type":"reached","state":"gone"}\n', b"x" * (pipe.LONGEST + 2)])
def test_what_is_no_word_or_too_long_ends_the_talk(text: bytes) -> None:
    with pytest.raises(OurBug):
        heard(text)


# ---- a day from a file -----------------------------------------------------------------------------------------------


def a_day(tmp_path: Path, text: str) -> tuple[int, list[script.Entry]]:
    (tmp_path / "day.yaml").write_text(text)
    return script.from_file(tmp_path / "day.yaml")


def test_what_stands_beside_the_tickets_counts_for_each_that_does_not_say_otherwise(tmp_path: Path) -> None:
    text = (
        "version: 1\nat_once: 2\nconsent: true\nlanguage: zh\ntickets:\n"
        "  - {machine: root@a, device: 3f9a-71c2}\n"
        "  - {machine: root@b, device: 3f9a-71c2, consent: false, language: en}\n"
    )
    seats, (one, two) = a_day(tmp_path, text)
    assert (seats, one.consent, one.language, two.consent, two.language) == (2, True, "zh", False, "en")


@pytest.mark.parametrize(
    ("ticket", "key"),
    [
        ("{machine: root@a}", "booth.lacks"),
        ("{device: 3f9a-71c2}", "booth.lacks"),
        ("{machine: root@a, device: 3f9a-71c2, password: {env: PW}}", "file.unknown_key"),
        ("{machine: root@a, device: 3f9a-71c2, api_key: sk-123}", "file.wrong"),
    ],
)
def test_a_ticket_names_its_device_and_holds_no_secret_itself(tmp_path: Path, ticket: str, key: str) -> None:
    with pytest.raises(BadInput) as caught:
        a_day(tmp_path, f"version: 1\ntickets:\n  - {ticket}\n")
    assert caught.value.key == key


def test_the_example_is_a_day() -> None:
    seats, entries = script.from_file(EXAMPLE)
    assert seats >= 1
    assert entries


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (BadInput("ssh.wrong_password"), "wrong-password"),
        (Refused("bootstrap.no_password"), "no-password"),
        (Refused("booth.another_device"), "another-device"),
        (Unreachable("ssh.silent"), "unreachable"),
        (Refused("preflight.memory"), "unfit"),
        (Refused("booth.declined"), "declined"),
        (ClawrackError("anything"), "failed"),
    ],
)
def test_an_error_is_counted_by_its_cause(error: ClawrackError, cause: Cause) -> None:
    assert cause_of(error) == cause


def test_what_scripts_are_shown_has_no_address() -> None:
    assert not {"place", "machine", "address", "id", "marks"} & {*TicketView.__struct_fields__}
