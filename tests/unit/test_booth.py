"""The booth, without a device: tickets and what may become of them, codes, the day sheet, what is kept, the pipe."""

import io
import json
import os
import pty
import random
import select
import stat
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fleet.base import words
from fleet.base.errors import BadInput, ClawrackError, OurBug, Refused, StateDamaged, Unreachable
from fleet.base.secret import Secret
from fleet.base.words import LANGUAGES
from fleet.machine.hostkey import HostKey
from installer.booth import codes, desk, keep, pipe, script, sheet, talk
from installer.booth.child import environment
from installer.booth.desk import Asks, Desk, Ends, Reached, Said, due, gone, hear, resumed
from installer.booth.order import Order, Place
from installer.booth.ticket import (
    LIMIT,
    OVER,
    WARNING,
    WAY,
    Cause,
    Language,
    Marks,
    State,
    Ticket,
    Wanted,
    clock,
    moved,
)  # fmt: skip
from installer.booth.view import TicketView
from installer.booth.work import cause_of
from installer.receipt.form import Consent
from tui import booth_texts as texts
from tui.booth_lend import lend
from tui.booth_lines import PlainDesk

if TYPE_CHECKING:
    from installer.booth.run import Booth

KEY = HostKey("ssh-ed25519", b"\x00\x00\x00\x0bssh-ed25519" + bytes(36))
EXAMPLE = Path(__file__).parents[2] / "examples/booth-day.yaml"


def a_ticket(number: int = 1, place: str = "10.0.0.1:22", **more: object) -> Ticket:
    return structs.replace(Ticket(number=number, id=f"id{number}", code=f"AAA-BB{number}", place=place), **more)


def at(state: State) -> Ticket:
    ticket = desk.start(a_ticket(), 0.0)
    for step in WAY[1 : WAY.index(state) + 1]:
        ticket = moved(ticket, step, 1.0)
    return ticket


# ---- the way ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", WAY)
@pytest.mark.parametrize("after", WAY)
def test_a_ticket_goes_one_step_at_a_time_and_no_other_way(before: State, after: State) -> None:
    ticket = at(before)
    if WAY.index(after) == WAY.index(before) + 1:
        assert moved(ticket, after, 2.0).state == after
    else:
        with pytest.raises(OurBug):
            moved(ticket, after, 2.0)


@pytest.mark.parametrize("state", [state for state in WAY if state not in OVER])
def test_from_anywhere_it_can_be_parked_and_taken_up_and_what_was_settled_stays(state: State) -> None:
    consent = Consent(version=1, language="zh", at="2026-11-21T10:00:00+00:00")
    ticket = structs.replace(at(state), consent=consent, marks=Marks(host_key="SHA256:x"))
    parked = gone(ticket, None, "", 5.0, parked=True)
    again = resumed(parked, 9.0)
    assert (parked.state, parked.cause, parked.running, again.state, again.queued) == (
        "parked", "parked", False, "new", True,
    )  # fmt: skip
    assert (again.consent, again.marks, again.reached) == (consent, ticket.marks, state)
    assert again.touched is (WAY.index(state) >= WAY.index("installing"))


@pytest.mark.parametrize("cause", ["declined", "another-device", "unfit"])
def test_what_no_second_attempt_changes_is_over_and_all_else_is_parked(cause: Cause) -> None:
    assert gone(at("detected"), Ends("failed", cause), "no", 2.0).state == "failed"
    assert gone(at("detected"), Ends("failed", "wrong-password"), "no", 2.0).state == "parked"
    assert gone(at("installing"), Ends("failed", cause), "no", 2.0).state == "parked"  # something may be on the device


def test_a_ticket_whose_device_was_cleared_keeps_the_cause_for_which_it_was() -> None:
    parked = gone(at("installing"), Ends("failed", "unreachable"), "no", 2.0)
    over = gone(desk.cleared(parked, 3.0), Ends("cleared"), "", 4.0)
    assert (over.state, over.cause, over.parks) == ("failed", "unreachable", 0)


