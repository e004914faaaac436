"""A ticket: one customer's device on its way through the booth. Values, and what may become of them; pure.

Times are seconds of the desk's own clock, which never runs backwards; ``spent`` and ``used`` are lengths.
"""

from typing import Literal

import msgspec
from msgspec import structs

from fleet.base.errors import OurBug
from installer.receipt.form import Consent, Language

State = Literal[
    "new", "detected", "consented", "chosen", "installing", "proving", "handing-over", "done", "parked", "failed"
]
WAY: tuple[State, ...] = (
    "new", "detected", "consented", "chosen", "installing", "proving", "handing-over", "done",
)  # fmt: skip
"""How it goes where nothing is in the way; each step is taken by itself."""
OVER: frozenset[State] = frozenset({"done", "failed"})
Cause = Literal[
    "", "declined", "another-device", "wrong-password", "no-password", "unfit", "unreachable", "failed", "parked",
    "interrupted", "ended", "left-behind",
]  # fmt: skip
"""Why it is parked or failed; ``left-behind`` where something of ours may still be on the device."""
FINAL: frozenset[Cause] = frozenset({"declined", "another-device", "unfit"})
"""What no second attempt changes."""
LIMIT = 300.0
WARNING = 240.0
Tone = Literal["waiting", "good", "warn", "over"]


class Clock(msgspec.Struct, frozen=True):
    """A ticket's five minutes: how many seconds are used, and what that means."""

    used: float
    tone: Tone

    @property
    def left(self) -> int:
        """Whole seconds until the five minutes are over; below zero after that."""
        return int(LIMIT - self.used)


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What the ticket's device is known by: its host key's fingerprint, and hashed numbers of its hardware."""

    host_key: str
    hardware: dict[str, str] = {}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the person asks: a question that a child waits to have answered.

    Attributes:
        id: names it: ``match``, ``consent``, ``model``, ``password``, ``api_key`` …
        form: ``choice``, ``text`` or ``secret``; a secret is typed to the child itself.
        customer: whether it is the customer's to answer, in their language.
        text: the question in the customer's language.
        page: lines to be read before it.
        options: values and their texts.
        params: facts to show beside it.
    """

    id: str
    form: Literal["choice", "text", "secret"] = "choice"
    customer: bool = True
    text: str = ""
    page: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    default: str = ""
    params: dict[str, str] = {}


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's device.

    Attributes:
        id: random, so that its row is written once on the day sheet; it names nobody.
        code: by which it is taken up again, read aloud.
        place: address and port of its device; two tickets at one place never run at once.
        state: where it is.
        reached: how far it ever came.
        since: when its present state began.
        spent: seconds by state, of times that are over.
        used: seconds of the five minutes that were used before the present stretch.
        ticking: since when the present stretch runs; None while it does not.
        hands: seconds in which a person was busy with it, before ``busy``.
        busy: since when a person is; None where nobody is.
        wanted: the question that waits.
        running: whether its child lives.
        parks: how often it was parked.
        cause, why: why it is parked or failed.
        device: the device's short code; ``what`` was recognised.
        receipt: what the customer is given; never kept on disk.
        doing: the key of the step under way, and its values.
    """

    number: int
    id: str
    code: str
    place: str
    language: Language = "en"
    state: State = "new"
    reached: State = "new"
    since: float = 0.0
    spent: dict[str, float] = {}
    used: float = 0.0
    ticking: float | None = None
    hands: float = 0.0
    busy: float | None = None
    wanted: Wanted | None = None
    running: bool = False
    queued: bool = True
    parks: int = 0
    cause: Cause = ""
    why: str = ""
    device: str = ""
    what: str = ""
    marks: Marks | None = None
    consent: Consent | None = None
    model: str = ""
    receipt: str = ""
    doing: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more becomes of it."""
        return self.state in OVER

    @property
    def touched(self) -> bool:
        """Whether something of ours may be on the device."""
        return WAY.index(self.reached) >= WAY.index("installing")


def clock(ticket: Ticket, now: float) -> Clock:
    """Return the ticket's five minutes at a moment."""
    used = ticket.used + (now - ticket.ticking if ticket.ticking is not None else 0.0)
    if used <= 0:
        return Clock(0.0, "waiting")
    tone: Tone = "over" if used >= LIMIT else "warn" if used >= WARNING else "good"
    return Clock(used, tone)


def moved(ticket: Ticket, state: State, now: float) -> Ticket:
    """Return the ticket in its next state.

    Raises:
        OurBug: there is no way from where it is (``booth.order``).
    """
    if not _may(ticket.state, state):
        raise OurBug("booth.order", before=ticket.state, after=state)
    lasted = max(0.0, now - ticket.since)
    spent = {**ticket.spent, ticket.state: round(ticket.spent.get(ticket.state, 0.0) + lasted, 3)}
    reached = max(ticket.reached, state, key=WAY.index) if state in WAY else ticket.reached
    return structs.replace(ticket, state=state, reached=reached, since=now, spent=spent)


def _may(before: State, after: State) -> bool:
    if before in OVER:
        return False
    if after in {"parked", "failed"}:
        return before != after
    if before == "parked":
        return after == "new"
    return WAY.index(after) == WAY.index(before) + 1


def begun(ticket: Ticket, now: float) -> Ticket:
    """Return the ticket with its child at work, and its five minutes running."""
    return structs.replace(ticket, running=True, queued=False, ticking=now, cause="", why="")


def held(ticket: Ticket, now: float) -> Ticket:
    """Return the ticket with its clocks stopped and nobody asked: its child is no more."""
    used = clock(ticket, now).used
    return structs.replace(free(ticket, now), used=round(used, 3), ticking=None, wanted=None, running=False, doing="")


def taken(ticket: Ticket, now: float) -> Ticket:
    """Return the ticket with a person busy with it."""
    return ticket if ticket.busy is not None else structs.replace(ticket, busy=now)


def free(ticket: Ticket, now: float) -> Ticket:
    """Return the ticket with nobody busy with it any more."""
    if ticket.busy is None:
        return ticket
    return structs.replace(ticket, hands=round(ticket.hands + max(0.0, now - ticket.busy), 3), busy=None)
