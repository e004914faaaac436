"""A day from an answers file: every ticket's answers beforehand, nobody at the desk, several at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fleet.base.errors import BadInput
from fleet.base.event import Event
from fleet.base.yaml import read
from fleet.model import PRACTICE
from installer.answers import KIND, Source
from installer.booth.order import Order, Place, Reply, ToChild
from installer.booth.run import Booth
from installer.booth.ticket import Language, State, Ticket
from installer.wizard.question import NO, YES

FORMAT = 1
_EVERY = 0.2


class FromFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret is. Only a file: it is read by the ticket's own process, and by no other of the booth.

    An empty path says that there is none, where the file has one for all.
    """

    file: str


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One ticket; what stands beside ``tickets`` counts for each that does not say otherwise.

    Attributes:
        device: its fingerprint or short code, read on the device: nobody is there to compare it.
        consent: whether the customer agreed; without a word nothing is installed.
        park_at: the state in which it is parked.
        resume: the code of a parked ticket that is taken up, in place of a new one.
        api_key: the customer's own, for the model; ``new_password`` of the login, for the time after.
    """

    machine: str = ""
    device: str = ""
    language: Language | None = None
    kind: str = ""
    key: str = ""
    image_source: Source | None = None
    password: FromFile | None = None
    consent: bool | None = None
    provider: str = ""
    region: str = ""
    model: str = ""
    api_key: FromFile | None = None
    new_password: FromFile | None = None
    park_at: State | None = None
    resume: str = ""


class Day(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answers file of a booth."""

    version: int = FORMAT
    at_once: int = 4
    tickets: tuple[Entry, ...] = ()


def from_file(path: Path) -> tuple[int, list[Entry]]:
    """Return how many tickets go at once, and the answers of each.

    Raises:
        BadInput: the file is not as it should be, or a ticket lacks what nobody can be asked (``booth.lacks``).
    """
    day = read(path, Day)
    if day.version > FORMAT:
        raise BadInput("answers.newer", where=str(path), version=day.version, known=FORMAT)
    entries = [_merged(day, entry) for entry in day.tickets]
    for number, entry in enumerate(entries, 1):
        for field in () if entry.resume else ("machine", "device"):
            if not getattr(entry, field):
                raise BadInput("booth.lacks", where=str(path), field=field, number=number)
    return day.at_once, entries


def _merged(day: Day, entry: Entry) -> Entry:
    names = Entry.__struct_fields__
    values: dict[str, Any] = {name: getattr(entry, name) for name in names if _told(getattr(entry, name))}
    return Entry(**{name: getattr(day, name) for name in names if _told(getattr(day, name))} | values)


def _whole(path: str) -> Path:
    """Return a path as it counts anywhere: a ticket's process stands in another folder."""
    return Path(path).expanduser().absolute()


def _told(value: object) -> bool:
    return value is not None and value != ""


class Script:
    """Answers for everybody; it is told each change, and acts between them.

    Args:
        entries: of the tickets, in their order.
        kind: of the agents, where a ticket says none.
        bundle: from which everything is installed where there is no internet, or empty.
    """

    def __init__(self, entries: list[Entry], kind: str = KIND, bundle: str = "") -> None:
        self._entries = entries
        self._kind = kind
        self._bundle = bundle
        self._of: dict[int, Entry] = {}
        self._to_park: list[int] = []
        self._parked: set[int] = set()
        self._ended: set[int] = set()

    def changed(self, ticket: Ticket) -> None:
        """Note a ticket that has come to where it is parked."""
        entry = self._of.get(ticket.number)
        if entry and entry.park_at == ticket.state and ticket.number not in self._parked:
            self._parked.add(ticket.number)
            self._to_park.append(ticket.number)

    def told(self, number: int, event: Event) -> None:
        """Need nothing of what happens on the way."""

    def play(self, booth: Booth) -> list[Ticket]:
        """Carry the day out, and return its tickets as they are at the end.

        Raises:
            BadInput: a ticket's machine, device or code cannot be meant; nothing was begun then.
        """
        for entry in self._entries:
            number = booth.resume(entry.resume) if entry.resume else booth.add(self._order(entry))
            self._of[number] = entry
        while booth.busy:
            booth.pump(_EVERY)
            self._act(booth)
        return [booth.desk.ticket(number) for number in self._of]

    def _order(self, entry: Entry) -> Order:
        return Order(
            machine=entry.machine, device=entry.device, key=str(_whole(entry.key)) if entry.key else "",
            language=entry.language or "en",
            kind=entry.kind or self._kind, provider=entry.provider or PRACTICE, region=entry.region, model=entry.model,
            image_source=entry.image_source or "auto", bundle=self._bundle,
        )  # fmt: skip

    def _act(self, booth: Booth) -> None:
        while self._to_park:
            booth.park(self._to_park.pop())
        for ticket in list(self._mine(booth)):
            if ticket.wanted and ticket.running:
                booth.answer(ticket.number, self._answer(ticket))
            elif ticket.state == "parked" and not ticket.running:
                self._lies(booth, ticket.number)

    def _lies(self, booth: Booth, number: int) -> None:
        """End a ticket that nobody wanted parked: once, and what cannot be taken back now stays parked."""
        if number not in self._parked | self._ended:
            self._ended.add(number)
            booth.end(number)

    def _mine(self, booth: Booth) -> Iterator[Ticket]:
        return (ticket for ticket in booth.desk.tickets if ticket.number in self._of)

    def _answer(self, ticket: Ticket) -> ToChild:
        entry, wanted = self._of[ticket.number], ticket.wanted
        if wanted is None:
            return Reply(NO)
        if wanted.form == "secret":
            found: FromFile | None = getattr(entry, wanted.id, None)
            return Place("file", str(_whole(found.file))) if found and found.file else Place()
        match wanted.id:
            case "consent":
                return Reply(YES if entry.consent else NO)
            case _:
                return Reply(wanted.default or (wanted.options[-1][0] if wanted.options else NO))
