"""The tunnel with real sockets, a real web server behind it, and a real sshd in between."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from wire_lab import Sshd, free_port, sshd

from fleet.base.errors import ClawrackError, Refused, Unreachable
from fleet.kinds import Page
from fleet.machine.local import LocalPort
from fleet.machine.port import Port
from fleet.page import peers, pipe
from fleet.page.answers import House
from fleet.page.tunnel import MOST, Tunnel, listen

PIECE = 1 << 14
LARGE = 64 << 20  # bytes: more than all windows and buffers of a connection together


class Agent(BaseHTTPRequestHandler):
    """What stands behind: small and large answers, and a connection that becomes something else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.end_headers()
            self.wfile.flush()
            while data := self.connection.recv(4096):
                self.connection.sendall(data.upper())
            return
        pieces = LARGE // PIECE if self.path == "/large" else 1
        time.sleep(3 if self.path == "/slow" else 0)
        self.send_response(200)
        self.send_header("Content-Length", str(pieces * PIECE))
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(pieces):
                self.wfile.write(b"x" * PIECE)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


class ManyAtOnce(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100


@pytest.fixture(scope="module")
def agent() -> Iterator[int]:
    server = ManyAtOnce(("127.0.0.1", 0), Agent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield int(server.server_address[1])
    server.shutdown()


@pytest.fixture(scope="module")
def box() -> Iterator[Sshd]:
    with sshd("127.77.14.1") as started:
        yield started


@pytest.fixture(params=["local", "ssh"])
def port(request: pytest.FixtureRequest, box: Sshd) -> Iterator[Port]:
    found: Port = LocalPort() if request.param == "local" else box.wire()
    yield found
    found.close()


def free() -> int:
    return free_port("127.0.0.1")


@contextlib.contextmanager
def opened(port: Port, behind: int, told: list[ClawrackError | None] | None = None) -> Generator[House]:
    house = House(free(), "n" * 32, Page(storage={"k": "{gateway}"}), {"gateway": "the-token"})
    tell = (told if told is not None else []).append
    with Tunnel(listen(house.port, "helper"), house, lambda: port.dial("127.0.0.1", behind), tell):
        yield house


def ask(house: House, path: str = "/", method: str = "GET", body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Host": f"127.0.0.1:{house.port}"})
        answer = connection.getresponse()
        return answer.status, answer.read()


def threads() -> int:
    return sum(thread.name.startswith("clawrack-page") for thread in threading.enumerate())


def settles(what: Callable[[], object], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(what())


def test_fifty_connections_at_once_are_answered_and_leave_no_thread(port: Port, agent: int) -> None:
    with opened(port, agent) as house, ThreadPoolExecutor(50) as pool:
        held = [socket.create_connection(("127.0.0.1", house.port)) for _ in range(10)]  # that say nothing
        bodies = [b"%d" % n * 1000 for n in range(50)]
        said = pool.map(ask, [house] * 50, ["/"] * 50, ["POST"] * 50, bodies)
        assert list(said) == [(200, body) for body in bodies]
        for each in held:
            each.close()
        assert settles(lambda: threads() == 1)
    assert threads() == 0


def test_one_connection_carries_many_requests_and_the_nonce_is_still_answered_here(port: Port, agent: int) -> None:
    with opened(port, agent) as house:
        connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)
        for path, token in (("/", False), ("/", False), (f"/clawrack/{house.nonce}", True)):
            connection.request("GET", path, headers={"Host": f"127.0.0.1:{house.port}"})
            body = connection.getresponse().read()
            assert (b"the-token" in body) is token


def test_a_connection_that_is_upgraded_carries_any_bytes_both_ways(port: Port, agent: int) -> None:
    with opened(port, agent) as house, socket.create_connection(("127.0.0.1", house.port), 20) as browser:
        head = f"GET /ws HTTP/1.1\r\nHost: localhost:{house.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        browser.sendall(head.encode())
        assert b"101" in browser.recv(4096)
        for text in (b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n", b"\x00\xff bytes"):
            browser.sendall(text)
            heard = b""
            while len(heard) < len(text):
                heard += browser.recv(4096)
            assert heard == text.upper()


def test_a_slow_reader_gets_all_of_it_and_little_is_kept_for_it(port: Port, agent: int) -> None:
    with opened(port, agent) as house, socket.create_connection(("127.0.0.1", house.port), 30) as browser:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        browser.sendall(f"GET /large HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\n\r\n".encode())
        before = memory()
        time.sleep(1)
        assert memory() - before < LARGE // 2
        heard = 0
        while heard < LARGE:
            heard += len(browser.recv(1 << 16))
        assert heard < LARGE + 1000
        assert settles(lambda: ask(house)[0] == 200)


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_a_browser_that_closes_its_side_early_still_hears_an_answer_that_takes_its_time(port: Port, agent: int) -> None:
    with opened(port, agent) as house, socket.create_connection(("127.0.0.1", house.port), 20) as browser:
        browser.sendall(f"GET /slow HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\n\r\n".encode())
        browser.shutdown(socket.SHUT_WR)
        heard = b""
        while data := browser.recv(4096):
            heard += data
        assert heard.startswith(b"HTTP/1.1 200")
        assert heard.endswith(b"x" * PIECE)
        assert settles(lambda: threads() == 1)


def test_an_agent_that_never_answers_a_half_closed_connection_is_given_up(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe, "PATIENCE", 0.5)
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, opened(port, int(silent.getsockname()[1])) as house:
        with socket.create_connection(("127.0.0.1", house.port), 20) as browser:
            browser.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\n\r\n".encode())
            browser.shutdown(socket.SHUT_WR)
            assert browser.recv(10) == b""
        assert settles(lambda: threads() == 1)


def test_more_connections_than_there_is_room_for_are_told_so(agent: int) -> None:
    with opened(LocalPort(), agent) as house, contextlib.ExitStack() as held:
        for _ in range(MOST):
            held.enter_context(socket.create_connection(("127.0.0.1", house.port)))
        assert settles(lambda: ask_or_not(house) == 503)
    assert threads() == 0


def ask_or_not(house: House) -> int:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return ask(house)[0]
    return 0


def test_closing_ends_connections_that_are_under_way_and_wakes_who_waits(port: Port, agent: int) -> None:
    with contextlib.ExitStack() as held:
        with opened(port, agent) as house:
            browser = held.enter_context(socket.create_connection(("127.0.0.1", house.port), 10))
            head = f"GET /w HTTP/1.1\r\nHost: localhost:{house.port}\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
            browser.sendall(head.encode())
            assert b"101" in browser.recv(4096)
            begun = time.monotonic()
        assert time.monotonic() - begun < 3
        assert browser.recv(10) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", house.port), 5)
    assert threads() == 0


def test_a_cut_wire_is_told_and_the_next_connection_goes_over_a_new_one(box: Sshd, agent: int) -> None:
    told: list[ClawrackError | None] = []
    wire = box.wire()
    with opened(wire, agent, told) as house, socket.create_connection(("127.0.0.1", house.port), 20) as browser:
        head = f"GET /ws HTTP/1.1\r\nHost: localhost:{house.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        browser.sendall(head.encode())
        assert b"101" in browser.recv(4096)
        for pid in box.pids()[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        assert browser.recv(10) == b""
        assert settles(lambda: any(isinstance(each, Unreachable) for each in told))
        assert ask(house)[0] == 200
        assert told[-1] is None
    wire.close()


def test_a_machine_that_does_not_answer_is_told_to_the_browser() -> None:
    told: list[ClawrackError | None] = []
    with opened(LocalPort("pc-1"), free(), told) as house:
        status, body = ask(house)
    assert status == 502
    assert b"pc-1" in body
    assert isinstance(told[0], Unreachable)


def test_a_taken_port_is_told_by_what_has_it(agent: int) -> None:
    house = House(free(), "n", Page(), {})
    with opened(LocalPort(), agent) as other, pytest.raises(Refused) as refused:
        listen(other.port, "helper")
    assert refused.value.key == "page.taken_program"
    assert refused.value.params["pid"] == os.getpid()
    script = f"import socket, time; s = socket.create_server(('', {house.port})); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script, "clawrack"], stdout=subprocess.PIPE) as program:
        assert program.stdout
        program.stdout.readline()
        owner = peers.owner(house.port)
        program.kill()
    assert owner == peers.Owner("clawrack", owner.name, program.pid)
    assert peers.owner(free()).kind == "unknown"


def test_only_the_user_who_opened_it_may_use_the_nonce(agent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(LocalPort(), agent) as house:
        path = f"/clawrack/{house.nonce}"
        assert ask(house, path)[0] == 200
        monkeypatch.setattr(peers, "ours", lambda: frozenset({54321}))
        assert ask(house, path)[0] == 403
        assert ask(house)[0] == 200


def test_who_became_us_by_sudo_is_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "1000")
    assert peers.ours() == {0, os.geteuid(), 1000}
    monkeypatch.setenv("SUDO_UID", "nobody")
    assert peers.ours() == {0, os.geteuid()}
