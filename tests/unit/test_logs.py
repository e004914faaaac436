"""Logs: messages of an engine as lines, lines of several threads in one order, moments as people write them."""

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.base.errors import ActionFailed, BadInput
from fleet.logs import shown
from fleet.logs_order import ALL, HOLD, Order, Over
from fleet.machine.written import LONGEST, lines, messages, nanoseconds
from fleet.moments import moment

NOW = datetime(2026, 11, 21, 9, 30, 15, 500000, timezone(timedelta(hours=8)))
AT = "2026-11-21T10:00:00.{:09d}Z"


def framed(number: int, text: bytes) -> bytes:
    return bytes((number, 0, 0, 0)) + len(text).to_bytes(4, "big") + text


def stamped(nth: int, text: bytes) -> bytes:
    return AT.format(nth).encode() + b" " + text


# What the engine sends


@given(st.lists(st.tuples(st.sampled_from((1, 2)), st.binary(max_size=300)), max_size=20), st.integers(1, 50))
def test_messages_come_whole_however_they_are_cut(sent: list[tuple[int, bytes]], step: int) -> None:
    whole = b"".join(framed(number, text) for number, text in sent)
    pieces = (whole[at : at + step] for at in range(0, len(whole), step))
    assert list(messages(pieces, "m")) == sent


@pytest.mark.parametrize("bad", [b"\x01\0\0\0\xff\xff\xff\xff", b"plain text of a terminal", b"\x01\0\1\0\0\0\0\1x"])
def test_what_is_no_log_ends_before_it_fills_the_memory(bad: bytes) -> None:
    def endless() -> Iterator[bytes]:
        yield bad
        raise AssertionError("it was read on")

    with pytest.raises(ActionFailed) as caught:
        list(messages(endless(), "m"))
    assert caught.value.key == "logs.unreadable"


def test_a_line_that_the_engine_cut_in_two_is_one_line_again_and_outputs_do_not_mix() -> None:
    sent = [
        (1, stamped(1, b"begin ")),
        (2, stamped(2, b"an error\n")),
        (1, stamped(3, b"end\r\n")),
        (1, stamped(4, b"no end")),
    ]
    found = [(line.at[-2:-1], line.text) for line in lines(sent)]
    assert found == [("2", b"an error"), ("1", b"begin end"), ("4", b"no end")]


def test_an_endless_line_is_kept_to_its_cap() -> None:
    sent = ((1, stamped(n, b"x" * 16384)) for n in range(100))
    (only,) = lines(sent)
    assert len(only.text) == LONGEST


def test_a_message_without_a_time_is_shown_as_it_is() -> None:
    (only,) = lines([(1, b"no time at all\n")])
    assert (only.at, only.text) == ("", b"no time at all")


def test_times_of_the_engine_are_exact_to_the_nanosecond() -> None:
    first, second = nanoseconds(AT.format(1)), nanoseconds(AT.format(2))
    assert first is not None
    assert second is not None
    assert second - first == 1
    assert nanoseconds("1970-01-01T00:00:01Z") == 10**9
    assert nanoseconds("1970-01-01T00:00:00.5Z") == 5 * 10**8
    assert [nanoseconds(bad) for bad in ("", "Z", "2026-11-21", "2026-13-01T00:00:00Z", "x" * 100)] == [None] * 5


def test_a_line_keeps_its_indentation_and_loses_colours_and_what_a_terminal_obeys() -> None:
    assert shown(b"    at \x1b[1;31mfoo\x1b[0m (bar.js)\r") == "    at foo (bar.js)"
    assert shown(b"\x1b]0;title\x07\x9b2J \xe2\x80\xae") == "\ufffd]0;title\ufffd\ufffd2J \ufffd"
    assert len(shown(b"x" * 9999)) == 2001


# One order


def filled(order: Order[str, str], source: int, times: list[int]) -> None:
    order.opened(source)
    for at in times:
        order.put(source, at, f"{source}:{at}")
    order.ended(source)


