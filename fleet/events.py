"""What happened in a fleet, in the one language of events: from this controller's journal, and from two looks at it.

The journal tells what was set out to do and how it ended; of what happened without us (a machine went dark, an agent
was given up) only looking tells, so two looks are compared.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from fleet.actions import AnyAction
from fleet.base.event import Event, Kind
from fleet.journal import Entry
from fleet.views import Status

_KINDS: dict[str, Kind] = {"begins": "begun", "done": "done", "failed": "failed", "unknown": "unknown"}


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event, and when it was.

    Attributes:
        at: by this computer's clock (RFC 3339, UTC).
        source: the journal of this controller, or a look at the machines.
        why: what was wrong, or empty.
    """

    at: str
    source: Literal["journal", "look"]
    event: Event
    why: str = ""


def moment(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339, UTC; what no calendar has is its first day."""
    try:
        when = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        when = datetime.fromtimestamp(0, UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z")


def told(entries: Iterable[Entry]) -> Iterator[Happened]:
    """Yield what a journal says; how an action ended is told with what it was, where its beginning is known."""
    begun: dict[tuple[str, int], tuple[AnyAction, float]] = {}
    for entry in entries:
        key = (entry.run, entry.n)
        if entry.action is not None:
            begun[key] = (entry.action, entry.at)
        if key not in begun:
            continue
        action, since = begun[key]
        yield Happened(at=moment(entry.at), source="journal", event=_event(entry, action, since), why=entry.why)


def _event(entry: Entry, action: AnyAction, since: float) -> Event:
    params = {key: str(getattr(action, key)) for key in ("agent", "of", "machine", "reason") if hasattr(action, key)}
    elapsed = max(0.0, entry.at - since)
    return Event(kind=_KINDS[entry.what], subject=action.subject, step=action.step, params=params, elapsed=elapsed)


def changes(before: Status, after: Status) -> Iterator[Event]:
    """Yield what differs between two looks at a fleet: machines and agents that came, went, or are in another state."""
    yield from _rows({m.name: m.state for m in before.machines}, {m.name: m.state for m in after.machines})
    olds = {f"{agent.machine}/{agent.name}": agent.state for agent in before.agents}
    news = {f"{agent.machine}/{agent.name}": agent.state for agent in after.agents}
    yield from _rows(olds, news)


def _rows(before: dict[str, str], after: dict[str, str]) -> Iterator[Event]:
    for subject in sorted({*before, *after}):
        old, new = before.get(subject, ""), after.get(subject, "")
        if old != new:
            step = "events.came" if not old else "events.went" if not new else "events.state"
            yield Event(kind="note", subject=subject, step=step, params={"old": old, "new": new})
