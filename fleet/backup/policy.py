"""Which backups go: pure, the same in, the same out. The words are restic's."""

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
    """Return the backups that go, the oldest first; the newest of an agent never does."""
    gone: list[Note] = []
    by_agent: dict[str, list[Note]] = {}
    for note in notes:
        by_agent.setdefault(note.agent, []).append(note)
    for agent in sorted(by_agent):
        mine = sorted(by_agent[agent], key=lambda note: (note.created, note.id), reverse=True)
        stay = {note.id for note in _staying(mine, keep)}
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