def start(*work: threading.Thread) -> None:
    for thread in work:
        thread.daemon = True
        thread.start()


@given(st.lists(st.lists(st.integers(0, 1000), max_size=30).map(sorted), min_size=1, max_size=5))
def test_logs_that_end_come_out_in_the_order_of_their_times(times: list[list[int]]) -> None:
    order: Order[str, str] = Order(len(times), live=False)
    start(*(threading.Thread(target=filled, args=(order, n, each)) for n, each in enumerate(times)))
    found = [int(line.partition(":")[2]) for line in order.taken(threading.Event())]
    assert found == sorted(at for each in times for at in each)


def test_a_flood_waits_and_the_quiet_one_comes_through() -> None:
    order: Order[str, str] = Order(2, live=True)
    put = [0]

    def flood() -> None:
        order.opened(0)
        try:
            while True:
                order.put(0, put[0], "flood")
                put[0] += 1
        except Over:
            return

    thread = threading.Thread(target=flood)
    start(thread)
    order.opened(1)
    time.sleep(HOLD)
    assert put[0] <= ALL
    stop = threading.Event()
    taken = order.taken(stop)
    assert next(taken) == "flood"
    order.put(1, 0, "quiet")
    assert "quiet" in [next(taken) for _ in range(5)]
    assert put[0] <= ALL + 10
    order.close()
    thread.join(5)
    assert not thread.is_alive()
    stop.set()
    assert list(taken) == []


def test_a_line_waits_for_an_earlier_one_of_another_agent_while_following() -> None:
    order: Order[str, str] = Order(2, live=True)
    order.opened(0)
    order.opened(1)
    order.put(0, 20, "later")
    order.put(1, 10, "earlier")
    stop = threading.Event()
    taken = order.taken(stop)
    assert [next(taken), next(taken)] == ["earlier", "later"]


def test_a_note_comes_at_once_and_stopping_ends_it() -> None:
    order: Order[str, str] = Order(2, live=True)
    order.note("told")
    stop = threading.Event()
    taken = order.taken(stop)
    assert next(taken) == "told"
    threading.Timer(0.1, stop.set).start()
    assert list(taken) == []


# Moments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", "2026-11-21T07:30:15.500000+08:00"),
        ("1h30m", "2026-11-21T08:00:15.500000+08:00"),
        ("3d", "2026-11-18T09:30:15.500000+08:00"),
        ("90s", "2026-11-21T09:28:45.500000+08:00"),
        ("09:00", "2026-11-21T09:00:00+08:00"),
        ("9:30:15", "2026-11-21T09:30:15+08:00"),
        ("10:00", "2026-11-20T10:00:00+08:00"),
        ("2026-11-21", "2026-11-21T00:00:00+08:00"),
        ("2026-11-21T10:00", "2026-11-21T10:00:00+08:00"),
        ("2026-11-21 10:00:30", "2026-11-21T10:00:30+08:00"),
        ("2026-11-21T10:00Z", "2026-11-21T10:00:00+00:00"),
        ("2026-11-21T10:00:00.123456789Z", "2026-11-21T10:00:00.123456+00:00"),
        ("2026-11-21T10:00:00-05:00", "2026-11-21T10:00:00-05:00"),
    ],
)
def test_a_moment_is_understood(text: str, expected: str) -> None:
    assert moment(text, NOW, "--since").isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "2", "h", "2x", "1h1h", "25:00", "10:60", "2026-02-30", "-2h", "yesterday", "9" * 7 + "d"]
)
def test_what_is_no_moment_is_told_with_examples(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        moment(text, NOW, "--since")
    assert "1h30m" in caught.value.part("why")
    assert "--since" in caught.value.part("what")


@given(st.lists(st.integers(1, 999_999), min_size=2, max_size=5))
def test_longer_ago_is_earlier(seconds: list[int]) -> None:
    moments = [moment(f"{each}s", NOW, "--since") for each in sorted(seconds)]
    assert all(later >= earlier for later, earlier in pairwise(moments))
