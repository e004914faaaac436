import contextlib
import hashlib
import http.server
import json
import os
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_wire_ssh import NASTY
from wire_lab import Sshd, sshd

from fleet.base.errors import ActionFailed, ClawrackError, TimedOut, Unreachable, WireCut
from fleet.base.secret import Secret
from fleet.base.words import catalogue, placeholders
from fleet.machine import http as wire_http
from fleet.machine import sudo
from fleet.machine.engine import client
from fleet.machine.local import LocalPort
from fleet.machine.port import Port, Ran


@pytest.fixture
def here() -> LocalPort:
    return LocalPort()


def test_a_command_here_says_how_it_ended(here: LocalPort) -> None:
    ran = here.run(["sh", "-c", "cat; echo trouble >&2; exit 3"], stdin=b"input")
    assert (ran.code, ran.out, ran.err, ran.cut) == (3, b"input", b"trouble\n", False)
    assert here.run(["sh", "-c", "kill -SEGV $$"]).code == 128 + signal.SIGSEGV
    assert here.run(["/no/such/program"]).code == 127
    assert here.run(["/etc/hostname"]).code == 126


@pytest.mark.parametrize("word", NASTY)
def test_no_shell_sees_a_word_here(here: LocalPort, word: str) -> None:
    assert here.run(["printf", "%s", word]).out == word.encode("utf-8", "surrogateescape")


def test_a_hundred_megabytes_of_input_arrive_here_whole(here: LocalPort) -> None:
    piece = bytes(range(256)) * 4096
    expected = hashlib.sha256(piece * 100).hexdigest()
    assert here.run(["sha256sum"], stdin=(piece for _ in range(100))).out.split()[0].decode() == expected
    assert here.run(["cat"], stdin=piece * 8, cap=1 << 30).out == piece * 8


def test_input_that_nobody_reads_here_does_not_matter(here: LocalPort) -> None:
    assert here.run(["true"], stdin=(b"x" * 65536 for _ in range(100))).code == 0


def test_endless_output_here_is_cut_and_the_command_ended(here: LocalPort) -> None:
    ran = here.run(["sh", "-c", "echo $$; exec yes"], cap=1000)
    assert ran.cut
    assert not alive(int(ran.out.split()[0]))


