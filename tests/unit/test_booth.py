"""The booth, without a device: tickets and what may become of them, clocks, codes, the day sheet."""

import random
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from fleet.base.errors import BadInput, OurBug
from fleet.machine.hostkey import HostKey
from installer.booth import codes, desk, sheet
from installer.booth.desk import Asks, Desk, Ends, Reached, due, gone, hear, resumed
from installer.booth.ticket import LIMIT, OVER, WARNING, WAY, Cause, Marks, State, Wanted, clock, moved
from installer.receipt.form import Consent
from tests.unit.tickets import KEY, a_row, a_ticket, at

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
