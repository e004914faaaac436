"""Tickets of a booth, as far as their tests need them."""

from msgspec import structs

from fleet.machine.hostkey import HostKey
from installer.booth import desk, sheet
from installer.booth.order import Order
from installer.booth.ticket import WAY, State, Ticket, moved

KEY = HostKey("ssh-ed25519", b"\x00\x00\x00\x0bssh-ed25519" + bytes(36))
ORDER = Order(machine="root@10.0.0.1", kind="openclaw")


def a_ticket(number: int = 1, place: str = "10.0.0.1:22", **more: object) -> Ticket:
    return structs.replace(Ticket(number=number, id=f"id{number}", code=f"AAA-BB{number}", place=place), **more)


def at(state: State) -> Ticket:
    ticket = desk.start(a_ticket(), 0.0)
    for step in WAY[1 : WAY.index(state) + 1]:
        ticket = moved(ticket, step, 1.0)
    return ticket


def a_row(**more: object) -> sheet.Row:
    plain = sheet.Row(id="x", kind="openclaw", fate="done", seconds=100.0, hands=10.0, phases={"installing": 80.0})
    return structs.replace(plain, **more)
