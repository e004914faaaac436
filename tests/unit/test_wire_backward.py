"""Connections that begin on a machine and end here, over a real sshd."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from wire_lab import Sshd, sshd

from fleet.base.errors import Refused
from fleet.machine.backward import AT_ONCE, backward, listening
from fleet.machine.ssh import SshPort


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd("127.77.23.1") as started:
        yield started


@pytest.fixture
def port(server: Sshd) -> Iterator[SshPort]:
    opened = server.wire()
    yield opened
    opened.close()


class Echo:
    """Says back what it hears, to whoever connects; `ends` counts who has gone."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.ends = threading.Semaphore(0)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._echo, args=(self._server.accept()[0],), daemon=True).start()

    def _echo(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := sock.recv(1 << 16):
                sock.sendall(data)
        sock.close()
        self.ends.release()

    def reach(self) -> socket.socket:
        return socket.create_connection(self._server.getsockname())

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    opened = Echo()
    yield opened
    opened.close()


def said_back(sock: socket.socket, data: bytes) -> bytes:
    threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
    found = b""
    while len(found) < len(data):
        found += sock.recv(1 << 16)
    return found


def test_bytes_pass_both_ways_beside_commands_and_each_connection_is_its_own(port: SshPort, echo: Echo) -> None:
    data = os.urandom(6 << 20)  # more than a window
    with backward(port, echo.reach) as number:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", number)) as sock:
                assert said_back(sock, data) == data
                assert port.run(("echo", "beside")).out == b"beside\n"
            assert echo.ends.acquire(timeout=5), "the end of one side was not told to the other"


def test_several_ports_of_one_connection_lead_to_different_ends(port: SshPort, echo: Echo) -> None:
    other = Echo()
    with backward(port, echo.reach) as first, backward(port, other.reach) as second:
        assert first != second
        for number in (first, second):
            with socket.create_connection(("127.0.0.1", number)) as sock:
                assert said_back(sock, b"hello") == b"hello"
    assert other.ends.acquire(timeout=5)
    other.close()


def test_a_request_finds_its_own_answer_among_those_to_the_keepalive(port: SshPort, echo: Echo) -> None:
    wire = port.connect().wire
    asked = 0
    for _ in range(20):
        asked += wire.ask_alive()
        with backward(port, echo.reach) as number:
            asked += wire.ask_alive()
            with socket.create_connection(("127.0.0.1", number)) as sock:
                assert said_back(sock, b"x") == b"x"
    assert asked


def test_at_the_end_nobody_listens_on_the_machine_any_more(port: SshPort, echo: Echo) -> None:
    with backward(port, echo.reach) as number:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", number))
    assert port.run(("echo", "well")).out == b"well\n"


def test_too_many_connections_are_turned_away_and_those_before_go_on(port: SshPort, echo: Echo) -> None:
    with backward(port, echo.reach) as number, contextlib.ExitStack() as held:
        socks = [held.enter_context(socket.create_connection(("127.0.0.1", number))) for _ in range(AT_ONCE)]
        assert all(said_back(sock, b"in") == b"in" for sock in socks)
        one_more = held.enter_context(socket.create_connection(("127.0.0.1", number)))
        assert one_more.recv(1) == b""
        assert said_back(socks[0], b"still in") == b"still in"


def test_where_nothing_answers_here_the_connection_ends_at_once(port: SshPort) -> None:
    def reach() -> socket.socket:
        raise ConnectionRefusedError

    with backward(port, reach) as number, socket.create_connection(("127.0.0.1", number)) as sock:
        assert sock.recv(1) == b""


@pytest.mark.parametrize("setting", ["AllowTcpForwarding no", "AllowTcpForwarding local", "DisableForwarding yes"])
def test_an_sshd_that_forwards_nothing_is_told(setting: str, echo: Echo) -> None:
    with sshd("127.77.23.2", setting) as closed:
        port = closed.wire()
        with pytest.raises(Refused) as told, backward(port, echo.reach):
            raise AssertionError("it was opened")
        assert told.value.key == "ssh.forwarding_off"
        assert port.run(("echo", "well")).out == b"well\n"
        port.close()


def test_a_port_that_sshd_would_open_to_others_is_closed_at_once(echo: Echo) -> None:
    with sshd("127.77.23.3", "GatewayPorts yes") as open_to_all:
        port = open_to_all.wire()
        with pytest.raises(Refused) as told, backward(port, echo.reach):
            raise AssertionError("it was left open")
        assert told.value.key == "wire.port_open"
        number = int(str(told.value.params["port"]))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", number))
        port.close()


def test_a_channel_that_nobody_asked_for_is_refused(port: SshPort, echo: Echo) -> None:
    """A port that is not listened on any more, as sshd may still tell of it."""
    wire = port.connect().wire
    with backward(port, echo.reach) as number:
        taken = wire._takers.pop(number)  # pyright: ignore[reportPrivateUsage]
        with socket.create_connection(("127.0.0.1", number)) as sock:
            assert sock.recv(1) == b""
        wire._takers[number] = taken  # pyright: ignore[reportPrivateUsage]
        with socket.create_connection(("127.0.0.1", number)) as sock:
            assert said_back(sock, b"again") == b"again"


def test_the_kernels_table_of_listening_ports_is_read() -> None:
    table = (
        "  sl  local_address rem_address   st tx_queue\n"
        "   0: 0100007F:A411 00000000:0000 0A 00000000\n"
        "   1: 00000000:A412 00000000:0000 0A 00000000\n"
        "   2: 0100007F:A412 0100007F:A411 01 00000000\n"
        "   3: 00000000000000000000000001000000:A411 0:0 0A 0\n"
    )
    assert list(listening(table, 0xA411)) == ["0100007F", "00000000000000000000000001000000"]
    assert list(listening(table, 0xA412)) == ["00000000"]
    assert list(listening("nonsense\n\n", 0xA411)) == []
