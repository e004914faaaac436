"""Sessions through a real sshd and on this computer: terminals, pipes, and what stands before a command's output."""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from wire_lab import Sshd, sshd

from fleet.base.errors import ActionFailed, ClawrackError, Refused, TimedOut, WireCut
from fleet.machine.local import LocalPort
from fleet.machine.port import Port, Ran, Window
from fleet.machine.process import Deadline
from fleet.machine.shell.agent import inside
from fleet.machine.shell.begin import begun
from fleet.machine.shell.talk import Near, talk

WINDOW = Window(101, 33, "xterm-256color")


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd("127.0.0.1") as started:
        yield started


@pytest.fixture(params=["here", "there"])
def port(request: pytest.FixtureRequest, server: Sshd) -> Iterator[Port]:
    made = LocalPort() if request.param == "here" else server.wire()
    yield made
    made.close()


def said(port: Port, words: Sequence[str], window: Window | None, typed: bytes = b"") -> tuple[int, bytes, bytes]:
    """What a session says when that is typed, and how it ends."""
    reader, writer = os.pipe()
    feeder = threading.Thread(target=feed, args=(writer, typed), daemon=True)
    feeder.start()
    out, err = bytearray(), bytearray()

    def kept(some: bytes, more: bytes) -> bool:
        out.extend(some)
        err.extend(more)
        return True

    with port.session(words, window=window) as far:
        code = talk(far, Near(reader, kept=kept))
    os.close(reader)
    return code, bytes(out), bytes(err)


def feed(writer: int, data: bytes) -> None:
    with os.fdopen(writer, "wb") as file:
        file.write(data)


def test_a_terminal_has_its_size_its_kind_and_a_code(port: Port) -> None:
    code, out, _ = said(port, ("sh", "-c", "stty size; echo $TERM; test -t 0 && test -t 1 && exit 7"), WINDOW)
    assert (code, out.split()) == (7, [b"33", b"101", b"xterm-256color"])


def test_a_terminal_changes_its_size(port: Port) -> None:
    script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done"
    with port.session(("sh", "-c", script), window=WINDOW) as far:
        out = b""
        while b"ready" not in out:
            far.wait(1)
            out += far.take()[0]
        far.resize(Window(60, 20))
        while b"20 60" not in out:
            assert far.code() is None, out
            far.wait(1)
            out += far.take()[0]


def test_keys_reach_the_far_side_and_interrupt_it(port: Port) -> None:
    script = "trap 'exit 130' INT; echo ready; while :; do sleep 0.05; done"
    with port.session(("sh", "-c", script), window=WINDOW) as far:
        out = b""
        while b"ready" not in out:
            far.wait(1)
            out += far.take()[0]
        far.put(b"\x03")
        assert talk(far, Near(None, kept=lambda _, __: True)) == 130
    code, out, _ = said(port, ("cat",), WINDOW, b"abc\n\x04")
    assert (code, out) == (0, b"abc\r\nabc\r\n")


def test_without_a_terminal_bytes_go_through_as_they_are(port: Port) -> None:
    data = os.urandom(3 << 20)
    code, out, err = said(port, ("sh", "-c", "cat; echo trouble >&2; exit 9"), None, data)
    assert (code, err) == (9, b"trouble\n")
    assert out == data


def test_without_words_it_is_the_logins_shell(port: Port) -> None:
    code, out, _ = said(port, (), WINDOW, b"echo $((20+3)); exit 4\n")
    assert (code, b"23\r\n" in out) == (4, True)


def test_a_kind_of_terminal_that_is_no_word_is_not_passed_on(port: Port) -> None:
    _, out, _ = said(port, ("sh", "-c", 'echo "$TERM"'), Window(80, 24, "x'; rm -rf /; '\x1b[2J"))
    assert out == b"xterm\r\n"


