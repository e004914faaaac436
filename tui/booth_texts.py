"""A ticket as it is read: its clock, its state, what it waits for. Shared by the live desk and the plain one."""

from collections.abc import Sequence

from fleet.base.clean import line
from fleet.base.event import Event
from fleet.base.words import find, placeholders, say
from installer.booth.desk import Desk
from installer.booth.sheet import percentile
from installer.booth.speak import say_in
from installer.booth.ticket import Language, Ticket, Wanted, clock
from tui.state.cells import Cell, Style

_TONES: dict[str, Style] = {"waiting": "dim", "good": "good", "warn": "warn", "over": "bad"}
_SIGNS: dict[str, tuple[str, Style]] = {
    "new": ("○", "dim"),
    "done": ("●", "good"),
    "parked": ("‖", "warn"),
    "failed": ("✗", "bad"),
}
_MINUTE = 60
NOTHING = "\N{EN DASH}"


def left(ticket: Ticket, now: float) -> Cell:
    """Return the time that is left of the five minutes, with a minus where they are over; what it took, at the end."""
    found = clock(ticket, now)
    if found.tone == "waiting":
        return Cell(NOTHING, "dim")
    if ticket.over:
        return Cell(minutes(found.used), "dim")
    return Cell(minutes(found.left), _TONES[found.tone])


def minutes(seconds: float) -> str:
    """Return a time as ``4:07``, ``-0:12``."""
    whole = abs(int(seconds))
    return f"{'-' if seconds < 0 else ''}{whole // _MINUTE}:{whole % _MINUTE:02}"


def state(ticket: Ticket) -> Cell:
    """Return where the ticket is, as a sign and a word."""
    sign, style = _SIGNS.get(ticket.state, ("◐", "doing"))
    waits = ticket.state == "new" and not ticket.running
    return Cell(f"{sign} {say('value.state.waiting' if waits else f'value.state.{ticket.state}')}", style)


def now_doing(ticket: Ticket, event: Event | None, now: float) -> Cell:
    """Return what matters of the ticket at this moment: a question first, then the clock, then the step."""
    if ticket.state in {"parked", "failed"}:
        words = [ticket.code] if ticket.state == "parked" else []
        return Cell(" ".join((*words, cause(ticket))).strip(), "warn")
    if ticket.wanted and ticket.running:
        return Cell(say("booth.ui.waits", what=topic(ticket.wanted)), "strong")
    if clock(ticket, now).tone == "over" and not ticket.over:
        return Cell(say("booth.ui.over"), "bad")
    if ticket.state == "done":
        return Cell(say("booth.ui.receipt"), "plain")
    return Cell(said(event) if event and ticket.running else "", "plain")


def cause(ticket: Ticket) -> str:
    """Return why a ticket is parked or failed, in a few words."""
    return say(f"value.cause.{ticket.cause}") if ticket.cause else ""


def topic(wanted: Wanted) -> str:
    """Return what a question is about, in a word or two."""
    return say(f"booth.wants.{wanted.id}") if find(f"booth.wants.{wanted.id}") else line(wanted.text, 60)


def said(event: Event) -> str:
    """Return what an event says: ``STEP.KIND`` of the words, else ``STEP``."""
    key = next((key for key in (f"{event.step}.{event.kind}", event.step) if find(key)), None)
    if key is None:
        return line(event.step)
    return say(key, **(dict.fromkeys(placeholders(find(key) or ""), "…") | event.params))


def counts(desk: Desk) -> str:
    """Return the desk in a line: at work, waiting, parked, done, failed."""
    tickets = desk.tickets
    return say(
        "booth.ui.counts", busy=sum(one.running for one in tickets), seats=desk.seats,
        waiting=sum(one.queued and not one.over for one in tickets),
        parked=sum(one.state == "parked" for one in tickets), done=sum(one.state == "done" for one in tickets),
        failed=sum(one.state == "failed" for one in tickets),
    )  # fmt: skip


def typical(tickets: Sequence[Ticket]) -> str:
    """Return how long an install took, the one in the middle; empty where there was none."""
    took = [one.used for one in tickets if one.state == "done"]
    return say("booth.ui.median", time=minutes(percentile(took, 50))) if took else ""


def details(ticket: Ticket, now: float) -> list[tuple[str, str]]:
    """Return all that the desk knows of a ticket: names of fields, and their values."""
    found = clock(ticket, now)
    rows = [
        ("state", say(f"value.state.{ticket.state}")),
        ("code", ticket.code),
        ("device", ticket.device),
        ("what", ticket.what),
        ("seconds", minutes(found.used)),
        ("hands", minutes(ticket.hands)),
        ("cause", cause(ticket)),
        ("why", ticket.why),
    ]
    return [(say(f"booth.ui.field.{name}"), value) for name, value in rows if value]


def question(ticket: Ticket, wanted: Wanted) -> tuple[Language | None, str, list[str], list[tuple[str, str]]]:
    """Return a question as it is put: the language of its frame (None: the operator's), text, page, options."""
    if wanted.customer:
        return ticket.language, wanted.text, list(wanted.page), list(wanted.options)
    known = find(f"booth.{wanted.id}")
    if known is None:
        return None, wanted.text, list(wanted.page), list(wanted.options)
    page = [say(f"booth.match.{part}", **wanted.params) for part in ("what", "code")]
    page += [wanted.params.get("command", ""), say("booth.match.fingerprint", **wanted.params)]
    return None, say(f"booth.{wanted.id}"), page, [(value, say(f"booth.match.{value}")) for value, _ in wanted.options]


def frame(language: Language | None, key: str, **params: object) -> str:
    """Return a text of a frame, in the customer's language or the operator's."""
    return say_in(language, key, **params) if language else say(key, **params)
