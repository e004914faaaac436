"""A plan cut into a canary and waves, and what comes next of it: pure, so that a record of it is enough to go on.

`order` cuts a plan into units, one for each of its actions, and deals them into waves. `nexts` tells from the order and
the record of what has happened which units may begin now, or how it ends: the same record gives the same answer, today
and in the controller that comes after this one.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from fleet.actions import AnyAction, Deploy, PlaceImage, PlaceMeter, Rollback
from fleet.plan import Plan
from fleet.plan_needs import needs
from fleet.policy import Policy

What = Literal["begun", "done", "failed", "unknown", "paused", "resumed", "stalled", "aborted", "ended"]
Verdict = Literal["", "complete", "stopped", "paused", "aborted"]
_ENDS: frozenset[What] = frozenset({"done", "failed", "unknown"})


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a plan, in its wave.

    Attributes:
        number: of the action in the plan, from 0; names the unit in the record.
        after: numbers of the units of its machine that must be done before.
        ahead: it hurts nobody (an image is brought), so it may be done before its wave.
        alike: what a canary of this unit proves; empty where there is nothing to prove.
    """

    number: int
    action: AnyAction
    after: tuple[int, ...] = ()
    ahead: bool = False
    alike: str = ""


class Order(msgspec.Struct, frozen=True):
    """A plan in waves; the first is the canaries where ``canary``."""

    waves: tuple[tuple[Unit, ...], ...]
    canary: bool
    policy: Policy

    @property
    def units(self) -> Iterator[Unit]:
        """All of them, wave by wave."""
        return itertools.chain.from_iterable(self.waves)


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a rollout's record.

    Attributes:
        at: seconds since 1970 by this computer's clock; nothing is decided by it.
        unit: the number of the unit that it is about; -1 for the whole rollout.
        why: what went wrong, in a sentence.
        code: the exit code of what went wrong.
        before: the text of agents/NAME.yaml before the unit began; None where there was no such file.
        verdict: how the rollout ended.
    """

    at: float = 0.0
    what: What
    unit: int = -1
    why: str = ""
    code: int = 0
    before: str | None = None
    verdict: Verdict = ""


class Next(msgspec.Struct, frozen=True):
    """What comes next.

    Attributes:
        begin: units that may begin now.
        look: units that a controller which died had begun: they are looked at first.
        verdict: how it ends, or where it rests, once nothing is under way; empty while it goes on.
    """

    begin: tuple[Unit, ...] = ()
    look: tuple[Unit, ...] = ()
    verdict: Verdict = ""


def agent_of(action: AnyAction) -> str:
    """Return the name of the agent that an action is about; empty where it is about a machine."""
    return getattr(action, "agent", "")


def order(plan: Plan, policy: Policy) -> Order:
    """Return the plan in waves: the canaries of everything that is new, then ever more.

    Units that only bring something stand in the wave of the first unit that needs it. One machine's units keep the
    plan's order.
    """
    units = list(_units(plan))
    turns = _spread([unit for unit in units if not unit.ahead])
    by_number = {unit.number: unit for unit in units}
    canaries = _with_needed(_canaries(turns, policy.canary), by_number)
    rest = [unit for unit in turns if unit.number not in canaries]
    dealt = [[unit for unit in turns if unit.number in canaries], *_dealt(rest, len(turns) - len(rest), policy)]
    waves = _with_ahead([wave for wave in dealt if wave], units)
    return Order(waves=waves, canary=bool(dealt[0]), policy=policy)


def _units(plan: Plan) -> Iterator[Unit]:
    for number, (action, after) in enumerate(zip(plan.actions, needs(plan.actions, plan.agents), strict=True)):
        yield Unit(number=number, action=action, after=after, ahead=_hurts_nobody(action), alike=_alike(action, plan))


def _hurts_nobody(action: AnyAction) -> bool:
    """Tell whether nothing that runs is touched: an image is brought, or a meter where there was none."""
    return isinstance(action, PlaceImage) or (isinstance(action, PlaceMeter) and action.reason == "reason.meter_absent")


def _alike(action: AnyAction, plan: Plan) -> str:
    if isinstance(action, PlaceMeter):
        return f"meter {action.image}"
    if not isinstance(action, (Deploy, Rollback)):
        return ""
    agent = plan.agents.get(action.agent)
    return f"{agent.kind} {agent.image}" if agent else "agent"


def _spread(units: list[Unit]) -> list[Unit]:
    """Return them machine by machine in turn, so that a wave is spread over the machines."""
    nth: dict[str, int] = {}
    keyed: list[tuple[int, str, Unit]] = []
    for unit in units:
        machine = unit.action.machine
        nth[machine] = nth.get(machine, 0) + 1
        keyed.append((nth[machine], machine, unit))
    return [unit for _, _, unit in sorted(keyed, key=lambda one: one[:2])]


def _canaries(turns: list[Unit], many: int) -> set[int]:
    """Return the first of each that are alike: what one proves says nothing of another kind."""
    found: dict[str, list[int]] = {}
    for unit in turns:
        mine = found.setdefault(unit.alike, [])
        if unit.alike and len(mine) < many:
            mine.append(unit.number)
    return {number for numbers in found.values() for number in numbers}


def _with_needed(numbers: set[int], units: dict[int, Unit]) -> set[int]:
    needed = {number for each in numbers for number in units[each].after if not units[number].ahead}
    return numbers if needed <= numbers else _with_needed(numbers | needed, units)


def _dealt(rest: list[Unit], already: int, policy: Policy) -> Iterator[list[Unit]]:
    """Yield the waves that follow: each reaches as many as the policy says, of all."""
    begin = 0
    for reached in policy.reaches(len(rest) + already):
        end = max(begin, reached - already)
        yield rest[begin:end]
        begin = end
    yield rest[begin:]


def _with_ahead(waves: list[list[Unit]], units: list[Unit]) -> tuple[tuple[Unit, ...], ...]:
    ahead = {unit.number: unit for unit in units if unit.ahead}
    whole: list[tuple[Unit, ...]] = []
    for wave in waves:
        needed = _ahead_of(wave, ahead)
        whole.append((*(ahead.pop(number) for number in needed), *wave))
    if ahead:  # nobody waits for them
        whole.append(tuple(ahead.values()))
    return tuple(whole)


def _ahead_of(wave: Iterable[Unit], ahead: dict[int, Unit]) -> list[int]:
    """Return the numbers of what must be brought for a wave, and for what is brought for it."""
    found = {number for unit in wave for number in unit.after if number in ahead}
    more = {number for each in found for number in ahead[each].after if number in ahead}
    while not more <= found:
        found |= more
        more = {number for each in found for number in ahead[each].after if number in ahead}
    return sorted(found)


# --- what comes next ------------------------------------------------------------------------------------------------


def states(record: Iterable[Entry]) -> dict[int, What]:
    """Return the last word on each unit."""
    return {entry.unit: entry.what for entry in record if entry.unit >= 0}


def nexts(order: Order, record: Sequence[Entry], live: Iterable[int] = ()) -> Next:
    """Return what comes next.

    Args:
        order: of the plan.
        record: what has happened.
        live: numbers of the units that this controller has under way; others that began were left by one that died.
    """
    found = states(record)
    mine = {*live}
    left = tuple(unit for unit in order.units if found.get(unit.number) == "begun" and unit.number not in mine)
    rest = _rests(order, record, found)
    if rest:
        busy = mine or (left and rest != "aborted")
        return Next(look=left, verdict="" if busy else rest)
    if left:
        return Next(look=left)
    begin = tuple(_beginners(order, found))
    return Next(begin=begin, verdict="" if begin or mine else "complete")


def _rests(order: Order, record: Sequence[Entry], found: dict[int, What]) -> Verdict:
    """Return why nothing more is begun, or an empty text."""
    told = [entry.what for entry in record if entry.unit < 0]
    if "aborted" in told:
        return "aborted"
    if "stalled" in told or stopped(order, found):
        return "stopped"
    last = next((what for what in reversed(told) if what in {"paused", "resumed"}), "")
    return "paused" if last == "paused" else ""


def stopped(order: Order, found: dict[int, What]) -> bool:
    """Tell whether the stop rule holds: a canary went wrong, or as many units as the policy bears no more."""
    wrong = {number for number, what in found.items() if what in {"failed", "unknown"}}
    if order.canary and any(unit.number in wrong for unit in order.waves[0]):
        return True
    return bool(wrong) and len(wrong) >= order.policy.stops_at(len(found))


def _beginners(order: Order, found: dict[int, What]) -> Iterator[Unit]:
    busy = {unit.action.machine for unit in order.units if found.get(unit.number) == "begun"}
    free = order.policy.max_parallel - len(busy)
    for unit in _waiting(order, found):
        if free <= 0:
            return
        if unit.action.machine not in busy:
            busy.add(unit.action.machine)
            free -= 1
            yield unit


def _waiting(order: Order, found: dict[int, What]) -> Iterator[Unit]:
    """Yield the units that may begin, those of the wave that is on first; then what the next one needs ahead."""
    blocked = _blocked(order, found)
    for n, wave in enumerate(order.waves):
        waiting = [unit for unit in wave if unit.number not in found and unit.number not in blocked]
        if not waiting and not any(found.get(unit.number) == "begun" for unit in wave):
            continue
        ready = [unit for unit in waiting if all(found.get(number) == "done" for number in unit.after)]
        canary = n == 0 and order.canary
        yield from _one_by_one(ready, wave, found) if canary else ready
        if not canary and n + 1 < len(order.waves):
            yield from (u for u in order.waves[n + 1] if u.ahead and not u.after and u.number not in found)
        return


def _one_by_one(ready: list[Unit], wave: Iterable[Unit], found: dict[int, What]) -> Iterator[Unit]:
    """Yield canaries one after another; what hurts nobody goes beside them."""
    yield from (unit for unit in ready if unit.ahead)
    if not any(found.get(unit.number) == "begun" and not unit.ahead for unit in wave):
        yield from [unit for unit in ready if not unit.ahead][:1]


def _blocked(order: Order, found: dict[int, What]) -> set[int]:
    """Return those that can never begin: what they need went wrong, or cannot begin either."""
    blocked: set[int] = set()
    for unit in sorted(order.units, key=lambda one: one.number):
        if any(found.get(number) in {"failed", "unknown"} or number in blocked for number in unit.after):
            blocked.add(unit.number)
    return blocked
