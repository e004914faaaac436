"""Many machines set up at once: all looked at first, then one, then more and more, until two have failed.

What is in the way of a machine is told before anything is changed on any. The first that fits goes alone: what is wrong
everywhere is found out on one. Two failures end it; the machines that were not begun are named.
"""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Literal, TypeVar

import msgspec
from msgspec import structs

# Before there are threads: two that import a package from two ends get half of it.
import fleet.images.ahead  # noqa: F401 # pyright: ignore[reportUnusedImport]
from fleet.base.errors import BadInput, ClawrackError
from fleet.base.event import Event, Listener
from fleet.machine.many import many
from installer.answers import Answers
from installer.lead import Lead, Looked, Tools
from installer.receipt.form import Receipt
from installer.setup import carry_out, make_ready
from installer.wizard.interview import Interview

MOST_FAILURES = 2
WAVES = (1, 2, 4)
"""How many machines go at once: the canary, then these; the last size stays."""

Fate = Literal["done", "planned", "unfit", "failed", "not-begun"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How it went on one machine.

    Attributes:
        machine: as it was typed.
        fate: ``unfit`` where it could not be reached or does not fit, and nothing was changed; ``not-begun`` where it
            was stopped before its turn; ``planned`` where a plan was all that was asked for.
        why: what was in the way, or empty.
        seconds: from its turn to its end; 0 where it had none.
    """

    machine: str
    fate: Fate
    why: str = ""
    seconds: float = 0.0
    receipt: Receipt | None = None


def several(told: list[Answers], tools: Tools, listen: Listener) -> list[Result]:
    """Set up every machine that fits, wave by wave.

    Args:
        told: the answers for each machine; nobody is asked.
        tools: what a setup needs from outside.
        listen: hears events of many machines at once, from several threads, one after another.

    Returns:
        What happened on each, in the order of the answers.

    Raises:
        BadInput: a machine stands in them twice.
    """
    typed = [answers.machine for answers in told]
    twice = next((machine for machine in typed if typed.count(machine) > 1), "")
    if twice:
        raise BadInput("answers.twice", machine=twice)
    listen = _one_by_one(listen)
    looks = dict(enumerate(many(lambda answers: _look(answers, tools, listen), told)))
    results = {n: _unfit(told[n], found, listen) for n, found in looks.items() if isinstance(found, ClawrackError)}
    ready = {n: looked for n, looked in looks.items() if isinstance(looked, Looked)}
    turns = [*_named(ready, told, tools)]
    if any(answers.plan for answers in told):
        results |= {turn[0]: _planned(turn, tools, listen) for turn in turns}
        turns = []
    for wave in waves(turns):
        if _failed(results) >= _bearable(results):
            break
        results |= _wave(wave, tools, listen)
    return [results.get(n, Result(machine=told[n].machine, fate="not-begun")) for n in range(len(told))]


Turn = tuple[int, Answers, Looked]
Item = TypeVar("Item")


def _bearable(results: dict[int, Result]) -> int:
    """Return how many failures end it: one where nothing has succeeded yet."""
    return MOST_FAILURES if any(result.fate == "done" for result in results.values()) else 1


def _look(answers: Answers, tools: Tools, listen: Listener) -> Looked:
    return Lead(structs.replace(answers, yes=True), tools, listen, Interview(None)).whole()


def _unfit(answers: Answers, error: ClawrackError, listen: Listener) -> Result:
    why = str(error)
    listen(Event(kind="failed", subject=answers.machine, step="several.unfit", params={"why": why}))
    return Result(machine=answers.machine, fate="unfit", why=why)


def _planned(turn: Turn, tools: Tools, listen: Listener) -> Result:
    _, answers, looked = turn
    Lead(answers, tools, listen, Interview(None)).foretold(looked, listen)
    return Result(machine=answers.machine, fate="planned")


def _failed(results: dict[int, Result]) -> int:
    return sum(result.fate == "failed" for result in results.values())


def _named(ready: dict[int, Looked], told: list[Answers], tools: Tools) -> Iterator[Turn]:
    """Give each new agent a name of its own, for all were looked at with the same fleet before their eyes."""
    taken = {*tools.fleet.wish().agents}
    for n, looked in ready.items():
        if not looked.new:
            yield n, told[n], looked
            continue
        name = next(name for name in names_like(looked.agent) if name not in taken)
        taken.add(name)
        yield n, told[n], replace(looked, agent=name)


def names_like(name: str) -> Iterator[str]:
    """Yield the name, then it with numbers; a number that it has goes up."""
    yield name
    stem, dash, number = name.rpartition("-")
    counted = dash and number.isdigit()
    for n in itertools.count(int(number) + 1 if counted else 2):
        yield f"{stem if counted else name}-{n}"


def waves(turns: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield the turns in waves, the canary alone."""
    for size in itertools.chain(WAVES, itertools.repeat(WAVES[-1])):
        if not turns:
            return
        yield turns[:size]
        turns = turns[size:]


def _wave(wave: Sequence[Turn], tools: Tools, listen: Listener) -> dict[int, Result]:
    """Set up the machines of a wave, all at once."""

    def one(turn: Turn) -> Result:
        return _turn(turn, tools, listen)

    with ThreadPoolExecutor(len(wave), "clawrack-setup") as pool:
        return dict(zip((n for n, *_ in wave), pool.map(one, wave), strict=True))


def _turn(turn: Turn, tools: Tools, listen: Listener) -> Result:
    _, answers, looked = turn
    begun = time.monotonic()
    try:
        receipt = None if answers.no_agent else carry_out(answers, tools, listen, looked)
        if answers.no_agent:
            make_ready(answers, tools, listen, looked)
    except ClawrackError as error:
        why, seconds = str(error), time.monotonic() - begun
        listen(Event(kind="failed", subject=looked.there.name, step="several.failed", params={"why": why}))
        return Result(machine=answers.machine, fate="failed", why=why, seconds=seconds)
    return Result(machine=answers.machine, fate="done", seconds=time.monotonic() - begun, receipt=receipt)


def _one_by_one(listen: Listener) -> Listener:
    lock = threading.Lock()

    def hear(event: Event) -> None:
        with lock:
            listen(event)

    return hear
