"""The desk: all tickets of a booth, and what happens to them. Values in, values out; pure."""

from typing import Literal

import msgspec
from msgspec import structs

from fleet.base.errors import BadInput
from fleet.base.event import Event
from installer.booth.codes import typed_code
from installer.booth.ticket import (
    FINAL,
    Cause,
    Marks,
    State,
    Ticket,
    Wanted,
    begun,
    free,
    held,
    moved,
    taken,
)  # fmt: skip
from installer.receipt.form import Consent

# ---- what a child says ---------------------------------------------------------------------------------------------


class Reached(msgspec.Struct, frozen=True, tag="reached"):
    """The ticket came to a state; the child waits until that is written down before it changes anything."""

    state: State


class Looked(msgspec.Struct, frozen=True, tag="looked"):
    """The device was looked at."""

    device: str
    what: str
    marks: Marks


class Agreed(msgspec.Struct, frozen=True, tag="agreed"):
    """The customer agreed."""

    consent: Consent


class Chose(msgspec.Struct, frozen=True, tag="chose"):
    """A model was chosen."""

    model: str


class Asks(msgspec.Struct, frozen=True, tag="asks"):
    """A question waits for its answer."""

    wanted: Wanted


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """A question was answered; the terminal, where it was lent for a secret, is free again."""


class Tells(msgspec.Struct, frozen=True, tag="tells"):
    """Something happened on the way."""

    event: Event


class Ends(msgspec.Struct, frozen=True, tag="ends"):
    """The last word of a child.

    Attributes:
        fate: ``cleared`` where all of ours was taken back.
        key, where, params: of the error, where there was one.
    """

    fate: Literal["done", "failed", "cleared"]
    cause: Cause = ""
    key: str = ""
    where: str = ""
    params: dict[str, str] = {}
    receipt: str = ""


Said = Reached | Looked | Agreed | Chose | Asks | Answered | Tells | Ends

_BY_HAND: frozenset[Cause] = frozenset({"parked", "interrupted"})

# ---- what happens at the desk --------------------------------------------------------------------------------------


class Desk(msgspec.Struct, frozen=True):
    """Every ticket, in the order in which they came, and how many may be at work at once."""

    seats: int = 4
    tickets: tuple[Ticket, ...] = ()

    def ticket(self, number: int) -> Ticket:
        """Return a ticket.

        Raises:
            BadInput: there is none of that number.
        """
        found = next((one for one in self.tickets if one.number == number), None)
        if found is None:
            raise BadInput("booth.no_ticket", ticket=number)
        return found

    def by_code(self, code: str) -> Ticket:
        """Return the parked ticket of a resume code, however it was typed.

        Raises:
            BadInput: there is none.
        """
        found = next((one for one in self.tickets if one.code == typed_code(code) and one.state == "parked"), None)
        if found is None:
            raise BadInput("booth.no_code", code=code)
        return found

    def added(self, ticket: Ticket) -> "Desk":
        """Return the desk with another ticket at the end of the queue."""
        return structs.replace(self, tickets=(*self.tickets, ticket))

    def with_(self, ticket: Ticket) -> "Desk":
        """Return the desk with a ticket as it is now."""
        return structs.replace(
            self, tickets=tuple(ticket if one.number == ticket.number else one for one in self.tickets)
        )


def due(desk: Desk) -> list[Ticket]:
    """Return the tickets whose turn it is: the oldest that wait, while seats are free, never two at one place."""
    busy = {one.place for one in desk.tickets if one.running}
    seats = desk.seats - sum(one.running for one in desk.tickets)
    found: list[Ticket] = []
    for one in desk.tickets:
        if len(found) < seats and one.queued and not one.over and one.place not in busy:
            found.append(one)
            busy.add(one.place)
    return found


def hear(ticket: Ticket, said: Said, now: float) -> Ticket:
    """Return the ticket after a word of its child; its last word counts once the child is gone, see `gone`."""
    match said:
        case Reached():
            return moved(ticket, said.state, now)
        case Looked():
            return structs.replace(ticket, device=said.device, what=said.what, marks=said.marks)
        case Agreed() | Chose():
            return structs.replace(ticket, **structs.asdict(said))
        case Asks():
            return structs.replace(ticket, wanted=said.wanted)
        case Answered():
            return structs.replace(free(ticket, now), wanted=None)
        case _:
            return ticket


def gone(ticket: Ticket, last: Ends | None, why: str, now: float, *, parked: bool = False) -> Ticket:
    """Return the ticket once its child has ended.

    Args:
        ticket: as it was.
        last: the child's last word, None where it had none: then it was stopped, or died.
        why: what the last word tells, as a sentence.
        now: the moment.
        parked: whether it was told to stop.
    """
    ticket = held(ticket, now)
    if last is None:
        return laid_by(ticket, "parked" if parked else "interrupted", "", now)
    if last.fate == "done":
        return structs.replace(moved(ticket, "done", now), receipt=last.receipt, cause="", why="")
    if last.fate == "cleared":
        return structs.replace(moved(ticket, "failed", now), cause=_kept_cause(ticket))
    if last.cause in FINAL and not ticket.touched:
        return structs.replace(moved(ticket, "failed", now), cause=last.cause, why=why)
    return laid_by(ticket, last.cause or "failed", why, now)


def laid_by(ticket: Ticket, cause: Cause, why: str, now: float) -> Ticket:
    """Return the ticket parked, to be taken up by its code; a parked one whose device was not cleared says so."""
    if ticket.state == "parked":
        return structs.replace(ticket, cause="left-behind", why=why)
    parks = ticket.parks + (cause in _BY_HAND)
    return structs.replace(moved(ticket, "parked", now), cause=cause, why=why, parks=parks, queued=False)


def resumed(ticket: Ticket, now: float) -> Ticket:
    """Return a parked ticket back in the queue."""
    return structs.replace(moved(ticket, "new", now), queued=True, cause="", why="")


def dropped(ticket: Ticket, now: float) -> Ticket:
    """Return a ticket that nothing more is to become of, with nothing taken back.

    Where something of ours may be on the device, the cause says so.
    """
    cause: Cause = "left-behind" if ticket.touched else _kept_cause(ticket)
    return structs.replace(moved(held(ticket, now), "failed", now), cause=cause, queued=False)


def _kept_cause(ticket: Ticket) -> Cause:
    """Return why it failed: what was in its way before somebody ended it."""
    return "ended" if ticket.cause in {"", "left-behind", *_BY_HAND} else ticket.cause


def attended(ticket: Ticket, now: float, *, on: bool) -> Ticket:
    """Return the ticket with a person at it, or not any more: that is what hands-on seconds count."""
    return taken(ticket, now) if on else free(ticket, now)


def start(ticket: Ticket, now: float) -> Ticket:
    """Return the ticket with its child at work; the time in the queue is told apart from that at the desk."""
    waited = round(ticket.spent.get("waiting", 0.0) + max(0.0, now - ticket.since), 3)
    return structs.replace(begun(ticket, now), since=now, spent={**ticket.spent, "waiting": waited})


def cleared(ticket: Ticket, now: float) -> Ticket:
    """Return a parked ticket with a child at work that takes back what is on its device; its cause stays."""
    return structs.replace(begun(ticket, now), ticking=None, cause=ticket.cause, why=ticket.why)
