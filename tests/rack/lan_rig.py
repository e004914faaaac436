"""A port to a machine through a wire of this box, which counts what passes it towards the machine."""

import contextlib
from collections.abc import Generator

from fleet.machine import hostkey
from fleet.machine.keys import ControllerKey
from fleet.machine.login import KeyLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from tests.rack.machine import Machine
from tests.rack.wire import Wire


@contextlib.contextmanager
def counted(machine: Machine) -> Generator[tuple[SshPort, Wire]]:
    """A port to a machine, through a wire that counts."""
    wire = Wire(machine.address, machine.port)
    login, target = KeyLogin(ControllerKey(machine.key, "rack")), Target("127.0.0.1", wire.port)
    port = SshPort(machine.name, target, login, hostkey.fetch(Target(machine.address)))
    try:
        yield port, wire
    finally:
        port.close()
        wire.close()
