"""Machines that are left: all of ours is taken off them."""

import dataclasses
import getpass
from typing import TYPE_CHECKING

from fleet import load, twins
from fleet.base import places
from fleet.base.disk import replace
from fleet.base.errors import ClawrackError
from fleet.base.event import Event, Listener
from fleet.leaving import Leaving
from fleet.machine.guard import GuardAbsent
from fleet.machine.local import LocalPort
from fleet.machine.port import Port
from fleet.model import Machine
from fleet.site import held

if TYPE_CHECKING:
    from fleet.machine.keys import ControllerKey
from clawrack.wire.identity import controller, controller_key, pins
from clawrack.wire.ports import gates, port_of, target_of


def leave_machine(name: str, machine: Machine, leaving: Leaving, listen: Listener) -> None:
    """Take everything of ours off a machine; our key goes last, and then its host key is nobody's business any more.

    A mark on this computer says that it was begun: run again after it was cut off, it knows why it is not let in.

    Raises:
        Refused: a person has to say first which of two machines it is; a ClawrackError where it could not be left.
    """
    twins.check(load.default_folder(), name, machine)
    mark = places.state() / "leaving" / name
    begun = mark.exists()
    replace(mark, b"")
    try:
        _unprepare(_risen(name, machine, leaving), None if machine.local else controller_key(), leaving, listen)
    except ClawrackError as error:
        if not begun or error.key not in {"ssh.key_refused", "sudo.password_needed"}:
            raise
        if error.key == "sudo.password_needed":  # the guard and its right are gone already; our key is not
            from installer.bootstrap import withdraw  # noqa: PLC0415 - only one command needs it

            withdraw(port_of(name, machine), controller_key())
    if not machine.local:
        pins().forget(name)
    leave_gates(name, machine, listen)
    mark.unlink(missing_ok=True)


def leave_gates(name: str, machine: Machine, listen: Listener) -> None:
    """Take our key off the jump hosts that nobody else of the fleet is behind, the last of them first."""
    if not machine.jump:
        return
    from fleet.machine.jump import pin_name  # noqa: PLC0415 - see port_of
    from fleet.machine.target import hops_of  # noqa: PLC0415 - likewise
    from installer.bootstrap import withdraw  # noqa: PLC0415 - only one command needs it

    others = {other: found for other, found in load.load(load.default_folder()).machines.items() if other != name}
    needed = {str(hop) for found in others.values() for hop in hops_of(found.jump)}
    ours = {str(target_of(found)) for found in others.values()}
    hops = hops_of(machine.jump)
    for n in range(len(hops), 0, -1):
        hop = hops[n - 1]
        if str(hop) in needed | ours:
            continue
        try:
            withdraw(gates().port(hops[:n]), controller_key())
        except ClawrackError as error:
            told = {"gate": str(hop), "why": str(error)}
            listen(Event(kind="note", subject=name, step="jump.key_stays", params=told))
        else:
            pins().forget(pin_name(hop))


def _unprepare(port: Port, key: "ControllerKey | None", leaving: Leaving, listen: Listener) -> None:
    from installer.unprepare import Removal, unprepare  # noqa: PLC0415 - only one command needs it

    removal = Removal("keep" if leaving.keep else "erase", docker=leaving.docker, key=key)
    try:
        with held(port, controller()) as site:
            unprepare(port, dataclasses.replace(removal, lease=site.lease), listen)
    except GuardAbsent:
        unprepare(port, removal, listen)  # half prepared, or half removed already


def _risen(name: str, machine: Machine, leaving: Leaving) -> Port:
    """Return a machine's port; where Docker goes, one that becomes root by the login's password where it must."""
    port = port_of(name, machine)
    if not leaving.docker or (not machine.local and machine.user == "root"):
        return port
    from installer.rising import RisingPort, here  # noqa: PLC0415 - only one command needs it

    if isinstance(port, LocalPort):
        return here(port, lambda: leaving.password(getpass.getuser(), name))
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - see port_of
    from fleet.machine.ssh import SshPort  # noqa: PLC0415 - likewise

    target = target_of(machine)
    login, pinned = KeyLogin(controller_key()), pins().key_of(name, target)
    return RisingPort(
        port,
        lambda: leaving.password(machine.user, name),
        lambda password: SshPort(name, target, login, pinned, sudo_password=password),
    )
