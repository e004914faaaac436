"""What this controller set out to do and how it ended: JSON lines, each on the disk before the act.

The journal is memory, not truth: the machines are. It says what happened when a person asks, and after a crash it names
what was under way. A torn last line, as a power cut leaves it, is dropped; damage anywhere else is an error.
"""

import itertools
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from fleet.actions import AnyAction
from fleet.base import formats
from fleet.base.clean import line
from fleet.base.disk import append, locked, replace
from fleet.base.errors import ClawrackError, StateDamaged, Unreachable

FORMAT = formats.FORMATS["journal"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line: that an action begins, or how it ended. ``at`` is seconds since 1970 by this computer's clock."""

    v: int = FORMAT
    at: float
    run: str
    n: int
    what: Literal["begins", "done", "failed", "unknown"]
    action: AnyAction | None = None
    why: str = ""


class Journal:
    """The journal of one run of clawrack; ``run`` names it."""

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self.run = run
        self._numbers = itertools.count(1)

    @contextmanager
    def action(self, action: AnyAction) -> Generator[None]:
        """Write that the action begins, and afterwards how it ended; errors pass through.

        Raises:
            Refused: a newer clawrack has written here; nothing is added to it.
        """
        n = next(self._numbers)
        if n == 1:
            formats.check("journal", formats.in_last_line(self.path, "v"), str(self.path))
        self._write(n, "begins", action=action)
        try:
            yield
        except Unreachable as error:
            self._write(n, "unknown", why=line(str(error)))
            raise
        except ClawrackError as error:
            self._write(n, "failed", why=line(str(error)))
            raise
        self._write(n, "done")

    def _write(
        self,
        n: int,
        what: Literal["begins", "done", "failed", "unknown"],
        *,
        action: AnyAction | None = None,
        why: str = "",
    ) -> None:
        entry = Entry(at=time.time(), run=self.run, n=n, what=what, action=action, why=why)
        append(self.path, msgspec.json.encode(entry))


def read(path: Path) -> list[Entry]:
    """Return the entries of a journal, oldest first.

    Raises:
        StateDamaged: a line that is not the last is not whole.
        Refused: a newer clawrack wrote it.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    entries: list[Entry] = []
    for number, text in enumerate(lines[:-1], 1):
        formats.check("journal", formats.in_json(text, "v"), f"{path}:{number}")
        try:
            entries.append(msgspec.json.decode(text, type=Entry))
        except msgspec.MsgspecError as error:
            raise StateDamaged("journal.damaged", where=f"{path}:{number}", file=path) from error
    return entries


def forget(path: Path, machine: str) -> None:
    """Write a journal anew without a machine's actions, and without how they ended.

    Raises:
        StateDamaged: it is not whole; it is left as it is.
        Refused: another clawrack is at the same, or a newer one wrote it.
    """
    with locked(path.parent / "locks" / ".journal"):
        entries = read(path)
        gone = {(one.run, one.n) for one in entries if one.action and one.action.machine == machine}
        if gone:
            kept = (one for one in entries if (one.run, one.n) not in gone)
            replace(path, b"".join(msgspec.json.encode(one) + b"\n" for one in kept))


def unfinished(entries: list[Entry]) -> list[Entry]:
    """Return what began and has no end: what was under way when its controller died."""
    ended = {(entry.run, entry.n) for entry in entries if entry.what != "begins"}
    return [entry for entry in entries if entry.what == "begins" and (entry.run, entry.n) not in ended]
