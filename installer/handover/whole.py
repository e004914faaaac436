"""A machine of the fleet is handed over: the access goes, the receipt is made, this controller forgets the machine."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from fleet.base.disk import replace
from fleet.base.errors import Refused, Unreachable
from fleet.base.event import Listener
from fleet.machine.ssh import SshPort
from fleet.model import Agent, Machine, Wish
from fleet.views import KeyView
from installer.handover.operator import Operator, Parting
from installer.handover.over import Handed, hand_over, prove
from installer.handover.traces import Traces
from installer.receipt.form import Changes, Receipt
from installer.receipt.paper import handed


@dataclass(frozen=True, slots=True)
class Tools:
    """What a hand-over needs from outside.

    Attributes:
        wish: the fleet.
        port: returns the port of a machine; another type than SshPort is this computer's.
        operator: returns whoever set the machine up.
        key: returns what may be shown of the key that an agent's calls go by (machine, agent); None where it practises.
        traces: what this controller has of it.
        leave_gates: takes our key off the jump hosts before it (machine) that nobody else is behind.
    """

    wish: Wish
    port: Callable[[str, Machine], object]
    operator: Callable[[str, Machine], Operator]
    key: Callable[[str, str], KeyView | None]
    traces: Traces
    leave_gates: Callable[[str, Machine, Listener], None]


def handed_over(name: str, parting: Parting, tools: Tools, listen: Listener) -> Receipt:
    """Hand a machine over, and forget it here once that is proven.

    A mark on this computer says that it was begun: run again after its end was not seen, it only knocks.

    Raises:
        Refused: it is this computer (``handover.here``); or as `hand_over` says.
        ClawrackError: as `hand_over` says.
    """
    machine = tools.wish.machines[name]
    port = tools.port(name, machine)
    if not isinstance(port, SshPort):
        raise Refused("handover.here", where=name, machine=name)
    mark = tools.traces.state / "handing" / name
    begun = mark.exists()
    operator = tools.operator(name, machine)
    replace(mark, b"")
    plain = _receipt(name, tools.wish)
    try:
        view = tools.key(name, plain.agent) if plain.agent else None
        if view:
            plain = structs.replace(plain, model=view.model, vendor=view.vendor, country=view.country)
        found = hand_over(port, operator, parting, listen)
    except Unreachable as error:
        if error.key != "ssh.key_refused":
            raise
        if not begun:  # it was not us who shut it
            mark.unlink()
            raise
        found = Handed(prove(port, operator, parting, listen), Changes())
    receipt = handed(plain, found.access, found.changes)
    if found.access.key == "removed":
        tools.traces.forget(name, tools.wish)
        tools.leave_gates(name, machine, listen)
    return receipt


def _receipt(name: str, wish: Wish) -> Receipt:
    """Return what the fleet's files tell of a machine, as a receipt; the first of its agents stands for the others."""
    mine = sorted((agent, found) for agent, found in wish.agents.items() if found.machine == name)
    agent, found = mine[0] if mine else ("", Agent(kind="", machine=name))
    return Receipt(
        agent=agent,
        kind=found.kind,
        version=found.version,
        machine=name,
        address=wish.machines[name].address,
        model=found.model,
        changed=True,
        image=found.ref or found.image,
        beside=tuple(f"{other}: {one.kind} {one.version}" for other, one in mine[1:]),
        talk="",
        stop="",
        remove="",
        leave="",
    )
