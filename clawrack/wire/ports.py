"""How machines are reached: this computer, by SSH, through jump hosts."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import twins
from fleet.machine.local import LocalPort
from fleet.machine.port import Port
from fleet.machine.target import Target
from fleet.model import Machine

if TYPE_CHECKING:
    from fleet.machine.jump import Gates
    from fleet.tombs import Tomb
    from installer.reach import Identity
from clawrack.wire.identity import controller_key, pins


class Ports:
    """The ports of a fleet's machines: one for each, kept open.

    Args:
        folder: the fleet's; a machine that another one seems to be a copy of is not opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[str, Machine], Port] = {}

    def __call__(self, name: str, machine: Machine) -> Port:
        """Return the port of a machine; nothing is connected before it is used.

        Raises:
            Refused: a person has to say first which of two machines it is.
        """
        twins.check(self._folder, name, machine)
        port = self._open.get((name, machine))
        if port is None:
            port = self._open[name, machine] = port_of(name, machine)
        return port


def port_of(name: str, machine: Machine) -> Port:
    """Return a port of a machine of the fleet; nothing is connected before it is used."""
    if machine.local:
        return LocalPort(name)
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - paramiko takes 70 ms; a fleet of one does without
    from fleet.machine.ssh import SshPort  # noqa: PLC0415 - likewise

    target = target_of(machine)
    return SshPort(name, target, KeyLogin(controller_key()), pins().key_of(name, target))


@cache
def gates() -> "Gates":
    """Return the jump hosts, by our key; each is connected to once."""
    from fleet.machine.jump import Gates  # noqa: PLC0415 - see port_of
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - likewise

    return Gates(lambda: KeyLogin(controller_key()), lambda name, target: pins().key_of(name, target))


def target_of(machine: "Machine | Tomb") -> Target:
    """Return how a machine is reached, through its jump hosts where it has any."""
    if not machine.jump:
        return Target(machine.address, machine.port, machine.user)
    return gates().target(machine.address, machine.port, machine.user, machine.jump)


def identity() -> "Identity":
    """Return what opens machines."""
    from installer.reach import Identity  # noqa: PLC0415 - see port_of

    return Identity(controller_key(), pins(), gates())
