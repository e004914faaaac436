"""The booth at work: a child for each ticket, and every change written down before anything follows from it."""

import queue
import secrets
import time
from collections.abc import Callable

from msgspec import structs

from fleet.base.clean import line
from fleet.base.errors import BadInput, ClawrackError, OurBug
from fleet.base.event import Event
from fleet.machine.target import parse
from installer.booth import desk as desks
from installer.booth.child import GRACE, Child, Heard, error_of
from installer.booth.codes import is_device, resume_code
from installer.booth.desk import Asks, Desk, Ends, Reached, Said, Tells
from installer.booth.keep import Keep
from installer.booth.order import Noted, Order, Reply, Task, ToChild
from installer.booth.sheet import row
from installer.booth.ticket import Ticket, clock

MOST_SEATS = 16
Changed = Callable[[Ticket], None]
Told = Callable[[int, Event], None]


class Booth:
    """A booth; every method is called from one thread, which calls `pump` again and again.

    Args:
        keep: its memory.
        seats: how many tickets may be at work at once.
        changed: told each ticket that has changed.
        told: told what happens on a ticket's way.
        now: seconds that never run backwards.
    """

    def __init__(
        self, keep: Keep, seats: int, changed: Changed, told: Told, now: Callable[[], float] = time.monotonic
    ) -> None:
        if not 1 <= seats <= MOST_SEATS:
            raise BadInput("booth.seats", most=MOST_SEATS)
        self.desk = Desk(seats=seats)
        self.now = now
        self._keep = keep
        self._changed = changed
        self._told = told
        self._orders: dict[int, Order] = {}
        self._children: dict[int, Child] = {}
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._closing = False

    # ---- what the person at the desk does --------------------------------------------------------------------------

    def recover(self) -> None:
        """Take up the tickets that another desk left: those that were under way are parked."""
        for kept in self._keep.tickets():
            ticket = structs.replace(kept.ticket, since=self.now(), busy=None, ticking=None, running=False)
            self._orders[ticket.number] = kept.order
            self.desk = self.desk.added(ticket)
            if ticket.over:
                self._over(ticket)
            elif ticket.state != "parked":
                self._put(desks.laid_by(ticket, "interrupted", "", self.now()))

    def add(self, order: Order) -> int:
        """Put another ticket into the queue, and return its number.

        Raises:
            BadInput: the machine, or what is told of the device, cannot be meant.
        """
        target = parse(order.machine)
        if order.device and not is_device(order.device):
            raise BadInput("booth.device", device=line(order.device))
        taken = {one.code for one in self.desk.tickets}
        code = next(code for code in iter(lambda: resume_code(secrets.token_bytes(6)), "") if code not in taken)
        ticket = Ticket(
            number=self._keep.number(), id=secrets.token_hex(8), code=code, place=target.place,
            language=order.language, since=self.now(),
        )  # fmt: skip
        self._orders[ticket.number] = order
        self.desk = self.desk.added(ticket)
        self._put(ticket)
        return ticket.number

    def answer(self, number: int, answer: ToChild) -> None:
        """Answer the question that a ticket waits with, once; a secret's waits on until the child has it."""
        ticket, child = self.desk.ticket(number), self._children.get(number)
        if child and ticket.wanted and not child.answered:
            child.answered = True
            child.send(answer)
            if isinstance(answer, Reply):
                self._see(desks.hear(ticket, desks.Answered(), self.now()))

    def attend(self, number: int, *, on: bool) -> None:
        """Count hands-on seconds of a ticket, or no more."""
        self._see(desks.attended(self.desk.ticket(number), self.now(), on=on))

    def park(self, number: int) -> None:
        """Lay a ticket by; its code takes it up again."""
        ticket, child = self.desk.ticket(number), self._children.get(number)
        if child:
            child.parked = True
            child.stop()
        elif not ticket.over and ticket.state != "parked":
            self._put(desks.laid_by(ticket, "parked", "", self.now()))

    def resume(self, code: str) -> int:
        """Put a parked ticket back into the queue, and return its number.

        Raises:
            BadInput: no ticket is parked by that code.
        """
        ticket = desks.resumed(self.desk.by_code(code), self.now())
        self._put(ticket)
        return ticket.number

    def end(self, number: int) -> None:
        """Have nothing more become of a ticket: what may be on its device is taken back first.

        Said again of one where that failed, it is given up, and its row says that something was left behind.
        """
        ticket, child = self.desk.ticket(number), self._children.get(number)
        if child:
            child.ending = child.parked = True
            child.stop()
        elif ticket.over:
            return
        elif ticket.touched and ticket.cause != "left-behind":
            self._begin(ticket, take_back=True)
        else:
            self._over(desks.dropped(ticket, self.now()))

    # ---- what follows ----------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a child is at work, or about to be."""
        return bool(self._children) or (not self._closing and bool(desks.due(self.desk)))

    def pump(self, seconds: float) -> None:
        """Begin what is due, and hear what is said within so many seconds."""
        if not self._closing:
            for ticket in desks.due(self.desk):
                self._begin(ticket)
        for child in self._children.values():
            child.tick()
        wait = seconds
        while True:
            try:
                number, said = self._heard.get(timeout=wait) if wait else self._heard.get_nowait()
            except queue.Empty:
                return
            self._hear(number, said)
            wait = 0

    def close(self) -> None:
        """Park what is at work and wait until every child is gone; the queue stays as it is."""
        self._closing = True
        for number in list(self._children):
            self.park(number)
        end = self.now() + 2 * GRACE
        while self._children and self.now() < end:
            self.pump(0.1)
        for child in self._children.values():
            child.kill()

    def _begin(self, ticket: Ticket, *, take_back: bool = False) -> None:
        number = ticket.number
        task = Task(
            act="take-back" if take_back else "install", number=number, order=self._orders[number],
            marks=ticket.marks, consent=ticket.consent, model=ticket.model, touched=ticket.touched,
            parting=ticket.reached == "handing-over",
        )  # fmt: skip
        self._put((desks.cleared if take_back else desks.start)(ticket, self.now()))
        self._children[number] = Child(task, self._keep.home(number), self._heard)

    def _hear(self, number: int, said: Said | None) -> None:
        child = self._children[number]
        if said is None:
            self._gone(number, child)
        elif isinstance(said, Ends):
            child.last = said
        elif isinstance(said, Tells):
            self._tell(number, said.event)
        else:
            self._heed(number, child, said)

    def _heed(self, number: int, child: Child, said: Said) -> None:
        try:
            ticket = desks.hear(self.desk.ticket(number), said, self.now())
        except OurBug:
            child.kill()
            return
        if isinstance(said, Asks):
            child.answered = False
            self._see(ticket)
        else:
            self._put(ticket)
        if isinstance(said, Reached):
            child.send(Noted())

    def _tell(self, number: int, event: Event) -> None:
        ticket = self.desk.ticket(number)
        if event.kind in {"begun", "progress"} and ticket.doing != event.step:
            self._see(structs.replace(ticket, doing=event.step))
        self._told(number, event)

    def _gone(self, number: int, child: Child) -> None:
        child.wait()
        del self._children[number]
        last = child.last
        if last and "report" in last.params:  # it names places in the code and nothing else
            last = structs.replace(last, params={**last.params, "report": self._keep.report(number)})
        ticket = desks.gone(
            self.desk.ticket(number), last, error_of(last) if last else "", self.now(), parked=child.parked
        )
        if ticket.over:
            self._over(ticket)
        else:
            self._put(ticket)
            if child.ending:
                self.end(number)

    def _over(self, ticket: Ticket) -> None:
        """Write the ticket's row, and let its folder go: in this order, so that a killed desk loses neither."""
        self._save(ticket)
        self._keep.book(row(ticket, self._orders[ticket.number].kind))
        try:
            self._keep.wipe(ticket.number)
        except ClawrackError as error:
            ticket = structs.replace(ticket, why=str(error))
        self._see(structs.replace(ticket, place="", marks=None))

    def _put(self, ticket: Ticket) -> None:
        """Write a ticket down, then show it."""
        self._save(ticket)
        self._see(ticket)

    def _save(self, ticket: Ticket) -> None:
        used = round(clock(ticket, self.now()).used, 3)
        self._keep.write(structs.replace(ticket, used=used, ticking=None), self._orders[ticket.number])

    def _see(self, ticket: Ticket) -> None:
        self.desk = self.desk.with_(ticket)
        self._changed(ticket)
