"""The booth's desk, live: a row for each ticket with its five minutes, and dialogs for what its people are asked.

No address and no name is on it: who waits in the queue may look.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from textual import events
from textual.app import App, ComposeResult, SuspendNotSupported

from fleet.base.clean import clean
from fleet.base.errors import ClawrackError
from fleet.base.event import Event
from fleet.base.words import say
from installer.booth.order import Order, Reply
from installer.booth.run import Booth
from installer.booth.ticket import Language, Ticket, clock
from installer.wizard.question import NO
from tui import booth_texts as texts
from tui.bars import Bar, Part, hints
from tui.booth_lend import lend
from tui.grid import RowGrid
from tui.keys import motion, shown, typed
from tui.screens.booth_add import Shown as Add
from tui.screens.booth_ask import Shown as Ask
from tui.screens.booth_code import Shown as Code
from tui.screens.booth_end import Shown as End
from tui.screens.booth_ticket import Shown as Details
from tui.state.cells import Cell
from tui.wiring import NIGHT

TICK = 0.2
LONGEST = 600
_FIXED = 2 + 4 * 2 + 1  # the gutter, what stands between columns, the scrollbar
KEYS = {"a": "add", "enter": "open", "p": "park", "r": "resume", "e": "end", "q": "quit"}


class Heading(NamedTuple):
    """A column of the desk."""

    id: str
    title: str
    width: int
    right: bool = False


def headings(columns: int) -> list[Heading]:
    """Return the columns for a terminal of so many cells."""
    widths = {"number": 4, "left": 6, "state": 14, "what": 22}
    rest = max(12, columns - _FIXED - sum(widths.values()))
    return [
        *(Heading(name, say(f"booth.ui.column.{name}"), width, name == "left") for name, width in widths.items()),
        Heading("now", say("booth.ui.column.now"), rest),
    ]


class BoothApp(App[None]):
    """The desk.

    Args:
        made: makes the booth, from what is told each change and each event.
        order: of a new ticket, from its machine, device and language.
    """

    CSS_PATH = Path(__file__).with_name("clawrack.tcss")
    CSS = """
    .wide { width: 78; max-width: 100%; max-height: 100%; padding: 0 1; }
    .box .page { height: auto; max-height: 16; }
    .box .answers { height: auto; max-height: 8; margin-bottom: 1; }
    .answers Button { width: auto; min-width: 16; padding: 0 2; text-style: none; }
    .answers Button { background: $panel; color: $foreground; }
    .answers Button:focus { background: $primary; color: $background; text-style: bold; background-tint: $primary 0%; }
    #text { height: 1fr; }
    #text.-paper { background: #ffffff; color: #000000; }
    #text.-paper > .text--plain { background: #ffffff; color: #000000; }
    """
    ENABLE_COMMAND_PALETTE = False
    TITLE = "clawrack booth"

    def __init__(
        self,
        made: Callable[[Callable[[Ticket], None], Callable[[int, Event], None]], Booth],
        order: Callable[[str, str, Language], Order],
    ) -> None:
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.register_theme(NIGHT)
        self.theme = NIGHT.name
        self._order = order
        self._dirty: set[str] = set()
        self._events: dict[int, Event] = {}
        self._warned: set[tuple[int, str]] = set()
        self.booth = made(self._changed, self._told)

    # ---- life ------------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Yield the lines and the table."""
        yield Bar(id="title")
        yield Bar(id="summary")
        yield RowGrid(self._cells, id="grid")
        yield Bar(id="hints")

    def on_mount(self) -> None:
        """Take up what was left, and begin to tick."""
        self.booth.recover()
        self.set_interval(TICK, self.tick)
        self.call_after_refresh(self.tick)

    def on_resize(self) -> None:
        """Fit the columns."""
        for grid in self.query(RowGrid):  # there may be none yet
            grid.set_headings(headings(self.size.width))

    def tick(self) -> None:
        """Hear what came, and show it."""
        self.booth.pump(0)
        if len(self.screen_stack) > 1 or not self.query(RowGrid):
            return  # a dialog is open; the tickets go on behind it
        tickets = self.booth.desk.tickets
        ids = [str(one.number) for one in tickets]
        live = {str(one.number) for one in tickets if one.running}
        grid = self.query_one(RowGrid)
        grid.set_rows(ids, self._dirty | live, tuple(say("booth.ui.empty").splitlines()))
        self._dirty.clear()
        self._warn()
        self._lines()

    def _lines(self) -> None:
        desk = self.booth.desk
        right = [Part(f"{texts.typical(desk.tickets)}  ", "$text-muted"), Part(time.strftime("%H:%M:%S"))]
        self.query_one("#title", Bar).put([Part(f" {say('booth.ui.title')} ", "bold $primary")], right)
        self.query_one("#summary", Bar).put([Part(f" {texts.counts(desk)}")])
        keys = [(shown(key), say(f"booth.ui.key.{name}")) for key, name in KEYS.items() if self._can(name)]
        self.query_one("#hints", Bar).put(hints(keys, self.size.width - 1))

    def _warn(self) -> None:
        """Ring once where a ticket begins to wait for somebody, nears its end, or is over it."""
        now = self.booth.now()
        for ticket in self.booth.desk.tickets:
            if ticket.running and ticket.wanted:
                self._once(ticket.number, f"{ticket.wanted.id}-{ticket.parks}", "")
            tone = clock(ticket, now).tone
            if ticket.running and tone in {"warn", "over"}:
                self._once(ticket.number, tone, say(f"booth.ui.{tone}ed", ticket=ticket.number))

    def _once(self, number: int, what: str, text: str) -> None:
        if (number, what) in self._warned:
            return
        self._warned.add((number, what))
        self.bell()
        if text:
            self.tell(text, "warning")

    # ---- what comes in ---------------------------------------------------------------------------------------------

    def _changed(self, ticket: Ticket) -> None:
        self._dirty.add(str(ticket.number))

    def _told(self, number: int, event: Event) -> None:
        self._events[number] = event
        self._dirty.add(str(number))

    def _cells(self, row: str) -> list[Cell]:
        ticket, now = self.booth.desk.ticket(int(row)), self.booth.now()
        doing = texts.now_doing(ticket, self._events.get(ticket.number), now)
        return [Cell(f"#{row}", "strong"), texts.left(ticket, now), texts.state(ticket), Cell(ticket.what), doing]

    @property
    def ticket(self) -> Ticket | None:
        """The ticket under the cursor."""
        row = next((grid.cursor for grid in self.query(RowGrid)), None)
        return self.booth.desk.ticket(int(row)) if row else None

    def on_key(self, event: events.Key) -> None:
        """Move, or do what the key is for."""
        key = typed(event)
        if len(self.screen_stack) > 1:
            return
        step = {"up": -1, "down": 1, "top": -(10**9), "end": 10**9}.get(motion(key) or "")
        if step:
            self.query_one(RowGrid).move(step)
        elif key in KEYS and self._can(KEYS[key]):
            event.stop()
            getattr(self, f"do_{KEYS[key]}")()

    def on_row_grid_opened(self) -> None:
        """Open the row that was clicked twice."""
        self.do_open()

    def _can(self, name: str) -> bool:
        ticket = self.ticket
        match name:
            case "open":
                return ticket is not None
            case "park":
                return ticket is not None and not ticket.over and ticket.state != "parked"
            case "resume":
                return any(one.state == "parked" for one in self.booth.desk.tickets)
            case "end":
                return ticket is not None and not ticket.over
            case _:
                return True

    # ---- what the operator does ------------------------------------------------------------------------------------

    def do_add(self) -> None:
        """Put a device into the queue."""
        self.push_screen(Add(), self._added)

    def _added(self, told: tuple[str, str, Language] | None) -> None:
        if told:
            self._try(lambda: self.booth.add(self._order(*told)))

    def do_open(self) -> None:
        """Put the question that the ticket waits with, or show the ticket."""
        ticket = self.ticket
        if ticket is None:
            return
        if ticket.wanted is None or not ticket.running:
            self.push_screen(Details(ticket, self.booth.now()))
        elif ticket.wanted.form == "secret":
            self._lend(ticket.number)
        else:
            self.booth.attend(ticket.number, on=True)
            self.push_screen(Ask(ticket, ticket.wanted), lambda value: self._answered(ticket, value))

    def _answered(self, ticket: Ticket, value: str | None) -> None:
        now = self.booth.desk.ticket(ticket.number)
        if value is not None and now.wanted == ticket.wanted:
            self.booth.answer(ticket.number, Reply(value or NO))
        self.booth.attend(ticket.number, on=False)

    def _lend(self, number: int) -> None:
        try:
            with self.suspend():
                lend(self.booth, number, calm=False)
        except SuspendNotSupported:
            self.tell(say("booth.ui.no_lending"), "error")
        self.refresh()

    def do_park(self) -> None:
        """Lay the ticket by, and tell its code."""
        if ticket := self.ticket:
            self.booth.park(ticket.number)
            self.tell(say("booth.ui.parked", ticket=ticket.number, code=ticket.code))

    def do_resume(self) -> None:
        """Take a parked ticket up: the one under the cursor, or the one of a code."""
        ticket = self.ticket
        code = ticket.code if ticket and ticket.state == "parked" else ""
        self.push_screen(Code(code), self._resumed)

    def _resumed(self, code: str | None) -> None:
        if code:
            self._try(lambda: self.booth.resume(code))

    def do_end(self) -> None:
        """End the ticket, after a question."""
        if ticket := self.ticket:
            self.push_screen(End(ticket), lambda yes: self.booth.end(ticket.number) if yes else None)

    def do_quit(self) -> None:
        """Leave: what is at work is parked."""
        self.exit()

    async def action_quit(self) -> None:
        """Leave by ctrl-q."""
        self.do_quit()

    def action_help_quit(self) -> None:
        """Tell how to leave: ctrl-c does not."""
        self.tell(say("screen.how_to_quit"))

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except ClawrackError as error:
            self.tell(f"{error} {error.part('next')}", "error")

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a sentence for some seconds."""
        self.notify(clean(text, LONGEST), severity=severity, markup=False)  # pyright: ignore[reportArgumentType] - one of the three

    @property
    def failure(self) -> BaseException | None:
        """What ended the desk, where nobody wanted it."""
        return self._exception

    def _fatal_error(self) -> None:
        """End without a picture of the program's inside; the door tells."""
        self._close_messages_no_wait()