def test_a_device_that_could_not_be_cleared_says_so_until_it_is_given_up() -> None:
    parked = gone(at("installing"), None, "", 2.0)
    still = gone(desk.cleared(parked, 3.0), Ends("failed", "unreachable"), "gone home", 4.0)
    assert (still.state, still.cause, still.why) == ("parked", "left-behind", "gone home")
    assert desk.dropped(still, 5.0).cause == "left-behind"


def test_a_ticket_is_done_only_when_its_child_is_gone() -> None:
    ticket = at("handing-over")
    assert hear(ticket, Ends("done", receipt="r"), 3.0) == ticket
    assert gone(ticket, Ends("done", receipt="r"), "", 3.0).state == "done"


# ---- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "tone"), [(0.0, "waiting"), (1.0, "good"), (WARNING, "warn"), (LIMIT - 1, "warn"), (LIMIT, "over")]
)
def test_the_clock_warns_at_four_minutes_and_is_over_at_five(used: float, tone: str) -> None:
    assert clock(structs.replace(a_ticket(), ticking=10.0), 10.0 + used).tone == tone


def test_a_parked_ticket_s_clock_stands_and_goes_on_where_it_stood() -> None:
    parked = gone(at("detected"), None, "", 100.0, parked=True)
    again = desk.start(resumed(parked, 1000.0), 1001.0)
    assert (clock(parked, 999.0).used, clock(again, 1011.0).used) == (100.0, 110.0)
    assert again.spent["parked"] == 900.0


def test_hands_on_seconds_are_those_in_which_somebody_was_busy_with_it() -> None:
    ticket = hear(at("detected"), Asks(Wanted(id="consent")), 10.0)
    ticket = desk.attended(ticket, 12.0, on=True)
    ticket = desk.attended(desk.attended(ticket, 15.0, on=True), 20.0, on=False)
    assert ticket.hands == 8.0


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=30))
def test_the_seconds_by_state_add_up_to_the_time_that_went_by(steps: list[float]) -> None:
    now, ticket = 0.0, desk.start(a_ticket(), 0.0)
    for lasted in steps:
        now += lasted
        if ticket.state == "parked":
            ticket = desk.start(resumed(ticket, now), now)
        elif ticket.state == "handing-over" or not random.Random(lasted).randrange(3):
            ticket = gone(ticket, None, "", now)
        else:
            ticket = hear(ticket, Reached(WAY[WAY.index(ticket.state) + 1]), now)
    assert sum(ticket.spent.values()) + now - ticket.since == pytest.approx(now, abs=0.002 * len(steps))


# ---- the desk --------------------------------------------------------------------------------------------------------


def test_the_oldest_go_first_no_more_than_there_are_seats() -> None:
    tickets = tuple(a_ticket(n, f"10.0.0.{n}:22") for n in range(1, 6))
    found = Desk(seats=3, tickets=(structs.replace(tickets[0], running=True, queued=False), *tickets[1:]))
    assert [one.number for one in due(found)] == [2, 3]


def test_two_tickets_at_one_address_never_run_at_once() -> None:
    found = Desk(seats=4, tickets=(a_ticket(1), a_ticket(2), a_ticket(3, "10.0.0.3:22")))
    assert [one.number for one in due(found)] == [1, 3]


@pytest.mark.parametrize("typed", ["AAA-BB2", "aaabb2", " aaa bb2 ", "AAA BB2."])
def test_a_code_is_taken_as_people_type_it(typed: str) -> None:
    found = Desk(tickets=(a_ticket(1), a_ticket(2, state="parked")))
    assert found.by_code(typed).number == 2


def test_a_code_of_a_ticket_that_is_not_parked_opens_nothing() -> None:
    with pytest.raises(BadInput):
        Desk(tickets=(a_ticket(1),)).by_code("AAA-BB1")


