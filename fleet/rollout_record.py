"""The record of a rollout on this controller: rollouts/NUMBER with its plan, and a line for all that happened.

It is written before what it tells of is done, so that whoever comes after a controller that died can go on. It is
memory: the machines are the truth, and what a record says was begun is looked at there first.
"""

import shlex
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from fleet.base import formats, places
from fleet.base.disk import append, locked, replace
from fleet.base.errors import BadInput, Refused, StateDamaged
from fleet.model import Agent
from fleet.plan import Plan
from fleet.policy import Policy
from fleet.rollout import Entry, Order, Verdict, order

FORMAT = formats.FORMATS["rollout"]
KEPT = 50  # rollouts that are over; older ones go
Mark = Literal["pause", "abort"]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a rollout is, from its first moment on (rollout.json).

    Attributes:
        asked: the words of the command that began it.
        at: when, in seconds since 1970 by this computer's clock.
        plan: that it carries out.
        policy: by which.
        fleet: how many agents the fleet had.
        was: the plan's agents as they were before, by name; without those that are new.
        of: the number of the rollout that it takes back; 0 for none.
    """

    version: int = FORMAT
    asked: tuple[str, ...]
    at: float
    plan: Plan
    policy: Policy
    fleet: int = 0
    was: dict[str, Agent] = {}
    of: int = 0


class Record:
    """A rollout's record. Threads do not share it: one alone writes."""

    def __init__(self, folder: Path, head: Head, entries: list[Entry]) -> None:
        self.folder = folder
        self.head = head
        self.entries = entries

    @property
    def number(self) -> int:
        """By which a person names it."""
        return int(self.folder.name)

    @property
    def order(self) -> Order:
        """Its plan in waves."""
        return order(self.head.plan, self.head.policy)

    @property
    def verdict(self) -> Verdict:
        """How it ended; empty while it is open."""
        ends: list[Verdict] = [entry.verdict for entry in self.entries if entry.what == "ended"]
        return ends[-1] if ends else ""

    def add(self, entry: Entry) -> None:
        """Write a line, and wait until it is on the disk."""
        told = msgspec.structs.replace(entry, at=time.time())
        append(self.folder / "record.jsonl", msgspec.json.encode(told))
        self.entries.append(told)

    @contextmanager
    def held(self) -> Generator[None]:
        """Be the one who works on it, for as long as the block lasts.

        Raises:
            Refused: another clawrack is.
        """
        with locked(self.folder / "lock"):
            whole = _whole_lines(self.folder / "record.jsonl", mend=True)
            self.entries[:] = _entries(whole, self.folder / "record.jsonl")
            yield

    def mark(self, what: Mark) -> None:
        """Leave word for whoever works on it."""
        replace(self.folder / what, b"")

    def marked(self, what: Mark) -> bool:
        """Tell whether word was left, and take it."""
        try:
            (self.folder / what).unlink()
        except FileNotFoundError:
            return False
        return True


def home() -> Path:
    """Return where rollouts lie."""
    return places.state() / "rollouts"


def begin(head: Head) -> Record:
    """Begin a record where none is open; the oldest of those that are over go.

    Raises:
        ActionFailed: the disk is full.
        Refused: a rollout is open, or another clawrack begins one at this moment.
    """
    with locked(home() / "lock"):
        if record := unfinished():
            raise still_open(record)
        numbers = listed()
        folder = _folder(max(numbers, default=0) + 1)
        replace(folder / "rollout.json", msgspec.json.encode(head))
        for number in numbers[:-KEPT]:
            shutil.rmtree(home() / str(number), ignore_errors=True)
    return Record(folder, head, [])


def _folder(number: int) -> Path:
    """Make the folder of a number that nobody has; a power cut may have left one without a plan."""
    while True:
        try:
            (home() / str(number)).mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return home() / str(number)


def still_open(record: Record) -> Refused:
    """Return the error that tells that a rollout is not over."""
    return Refused("rollout.open", where=f"rollout-{record.number}", **named(record))


def named(record: Record) -> dict[str, Any]:
    """Return what sentences call a rollout by."""
    return {"number": record.number, "asked": shlex.join(record.head.asked)}


def listed() -> list[int]:
    """Return the numbers of all rollouts, the oldest first."""
    found = (path.parent.name for path in home().glob("*/rollout.json"))
    return sorted(int(name) for name in found if name.isdecimal())


def unfinished() -> Record | None:
    """Return the rollout that is open, or None."""
    records = (read(number) for number in reversed(listed()))
    return next((record for record in records if not record.verdict), None)


def read(number: int) -> Record:
    """Return a rollout.

    Raises:
        BadInput: there is none of that number.
        Refused: a newer clawrack wrote it.
        StateDamaged: it is not whole.
    """
    folder = home() / str(number)
    path = folder / "rollout.json"
    if not path.is_file():
        raise BadInput("rollout.none", number=number)
    content = path.read_bytes()
    formats.check("rollout", formats.in_json(content, "version"), str(path))
    head: Head = _decoded(content, Head, str(path))
    return Record(folder, head, _entries(_whole_lines(folder / "record.jsonl"), folder / "record.jsonl"))


def _whole_lines(path: Path, *, mend: bool = False) -> list[bytes]:
    """Return the lines of a file; a torn last one, as a power cut leaves it, is dropped."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if mend and whole != content:
        replace(path, whole)
    return whole.splitlines()


def _entries(lines: list[bytes], path: Path) -> list[Entry]:
    return [_decoded(text, Entry, f"{path}:{number}") for number, text in enumerate(lines, 1)]


def _decoded(content: bytes, shape: type[Any], where: str) -> Any:  # noqa: ANN401 - of the shape
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StateDamaged("rollout.damaged", where=where, file=where.partition(":")[0]) from error