def test_ending_a_session_ends_the_command(port: Port, tmp_path: Path) -> None:
    with port.session(("sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 1000"), window=WINDOW):
        until = time.monotonic() + 10
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < until
            time.sleep(0.02)
    pid, until = int((tmp_path / "pid").read_text()), time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_flood_waits_for_whoever_reads_it(port: Port) -> None:
    with port.session(("sh", "-c", "yes | head -c 50000000"), window=None) as far:
        reader, writer = os.pipe()
        os.set_blocking(writer, True)
        taken = bytearray()

        def slowly() -> None:
            while piece := os.read(reader, 1 << 16):
                taken.extend(piece)

        thread = threading.Thread(target=slowly, daemon=True)
        thread.start()
        assert talk(far, Near(None, writer)) == 0
        os.close(writer)
        thread.join(10)
        os.close(reader)
    assert len(taken) == 50000000


def test_a_server_without_terminals_says_so() -> None:
    with sshd("127.0.0.1", "PermitTTY no") as server:
        port = server.wire()
        with pytest.raises(ActionFailed) as caught, port.session(("true",), window=WINDOW):
            pass
        assert caught.value.key == "shell.no_terminal"
        assert said(port, ("echo", "pipes"), None)[1] == b"pipes\n"
        port.close()


def test_a_cut_wire_ends_the_talk(server: Sshd) -> None:
    port = server.wire()
    with port.session(("sh", "-c", "kill -9 $PPID; sleep 30"), window=WINDOW) as far, pytest.raises(WireCut):
        talk(far, Near(None, kept=lambda _, __: True))
    port.close()


# What stands before the command's own output


def guard(folder: Path, script: str) -> str:
    """A guard that answers so; ``$3`` is the mark."""
    path = folder / "guard"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def refused(
    port: Port, folder: Path, script: str, monkeypatch: pytest.MonkeyPatch, window: Window | None
) -> ClawrackError:
    monkeypatch.setattr("fleet.machine.shell.agent.GUARD", guard(folder, script))
    with pytest.raises(ClawrackError) as caught, inside(port, "ant", window=window):
        pass
    return caught.value


@pytest.mark.parametrize("window", [WINDOW, None], ids=["terminal", "pipes"])
def test_what_the_guard_refuses_is_a_sentence_with_and_without_a_terminal(
    port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: Window | None
) -> None:
    for reason, key in (
        ("not-running", "shell.stopped"),
        ("no-shell", "shell.no_shell"),
        ("no-agent", "shell.no_agent"),
    ):
        error = refused(port, tmp_path, f"echo reason={reason}; echo detail=ant; exit 3", monkeypatch, window)
        assert (type(error), error.key) == (Refused, key)
        assert "ant" in error.part("what")
    error = refused(port, tmp_path, "echo reason=verb-unknown; exit 2", monkeypatch, window)
    assert error.key == "shell.old_guard"
    error = refused(port, tmp_path, "echo reason=docker; exit 5", monkeypatch, window)
    assert (type(error), "Docker" in error.part("what")) == (ActionFailed, True)


@pytest.mark.parametrize("window", [WINDOW, None], ids=["terminal", "pipes"])
def test_nothing_before_the_mark_is_shown_and_nothing_after_it_is_lost(
    port: Port, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: Window | None
) -> None:
    script = 'echo "a lecture"; echo "$3" >&2; echo first; cat; exit 6'
    monkeypatch.setattr("fleet.machine.shell.agent.GUARD", guard(tmp_path, script))
    out = bytearray()
    with inside(port, "ant", ("x",), window=window) as far:
        assert (
            talk(
                far,
                Near(
                    os.open("/dev/null", os.O_RDONLY) if window is None else None, kept=lambda o, _: not out.extend(o)
                ),
            )
            == 6
        )
    assert b"first" in out
    assert (b"a lecture" in out) == (window is None)


def test_a_session_that_never_begins_is_given_up(tmp_path: Path) -> None:
    port = LocalPort()
    with port.session(("sleep", "30"), window=WINDOW) as far, pytest.raises(TimedOut):
        begun(far, "mark", "here", Deadline("here", 0.3), why_not)
    endless = guard(tmp_path, "yes")
    with port.session((endless,), window=WINDOW) as far, pytest.raises(ActionFailed):
        begun(far, "mark", "here", Deadline("here", 20), why_not)


def why_not(ran: Ran) -> ClawrackError:
    return ActionFailed("guard.failed", where="here", reason=ran.out[:20])
