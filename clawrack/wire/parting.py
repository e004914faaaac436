"""Machines that become their owner's, or are told apart from a copy."""

from typing import TYPE_CHECKING

from fleet import twins
from fleet.base import places
from fleet.base.errors import Refused
from fleet.base.event import Listener
from fleet.machine.port import Port
from fleet.model import Machine

if TYPE_CHECKING:
    from fleet.base.secret import Secret
    from installer.handover import Parting
    from installer.receipt.form import Receipt
from clawrack.wire.fleet import open_fleet
from clawrack.wire.identity import controller, pins
from clawrack.wire.leaving import leave_gates
from clawrack.wire.ports import identity, port_of, target_of


def hand_over(name: str, parting: "Parting", known: "Secret | None", login: str, listen: Listener) -> "Receipt":
    """Hand a machine of the fleet over to its owner, and forget it here; see `installer.handover.whole`.

    Args:
        name: of the machine.
        parting: what becomes of the password.
        known: the password that is known here, for the proof that it is refused.
        login: which it opens; empty where that is the key's.
        listen: told of everything.
    """
    from installer.handover import Operator, whole  # noqa: PLC0415 - only one command needs it
    from installer.handover.traces import Traces  # noqa: PLC0415 - likewise

    fleet = open_fleet()

    def operator(name: str, machine: Machine) -> Operator:
        target = target_of(machine)
        host_key = pins().key_of(name, target)
        if host_key is None:
            raise Refused("handover.not_ours", where=name, machine=name)
        return Operator(holder=controller(), host_key=host_key, password=known, login=login)

    def port(name: str, machine: Machine) -> Port:
        twins.check(fleet.folder, name, machine)
        return port_of(name, machine)

    traces = Traces(fleet.folder, places.state(), pins())
    tools = whole.Tools(fleet.wish(), port, operator, fleet.key_of, traces, leave_gates)
    return whole.handed_over(name, parting, tools, listen)


def claim(name: str, at: str, listen: Listener, *, gone: bool) -> None:
    """Say which of two machines is the fleet's own; see `installer.claim.claim`."""
    from installer import claim as claiming  # noqa: PLC0415 - only one command needs it

    fleet = open_fleet()
    claiming.claim(name, at, claiming.Tools(fleet, identity(), controller(), listen), gone=gone)
