"""The booth's desk as plain lines: one sentence each, for screen readers and dumb terminals."""

import os
import select
import shlex
import sys
from collections.abc import Callable
from typing import cast

from fleet.base.errors import BadInput, ClawrackError
from fleet.base.event import Event
from fleet.base.words import say
from installer.booth.order import Order, Reply
from installer.booth.run import Booth
from installer.booth.ticket import Language, Ticket, clock
from tui import booth_texts as texts
from tui.booth_lend import lend

_EVERY = 0.2
_MOST = 4096
Tell = Callable[[str], None]


class PlainDesk:
    """The desk; `run` ends when the person says so, or the input does."""

    def __init__(self, tell: Tell, order: Callable[[str, str, Language], Order], language: str) -> None:
        self._tell = tell
        self._order = order
        self._language = cast("Language", language)
        self._said: dict[int, str] = {}
        self._warned: dict[int, str] = {}

    def changed(self, ticket: Ticket) -> None:
        """Say a ticket's new state, and the question that it waits with."""
        wanted = ticket.wanted
        shown = f"{ticket.state} {wanted.id if wanted else ''}"
        if self._said.get(ticket.number) == shown:
            return
        before, self._said[ticket.number] = self._said.get(ticket.number, ""), shown
        if before.partition(" ")[0] != ticket.state:
            self._state(ticket)
        if wanted:
            self._ask(ticket)

    def told(self, number: int, event: Event) -> None:
        """Say what ended on a ticket's way."""
        if event.kind in {"done", "failed", "unknown"}:
            self._tell(say("booth.lines.step", ticket=number, text=texts.said(event)))

    def run(self, booth: Booth) -> None:
        """Hear the tickets and the person, in turn."""
        self._tell(say("booth.lines.help"))
        while True:
            booth.pump(0)
            self._warn(booth)
            if not select.select([sys.stdin], [], [], _EVERY)[0]:
                continue
            words = _words(os.read(sys.stdin.fileno(), _MOST).decode(errors="replace"))
            if words is None or words[:1] in (["quit"], ["退出"]):
                return
            self._do(booth, words)

    def _do(self, booth: Booth, words: list[str]) -> None:
        try:
            match words:
                case []:
                    pass
                case ["add", machine, *more]:
                    device = next((word for word in more if word not in {"en", "zh"}), "")
                    language = next((word for word in more if word in {"en", "zh"}), self._language)
                    booth.add(self._order(machine, device, cast("Language", language)))
                case ["resume", code]:
                    booth.resume(code)
                case ["park" | "end" | "open" as verb, number]:
                    getattr(self, f"_{verb}")(booth, _number(number))
                case ["list"]:
                    self._list(booth)
                case [number, answer]:
                    self._answer(booth, _number(number), answer)
                case _:
                    self._tell(say("booth.lines.help"))
        except ClawrackError as error:
            self._tell(str(error))

    def _park(self, booth: Booth, number: int) -> None:
        booth.park(number)

    def _end(self, booth: Booth, number: int) -> None:
        booth.end(number)

    def _open(self, booth: Booth, number: int) -> None:
        ticket = booth.desk.ticket(number)
        if ticket.wanted and ticket.wanted.form == "secret":
            lend(booth, number, calm=True)
        elif ticket.receipt:
            self._tell(ticket.receipt)
        else:
            for name, value in texts.details(ticket, booth.now()):
                self._tell(say("booth.lines.field", name=name, value=value))

    def _answer(self, booth: Booth, number: int, answer: str) -> None:
        ticket = booth.desk.ticket(number)
        if ticket.wanted is None or ticket.wanted.form == "secret":
            self._tell(say("booth.lines.asks_nothing", ticket=number))
            return
        options = texts.question(ticket, ticket.wanted)[3]
        by_place = {str(place): value for place, (value, _) in enumerate(options, 1)}
        value = by_place.get(answer) or (answer if not options or answer in dict(options) else "")
        if value:
            booth.answer(number, Reply(value))
        else:
            self._ask(ticket)

    def _list(self, booth: Booth) -> None:
        for ticket in booth.desk.tickets:
            self._state(ticket)
        self._tell(texts.counts(booth.desk))

    def _state(self, ticket: Ticket) -> None:
        params = {"ticket": ticket.number, "state": say(f"value.state.{ticket.state}"), "what": ticket.what}
        self._tell(say("booth.lines.state", **params).rstrip(" .。") + say("booth.lines.stop"))
        if ticket.state == "parked":
            self._tell(say("booth.ui.parked", ticket=ticket.number, code=ticket.code))
        if ticket.cause:
            self._tell(say("booth.lines.why", cause=texts.cause(ticket), why=ticket.why or "-"))
        if ticket.state == "done":
            self._tell(ticket.receipt)

    def _ask(self, ticket: Ticket) -> None:
        if ticket.wanted is None:
            return
        _, text, page, options = texts.question(ticket, ticket.wanted)
        if ticket.wanted.form == "secret":
            self._tell(say("booth.lines.secret", ticket=ticket.number, text=text))
            return
        self._tell(say("booth.lines.asks", ticket=ticket.number))
        for row in (*page, text, *(f"{place}. {words}" for place, (_, words) in enumerate(options, 1))):
            self._tell(row)
        self._tell(say("booth.lines.type", ticket=ticket.number))

    def _warn(self, booth: Booth) -> None:
        for ticket in booth.desk.tickets:
            tone = clock(ticket, booth.now()).tone
            if ticket.running and tone in {"warn", "over"} and self._warned.get(ticket.number) != tone:
                self._warned[ticket.number] = tone
                self._tell(say(f"booth.ui.{tone}ed", ticket=ticket.number))


def _words(text: str) -> list[str] | None:
    """Return the words of a line; None at the end of the input."""
    if not text:
        return None
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _number(text: str) -> int:
    if not text.removeprefix("#").isdecimal():
        raise BadInput("booth.no_ticket", ticket=text)
    return int(text.removeprefix("#"))
