"""A ticket as scripts are shown it: the stable form of ``--json``."""

import msgspec

from installer.booth.ticket import Cause, State, Ticket, clock


class TicketView(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket, without its device's address.

    Attributes:
        ticket: its number.
        code: takes it up again where it is parked.
        seconds: of the five minutes; ``hands`` those in which a person was busy with it.
        wanted: the question that it waits with, or empty.
        device: the short code of its device; ``what`` that is.
        receipt: what the customer is given, once it is done.
    """

    ticket: int
    code: str
    state: State
    cause: Cause
    why: str
    language: str
    seconds: float
    hands: float
    wanted: str
    device: str
    what: str
    model: str
    receipt: str


def view(ticket: Ticket, now: float) -> TicketView:
    """Return what is shown of a ticket."""
    return TicketView(
        ticket=ticket.number, code=ticket.code, state=ticket.state, cause=ticket.cause, why=ticket.why,
        language=ticket.language, seconds=round(clock(ticket, now).used, 1), hands=ticket.hands,
        wanted=ticket.wanted.id if ticket.wanted else "", device=ticket.device, what=ticket.what, model=ticket.model,
        receipt=ticket.receipt,
    )  # fmt: skip