# ---- codes -----------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=6, max_size=6))
def test_a_resume_code_has_no_letter_that_is_taken_for_a_digit(chance: bytes) -> None:
    code = codes.resume_code(chance)
    assert len(code) == 7
    assert not {*code} & {*"0O1IL"}
    assert codes.typed_code(code.lower().replace("-", " ")) == code


def test_a_device_is_told_by_its_short_code_or_its_whole_fingerprint() -> None:
    code = codes.device_code(KEY)
    for told in (code, code.upper(), code.replace("-", ""), KEY.fingerprint, KEY.fingerprint + "="):
        assert codes.is_device(told)
        assert codes.same_device(told, KEY)
    other = HostKey(KEY.kind, KEY.blob[:-1] + b"x")
    assert not codes.same_device(code, other)
    assert not codes.same_device(KEY.fingerprint, other)


def test_the_device_itself_prints_its_code_by_the_command_that_is_shown(tmp_path: Path) -> None:
    (tmp_path / "ssh_host_ed25519_key.pub").write_text(f"{KEY} root@nas\n")
    command = codes.COMMAND.replace("/etc/ssh", str(tmp_path))
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == codes.device_code(KEY).replace("-", "")


@pytest.mark.parametrize("told", ["", "3f9a", "nas", "3f9a-71cg", "3f9a-71c2-1111"])
def test_what_names_no_device_is_told_from_what_does(told: str) -> None:
    assert not codes.is_device(told)


# ---- the sheet -------------------------------------------------------------------------------------------------------


def a_row(**more: object) -> sheet.Row:
    plain = sheet.Row(id="x", kind="openclaw", fate="done", seconds=100.0, hands=10.0, phases={"installing": 80.0})
    return structs.replace(plain, **more)


def test_the_sheet_s_numbers_add_up() -> None:
    rows = [a_row(seconds=float(n)) for n in range(1, 21)]
    rows += [a_row(fate="failed", cause="declined", phases={"detected": 3.0}), a_row(fate="failed", cause="unfit")]
    found = sheet.sheet("2026-11-21", rows)
    assert (found.tickets, found.installs, found.failed) == (22, 20, 2)
    assert (found.median, found.p95) == (10.0, 19.0)
    assert {(one.cause, one.tickets) for one in found.failures} == {("declined", 1), ("unfit", 1)}
    assert {one.phase: one.seconds for one in found.phases} == {"detected": 3.0, "installing": 21 * 80.0}
    assert found.hands_total == 220.0


def test_a_day_without_tickets_is_a_sheet_of_zeros() -> None:
    assert sheet.sheet("2026-11-21", []).median == 0.0


@given(st.lists(st.floats(0, 600), min_size=1), st.sampled_from([50, 95]))
def test_a_percentile_is_one_of_the_values_and_as_many_are_below(values: list[float], share: int) -> None:
    found = sheet.percentile(values, share)
    assert found in {round(value, 1) for value in values}
    assert sum(round(value, 1) <= found for value in values) * 100 >= share * len(values)


def test_what_stays_of_a_ticket_names_nobody() -> None:
    ticket = structs.replace(at("done"), device="3f9a-71c2", what="Debian", why="10.0.0.1: no", receipt="r")
    kept = msgspec.json.encode(sheet.row(ticket, "openclaw")).decode()
    assert [word for word in ("10.0.0.1", "3f9a", "Debian", "AAA-", "receipt") if word in kept] == []


# ---- what is kept ----------------------------------------------------------------------------------------------------

ORDER = Order(machine="root@10.0.0.1", kind="openclaw")


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


# ---- a secret at the terminal ----------------------------------------------------------------------------------------