def test_a_deadline_here_ends_the_command_and_all_its_children(here: LocalPort, tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/one; sleep 1000 & echo $! > {tmp_path}/two; trap '' TERM; wait; sleep 1000"
    with pytest.raises(TimedOut):
        here.run(["sh", "-c", script], timeout=0.5)
    assert not alive(int((tmp_path / "one").read_text()))
    assert not alive(int((tmp_path / "two").read_text()))


def test_a_daemon_left_behind_here_does_not_hold_the_answer(here: LocalPort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.machine.process._LINGER", 0.5)
    begun = time.monotonic()
    assert here.run(["sh", "-c", "sleep 20 & echo done"]).out == b"done\n"
    assert time.monotonic() - begun < 5


def test_lines_here_come_one_by_one_and_closing_ends_the_command(here: LocalPort) -> None:
    following = here.lines(["sh", "-c", "echo $$; exec sleep 1000"])
    pid = int(next(following))
    following.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert not alive(pid)
    assert list(here.lines(["printf", "a\\n\\nb"])) == [b"a", b"", b"b"]
    with pytest.raises(ActionFailed, match="oh no"):
        list(here.lines(["sh", "-c", "echo oh no >&2; exit 1"]))
    with pytest.raises(ActionFailed):
        list(here.lines(["/no/such/program"]))
    with pytest.raises(TimedOut):
        list(here.lines(["sleep", "30"], idle=0.2))


def test_no_descriptors_are_left_open(here: LocalPort) -> None:
    here.run(["true"])
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        here.run(["true"])
        with contextlib.suppress(ClawrackError):
            here.run(["sleep", "5"], timeout=0.01)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_nobody_at_an_address_here_is_told(here: LocalPort) -> None:
    with pytest.raises(Unreachable):
        wire_http.request(here, "127.77.14.1", 9, "GET", "/")


# Docker, near and far: an engine's API played by a real HTTP server on a real unix socket


class _Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    loaded = hashlib.sha256()
    size = 0

    def do_GET(self) -> None:
        answers: dict[str, Any] = {"/version": {"ApiVersion": "1.41"}, "/v1.41/_ping": "OK"}
        listing = [{"Id": str(n), "Names": [f"/c{n}"], "Padding": "x" * 2000} for n in range(100)]
        self._say(answers.get(self.path, listing))

    def do_POST(self) -> None:
        while size := int(self.rfile.readline(), 16):
            data = self.rfile.read(size)
            _Engine.loaded.update(data)
            _Engine.size += size
            self.rfile.readline()
        self.rfile.readline()
        self._say({"stream": "Loaded image"})

    def _say(self, answer: object) -> None:
        body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    visits = 0

    def get_request(self) -> tuple[socket.socket, Any]:
        self.visits += 1
        return super().get_request()[0], ("engine", 0)


@contextlib.contextmanager
def engine(path: Path) -> Generator[_Server]:
    server = _Server(str(path), _Engine)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        path.unlink()


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd("127.77.14.2") as started:
        yield started


def test_docker_is_asked_over_one_kept_connection_near_and_far(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    for port in (LocalPort(docker_socket=str(path)), server.wire(docker_socket=str(path))):
        with engine(path) as played:
            client: Any = port.docker()
            assert client.ping()
            for _ in range(20):
                assert len(client.containers()) == 100
            assert port.docker() is client
            assert played.visits == 1
            port.close()


def test_an_image_is_loaded_whole_over_the_wire(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    port = server.wire(docker_socket=str(path))
    piece = os.urandom(1 << 20)
    moved: list[int] = []

    def pieces() -> Iterator[bytes]:
        for _ in range(50):
            moved.append(len(piece))
            yield piece

    with engine(path):
        client: Any = port.docker()
        assert [each["stream"] for each in client.load_image(pieces())] == ["Loaded image"]
        assert _Engine.loaded.hexdigest() == hashlib.sha256(piece * 50).hexdigest()
        assert sum(moved) == 50 << 20
        port.close()


def test_docker_is_asked_again_after_the_connection_died(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    port = server.wire(docker_socket=str(path))
    with engine(path):
        client: Any = port.docker()
        assert client.ping()
        port.close()
        assert client.ping()
        port.close()


def test_docker_that_is_not_running_is_told_near_and_far(server: Sshd) -> None:
    for port in (LocalPort(docker_socket="/no/such/socket"), server.wire(docker_socket="/no/such/socket")):
        with pytest.raises(Unreachable) as caught:
            port.docker()
        assert caught.value.key == "docker.not_running"
        port.close()


def hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_docker_that_hangs_up_or_says_nothing_is_told(server: Sshd, tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    for port in (LocalPort(docker_socket=str(path)), server.wire(docker_socket=str(path))):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            threading.Timer(0.2, hang_up, [listener]).start()
            with pytest.raises(WireCut) as caught:
                port.docker()
            assert caught.value.key == "docker.hung_up"
            begun = time.monotonic()
            with pytest.raises(TimedOut):
                client(port._dial_docker, "box", seconds=1)  # pyright: ignore[reportPrivateUsage] - for its time
            assert time.monotonic() - begun < 4
        path.unlink()
        port.close()


# What sudo says


@pytest.mark.parametrize(
    ("said", "code", "key"),
    [
        ("env: 'sudo': No such file or directory", 127, "sudo.missing"),
        ("env: can't execute 'sudo': No such file or directory", 127, "sudo.missing"),
        ("sudo: sorry, you must have a tty to run sudo", 1, "sudo.wants_tty"),
        ("sudo: a password is required", 1, "sudo.password_needed"),
        ("booth is not in the sudoers file.  This incident will be reported.\nsudo: x", 1, "sudo.not_allowed"),
        ("Sorry, user booth is not allowed to execute '/bin/id' as root on box. sudo", 1, "sudo.not_allowed"),
        ("Sorry, try again.\nsudo: no password was provided", 1, "sudo.wrong_password"),
    ],
)
def test_each_no_of_sudos_has_a_sentence_of_its_own(said: str, code: int, key: str) -> None:
    error = sudo.why(Ran(code, b"", said.encode()), "box")
    assert error
    assert error.key == key


def test_a_commands_own_failure_is_not_sudos() -> None:
    assert sudo.why(Ran(1, b"", b"no such container\n"), "box") is None
    assert sudo.why(Ran(127, b"", b"env: 'thing': No such file or directory\n"), "box") is None
    assert sudo.why(Ran(0, b"", b"sudo: a password is required\n"), "box") is None


def test_both_are_ports() -> None:
    ports: list[Port] = [LocalPort(sudo_password=Secret("x"))]
    assert ports


def test_every_sentence_of_the_wire_is_in_both_languages_with_the_same_values() -> None:
    parts = ("wire.", "http.", "docker.", "target.", "ssh.", "hostkey.", "pins.", "key.", "sudo.")
    keys = [key for key in catalogue("en") if key.startswith(parts)]
    assert len(keys) > 100
    for key in keys:
        assert placeholders(catalogue("en")[key]) == placeholders(catalogue("zh")[key]), key
    told = {key.rpartition(".")[0] for key in keys}
    assert all(f"{key}.what" in catalogue("en") for key in told)


def alive(pid: int) -> bool:
    for _ in range(30):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True
