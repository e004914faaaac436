import resource
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from wire_actors import Actor, acting, listening
from wire_lab import Sshd, sshd

from fleet.base.errors import ActionFailed, ClawrackError, TimedOut, Unreachable, WireCut
from fleet.machine import http, keys, watch
from fleet.machine.login import KeyLogin
from fleet.machine.ssh import SshPort


@pytest.fixture
def key(tmp_path: Path) -> keys.ControllerKey:
    return keys.ensure(tmp_path / "key", "test")


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd("127.77.13.1") as started:
        yield started


def timed(call: Callable[[], object]) -> tuple[BaseException | None, float]:
    begun = time.monotonic()
    try:
        call()
    except ClawrackError as error:
        return error, time.monotonic() - begun
    return None, time.monotonic() - begun


def test_a_frozen_machine_is_noticed_whatever_was_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # Shorter here; with their true values the rack pulls a cable and freezes an sshd.
    assert watch.QUIET + watch.PATIENCE + 3 * watch.TICK < 15
    monkeypatch.setattr("fleet.machine.watch.QUIET", 0.5)
    monkeypatch.setattr("fleet.machine.watch.PATIENCE", 1.0)

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    with sshd("127.77.13.2") as box:
        port, idle, busy = box.wire(), box.wire(), box.wire()
        for each in (port, idle, busy):
            assert each.run(["true"]).code == 0
        idle_wire = idle.connect().wire
        lines = port.lines(["sh", "-c", "echo begun; sleep 100"])
        assert next(lines) == b"begun"
        calls: list[Callable[[], object]] = [
            lambda: port.run(["sleep", "100"], timeout=100),
            lambda: next(lines),
            lambda: busy.run(["cat"], stdin=endless(), timeout=100, cap=1 << 40),
            lambda: port.dial("127.0.0.1", box.port, timeout=60),
        ]
        threading.Timer(0.5, lambda: box.signal(signal.SIGSTOP)).start()
        with ThreadPoolExecutor(len(calls)) as pool:
            ended = list(pool.map(timed, calls[:3]))
        assert [type(error) for error, _ in ended] == [WireCut] * 3
        assert max(took for _, took in ended) < 5
        assert not idle_wire.is_active()
        box.signal(signal.SIGCONT)
        assert port.run(["echo", "back"]).out == b"back\n"
        for each in (port, idle, busy):
            each.close()