def typed(keys: bytes) -> tuple[Secret | None, bytes, bool]:
    """What a child takes from a terminal, what that showed of it, and whether it is as it was before."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(talk.typed, Path(os.ttyname(theirs)))
        shown = os.read(ours, 100)
        os.write(ours, keys)
        found = answer.result(10)
    while b"\n" not in shown:
        shown += os.read(ours, 100)
    same = termios.tcgetattr(theirs) == before
    os.close(ours)
    os.close(theirs)
    return found, shown, same


@pytest.mark.parametrize("word", ["hush", "密码 5", "x" * 200])
def test_a_secret_is_typed_without_being_shown_and_the_terminal_is_left_as_it_was(word: str) -> None:
    assert typed(f"{word}\r".encode()) == (Secret(word), b"> \r\n", True)


@pytest.mark.parametrize("keys", [b"\r", b"hu\x03\r", b"\x1b\r", b"\x04"])
def test_nothing_typed_and_what_stops_are_no_secret(keys: bytes) -> None:
    assert typed(keys)[0] is None


def test_a_secret_from_a_file_is_read_by_whoever_needs_it_and_none_is_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-canary\n")
    assert talk.read(Place("file", str(tmp_path / "key"))) == Secret("sk-canary")
    assert talk.read(Place()) is None
    with pytest.raises(BadInput):
        talk.read(Place("file", str(tmp_path / "none")))


class Lent:
    """A booth of one ticket that waits for a secret, and its child, which takes one line from the terminal."""

    def __init__(self, typist: Callable[[], None]) -> None:
        wanted = Wanted(id="api_key", form="secret", text="Key:")
        self.desk = Desk(tickets=(structs.replace(at("consented"), wanted=wanted),))
        self.taken: Secret | None = None
        self._typist = typist

    def attend(self, number: int, *, on: bool) -> None:
        pass

    def answer(self, number: int, place: Place) -> None:
        with ThreadPoolExecutor(2) as pool:
            taken = pool.submit(talk.read, place)
            time.sleep(0.1)
            pool.submit(self._typist)
            self.taken = taken.result(10)
        self.desk = self.desk.with_(structs.replace(self.desk.ticket(number), wanted=None))


@pytest.mark.parametrize("later", [0.0, 0.1])
def test_what_was_pasted_after_a_secret_s_line_comes_neither_to_the_desk_nor_onto_the_screen(
    later: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    monkeypatch.setattr("sys.stdin", os.fdopen(theirs, closefd=False))

    def paste() -> None:
        os.write(ours, b"sk-canary-1\r")
        threading.Timer(later, os.write, (ours, b"sk-canary-2\rend 1\r")).start()

    booth = Lent(paste)
    lend(cast("Booth", booth), 1, calm=True)
    assert booth.taken == Secret("sk-canary-1")
    assert select.select([theirs], [], [], 0.3)[0] == []
    assert termios.tcgetattr(theirs) == before
    os.set_blocking(ours, False)
    assert b"canary" not in os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)


# ---- plain lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_plain_desk_says_questions_with_numbers_and_never_a_secret(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "_chosen", [language])
    said: list[str] = []

    def order(machine: str, device: str, owner: Language) -> Order:
        return structs.replace(ORDER, machine=machine, device=device, language=owner)

    desk_of = PlainDesk(said.append, order, language)
    options = (("yes", "我同意"), ("no", "我不同意"))
    asked = Wanted(id="consent", text="你同意吗", page=("我们会…",), options=options)
    ticket = structs.replace(at("detected"), wanted=asked)
    desk_of.changed(ticket)
    desk_of.changed(ticket)  # the same is said once
    assert [text for text in ("我们会…", "你同意吗", "1. 我同意", "2. 我不同意") if said.count(text) != 1] == []
    said.clear()
    desk_of.changed(structs.replace(ticket, wanted=Wanted(id="password", form="secret", text="Password:")))
    assert len(said) == 1
    assert "open 1" in said[0]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_and_cause_has_its_words(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_chosen", [language])
    for state in (*WAY, "parked", "failed"):
        assert texts.state(structs.replace(a_ticket(), state=state)).text
    for cause in filter(None, get_args(Cause)):
        failed = structs.replace(a_ticket(), state="failed", cause=cause)
        assert texts.now_doing(failed, None, 0.0).text == texts.cause(failed) != ""
        assert dict(texts.details(failed, 0.0))[words.say("booth.ui.field.cause")] == texts.cause(failed)
