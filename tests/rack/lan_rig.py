"""A wire through this box that counts what passes it towards the machine."""

import contextlib
import socket
import threading
from collections.abc import Generator

from fleet.machine import hostkey
from fleet.machine.keys import ControllerKey
from fleet.machine.login import KeyLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from tests.rack.machine import Machine


class Counted:
    """A TCP proxy in front of a machine; `sent` are the bytes that went towards it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.sent = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection((self._machine.address, self._machine.port), 10)
                threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                self.sent += len(data) if outward else 0
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()


@contextlib.contextmanager
def counted(machine: Machine) -> Generator[tuple[SshPort, Counted]]:
    """A port to a machine, through a wire that counts."""
    wire = Counted(machine)
    login, target = KeyLogin(ControllerKey(machine.key, "rack")), Target("127.0.0.1", wire.port)
    port = SshPort(machine.name, target, login, hostkey.fetch(Target(machine.address)))
    try:
        yield port, wire
    finally:
        port.close()
        wire.close()