def test_a_quiet_machine_is_not_taken_for_a_dead_one(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.machine.watch.QUIET", 0.2)
    monkeypatch.setattr("fleet.machine.watch.PATIENCE", 0.7)
    port = server.wire()
    assert port.run(["sleep", "2.5"], timeout=60).code == 0
    assert "keepalive@openssh.com" in server.log
    port.close()


def test_a_connection_that_breaks_under_a_command_is_a_cut_wire_not_a_failure() -> None:
    with sshd("127.77.13.3") as box:
        port = box.wire()
        port.run(["true"])
        threading.Timer(0.3, box.stop).start()
        error, took = timed(lambda: port.run(["sleep", "50"]))
        assert isinstance(error, WireCut)
        assert error.exit_code == 4
        assert took < 5


def test_a_command_is_not_run_again_after_the_wire_was_cut(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with sshd("127.77.13.4") as box:
        port = box.wire()
        port.run(["true"])
        kill = f"echo once >> {mark}; kill -9 $PPID; sleep 5"
        error, _ = timed(lambda: port.run(["sh", "-c", kill]))
        assert isinstance(error, WireCut)
        assert mark.read_text() == "once\n"
        assert port.run(["true"]).code == 0
        port.close()


def _flood_past_the_window(channel: paramiko.Channel) -> None:
    transport = channel.get_transport()
    message = paramiko.Message()
    message.add_byte(bytes([94]))
    message.add_int(channel.remote_chanid)
    message.add_string(b"x" * 32000)
    for _ in range(4000):
        transport._send_user_message(message)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def test_a_machine_that_ignores_the_window_is_cut_off(key: keys.ControllerKey) -> None:
    with acting("127.77.13.5", Actor(act=_flood_past_the_window)) as actor:
        port = SshPort("box", actor.target, KeyLogin(key), actor.host_key)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def slowly() -> Iterator[bytes]:
            time.sleep(1)  # nothing is taken meanwhile
            yield b"x"

        error, _ = timed(lambda: port.run(["yes"], stdin=slowly()))
        assert isinstance(error, WireCut)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_packet_of_four_gigabytes_is_not_waited_for(key: keys.ControllerKey) -> None:
    def serve(sock: socket.socket) -> None:
        sock.sendall(b"SSH-2.0-liar\r\n" + struct.pack(">IB", 0xFFFFFFF0, 4) + b"\x14" * 100)
        time.sleep(20)

    with listening("127.77.13.6", serve) as where:
        error, took = timed(lambda: SshPort("box", where, KeyLogin(key), None).run(["true"]))
    assert isinstance(error, Unreachable)
    assert took < 5


def _says_and_hangs(channel: paramiko.Channel) -> None:
    channel.sendall(b"never mind")


def test_a_command_whose_channel_never_closes_hits_its_deadline(key: keys.ControllerKey) -> None:
    with acting("127.77.13.7", Actor(act=_says_and_hangs)) as actor:
        port = SshPort("box", actor.target, KeyLogin(key), actor.host_key)
        error, took = timed(lambda: port.run(["true"], timeout=1))
        assert isinstance(error, TimedOut)
        assert took < 4
        port.close()


def test_a_channel_closed_without_a_status_is_no_success(key: keys.ControllerKey) -> None:
    with acting("127.77.13.8", Actor(act=lambda channel: channel.close())) as actor:
        port = SshPort("box", actor.target, KeyLogin(key), actor.host_key)
        error, _ = timed(lambda: port.run(["true"]))
        assert isinstance(error, ActionFailed)
        assert error.key == "ssh.no_exec"
        port.close()


def test_connecting_counts_towards_the_deadline(key: keys.ControllerKey) -> None:
    with listening("127.77.13.16", lambda _: time.sleep(5)) as where:
        error, took = timed(lambda: SshPort("box", where, KeyLogin(key), None).run(["true"], timeout=1))
    assert isinstance(error, Unreachable)
    assert took < 4


def test_a_hanging_machine_does_not_hold_up_the_others(server: Sshd, key: keys.ControllerKey) -> None:
    with acting("127.77.13.9", Actor(act=_says_and_hangs)) as actor:
        slow, quick = SshPort("slow", actor.target, KeyLogin(key), actor.host_key), server.wire()
        with ThreadPoolExecutor(2) as pool:
            late = pool.submit(timed, lambda: slow.run(["true"], timeout=2))
            error, took = pool.submit(timed, lambda: quick.run(["true"])).result()
            assert error is None
            assert took < 1.9
            assert isinstance(late.result()[0], TimedOut)
        slow.close()
        quick.close()


# Through the wire: services of the machine


def test_a_service_of_the_machine_is_asked_over_http(server: Sshd) -> None:
    body = b"x" * 300_000

    def serve(sock: socket.socket) -> None:
        request = b""
        while not request.endswith(b"{}"):
            request += sock.recv(4096)
        assert request.startswith(b"POST /path?q=1 HTTP/1.1\r\n")
        sock.sendall(b"HTTP/1.1 201 Created\r\nX-Thing: here\r\nContent-Length: 300000\r\n\r\n" + body)

    port = server.wire()
    with listening("127.77.13.10", serve) as where:
        answer = http.request(port, where.address, where.port, "POST", "/path?q=1", body=b"{}")
        assert (answer.status, answer.headers["x-thing"], answer.body, answer.cut) == (201, "here", body, False)
        capped = http.request(port, where.address, where.port, "POST", "/path?q=1", body=b"{}", cap=1000)
        assert (len(capped.body), capped.cut) == (1000, True)
    port.close()


def test_a_body_that_keeps_coming_is_read_as_it_comes(server: Sshd) -> None:
    more = threading.Event()

    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        more.wait(5)
        sock.sendall(b"3\r\ntwo\r\n0\r\n\r\n")

    port = server.wire()
    with (
        listening("127.77.13.11", serve) as where,
        http.stream(port, where.address, where.port, "GET", "/") as answer,
    ):
        assert next(answer.pieces) == b"one"
        more.set()
        assert b"".join(answer.pieces) == b"two"
    port.close()


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (b"", "http.hung_up"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "http.hung_up"),
        (b"\x1b[2J nonsense\r\n\r\n", "http.not_http"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "http.not_http"),
    ],
)
def test_a_service_that_does_not_speak_http_is_told(server: Sshd, says: bytes, expected: str) -> None:
    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(says)
        sock.shutdown(socket.SHUT_RDWR)

    port = server.wire()
    with listening("127.77.13.12", serve) as where:
        error, _ = timed(lambda: http.request(port, where.address, where.port, "GET", "/"))
    assert isinstance(error, ClawrackError)
    assert error.key == expected
    port.close()


def test_a_service_that_drips_hits_the_deadline(server: Sshd) -> None:
    def serve(sock: socket.socket) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(100):
            sock.sendall(b"x")
            time.sleep(0.1)

    port = server.wire()
    with listening("127.77.13.13", serve) as where:
        error, took = timed(lambda: http.request(port, where.address, where.port, "GET", "/", timeout=1))
    assert isinstance(error, TimedOut)
    assert took < 4
    port.close()


def test_nobody_at_the_address_is_told(server: Sshd) -> None:
    port = server.wire()
    error, _ = timed(lambda: http.request(port, "127.77.13.14", 9, "GET", "/"))
    assert isinstance(error, Unreachable)
    assert error.key == "wire.no_dial"
    port.close()


def test_a_server_that_forwards_nothing_is_told() -> None:
    with sshd("127.77.13.15", "AllowTcpForwarding no") as closed:
        port = closed.wire()
        error, _ = timed(lambda: port.dial("127.0.0.1", closed.port))
        assert isinstance(error, ClawrackError)
        assert error.key == "ssh.forwarding_off"
        port.close()
