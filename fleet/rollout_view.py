"""A rollout as people and scripts are shown it, and how its command ends: pure."""

from collections import Counter
from datetime import UTC, datetime
from typing import Literal

import msgspec

from fleet.base.errors import ActionFailed, ClawrackError, Interrupted, Refused, Unreachable
from fleet.rollout import Unit, What, states
from fleet.rollout_record import Record

State = Literal["open", "paused", "complete", "stopped", "aborted"]
Outcome = Literal["waiting", "under-way", "done", "failed", "unknown"]
_OF: dict[What, Outcome] = {"begun": "under-way", "done": "done", "failed": "failed", "unknown": "unknown"}


class UnitView(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a rollout.

    Attributes:
        wave: from 1.
        canary: it was in the first wave, and that was of canaries.
        step: the key of what is done.
        why: what went wrong, or empty.
    """

    subject: str
    wave: int
    canary: bool = False
    step: str
    outcome: Outcome
    release: str = ""
    replaces: str = ""
    why: str = ""


class RolloutView(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout.

    Attributes:
        asked: the command that began it, without ``clawrack``.
        state: ``open`` where it is under way, or its controller died.
        begun: when (RFC 3339, UTC), by this computer's clock.
        agents: how many agents it touches, and how many of them are done, failed, unknown.
        waves: how many there are.
        of: the number of the rollout that it takes back; 0 for none.
    """

    number: int
    asked: str
    state: State
    begun: str
    agents: int
    done: int
    failed: int
    unknown: int
    waves: int
    of: int = 0
    why: str = ""
    units: tuple[UnitView, ...] = ()


def view(record: Record) -> RolloutView:
    """Return a rollout as it is shown."""
    order, found = record.order, states(record.entries)
    units = tuple(
        _unit(record, unit, n, found.get(unit.number), canary=order.canary and n == 1)
        for n, wave in enumerate(order.waves, 1)
        for unit in wave
    )
    agents = [unit for unit in units if "/" in unit.subject]
    many = Counter(unit.outcome for unit in agents)
    return RolloutView(
        number=record.number,
        asked=" ".join(record.head.asked),
        state=_state(record),
        begun=f"{datetime.fromtimestamp(record.head.at, UTC):%Y-%m-%dT%H:%M:%SZ}",
        agents=len({unit.subject for unit in agents}),
        done=many["done"], failed=many["failed"], unknown=many["unknown"],
        waves=len(order.waves),
        of=record.head.of,
        why=next((unit.why for unit in units if unit.why), ""),
        units=units,
    )  # fmt: skip


def _unit(record: Record, unit: Unit, wave: int, what: What | None, *, canary: bool) -> UnitView:
    action = unit.action
    return UnitView(
        subject=action.subject, wave=wave, canary=canary and not unit.ahead, step=action.step,
        outcome=_OF[what] if what else "waiting",
        release=getattr(action, "release", ""), replaces=getattr(action, "replaces", ""),
        why=next((one.why for one in reversed(record.entries) if one.unit == unit.number), ""),
    )  # fmt: skip


def _state(record: Record) -> State:
    match record.verdict:
        case "complete" | "stopped" | "aborted" as ended:
            return ended
        case _:
            rests = [entry.what for entry in record.entries if entry.what in {"paused", "resumed"}]
            return "paused" if rests[-1:] == ["paused"] else "open"


def error_of(record: Record) -> ClawrackError | None:
    """Return why the command that worked on a rollout ends with another code than 0; None where all went well."""
    shown = view(record)
    number, where = record.number, f"rollout-{record.number}"
    last = {entry.unit: entry for entry in record.entries if entry.unit >= 0}
    wrong = [entry for entry in last.values() if entry.what in {"failed", "unknown"}]
    told: dict[str, object] = {"number": number, "reason": wrong[0].why if wrong else "—", "done": shown.done}
    told |= {"left": shown.agents - shown.done, "agents": shown.agents}
    if shown.state == "paused":
        return Interrupted("rollout.paused", where=where, **told)
    if shown.state == "aborted":
        return Interrupted("rollout.aborted", where=where, **told)
    if shown.unknown or any(entry.what == "unknown" for entry in wrong):
        return Unreachable("rollout.unknown", where=where, **told)
    if wrong:
        refused = all(entry.code == Refused.exit_code for entry in wrong)
        return (Refused if refused else ActionFailed)(_key(shown), where=where, **told)
    return ActionFailed("rollout.stalled", where=where, **told) if shown.state == "stopped" else None


def _key(shown: RolloutView) -> str:
    if shown.asked.startswith("rollback "):
        return "rollout.back_failed"
    return "rollout.partly" if shown.state == "complete" else "rollout.stopped"
