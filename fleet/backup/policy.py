"""Which backups go: pure, the same in, the same out. The words are restic's.

What was only found on some machine is that machine's word: such a backup takes nobody's place, and stays until it was
read with the recovery key. And whoever knows our public half can make one that opens: so of those that this controller
made itself, known by their checksum, as many stay as if there were no others.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from fleet.backup.form import Note


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How many stay of each agent: the last ones, and the last one of each of so many days, weeks, months."""

    last: int = 3
    daily: int = 7
    weekly: int = 4
    monthly: int = 6


def surplus(notes: Iterable[Note], keep: Keep) -> list[Note]:
    """Return the backups that go, the oldest first; the newest of an agent, and the newest that we made, never does."""
    gone: list[Note] = []
    by_agent: dict[str, list[Note]] = {}
    for note in notes:
        if not (note.sha256 or note.checked):
            continue
        by_agent.setdefault(note.agent, []).append(note)
    for agent in sorted(by_agent):
        mine = sorted(by_agent[agent], key=lambda note: (note.created, note.id), reverse=True)
        ours = [note for note in mine if note.sha256]
        stay = {note.id for note in (*_staying(mine, keep), *_staying(ours, keep))}
        gone += [note for note in mine if note.id not in stay]
    return sorted(gone, key=lambda note: (note.created, note.id))


def _staying(mine: Sequence[Note], keep: Keep) -> list[Note]:
    stay = list(mine[: max(keep.last, 1)])
    for most, form in ((keep.daily, "%Y-%m-%d"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m")):
        latest: dict[str, Note] = {}
        for note in mine:
            latest.setdefault(datetime.fromisoformat(note.created).strftime(form), note)
        stay += list(latest.values())[: max(most, 0)]
    return stay
