"""The booth's desk, and what a ticket's process needs."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

from fleet.base import places
from fleet.base.disk import locked
from fleet.base.event import Listener
from fleet.leaving import Leaving
from fleet.machine.port import Port
from fleet.model import Machine

if TYPE_CHECKING:
    from collections.abc import Generator

    from fleet.machine.hostkey import HostKey
    from fleet.machine.target import Target
    from installer.booth.keep import Keep
    from installer.booth.talk import Talk
    from installer.booth.work import Tools
from clawrack.wire.identity import controller, pins
from clawrack.wire.installing import setup_tools
from clawrack.wire.leaving import leave_machine
from clawrack.wire.ports import port_of


@contextmanager
def booth() -> "Generator[Keep]":
    """Yield the memory of the booth, which one desk at a time has.

    Raises:
        Refused: another desk is open.
    """
    with locked(places.state() / "booth" / "lock"):
        yield booth_keep()


def booth_keep() -> "Keep":
    """Return the memory of the booth, to be read beside an open desk."""
    from installer.booth import keep  # noqa: PLC0415 - only one command needs it

    return keep.usual()


def booth_tools(talk: "Talk") -> "Tools":
    """Return what a ticket's process stands on: a controller of its own, in the folders that it was started with."""
    from fleet.machine.pins import Unknown  # noqa: PLC0415 - only one command needs it
    from installer.booth import parting, work  # noqa: PLC0415 - likewise

    def leave(name: str, machine: Machine, listen: Listener) -> None:
        leave_machine(name, machine, Leaving(keep=False, docker=machine.user == "root"), listen)

    def stayed(target: "Target", shown: "HostKey") -> bool:
        return not isinstance(pins().judge("", target, shown), Unknown)  # it is pinned before anything is written

    def port(name: str, machine: Machine) -> Port:
        return port_of(name, machine)

    noted = places.state() / "receipt.json"
    last = parting.LastAct(controller(), port, talk.task.order.language, noted)
    return work.Tools(setup_tools(), leave, stayed, last)
