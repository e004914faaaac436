"""Would clawrack work here? Pure: facts and needs in, problems out, before anything is downloaded or changed."""

from collections.abc import Iterable
from typing import Literal, get_args

import msgspec

from fleet.base.errors import Refused
from fleet.kinds import Kind
from installer.detect import Verdict, detect
from installer.facts import Facts
from installer.preflight import around, engine, processor, room, system
from installer.preflight.around import POOLS
from installer.preflight.problem import Check, Need, Problem, Severity

__all__ = ["POOLS", "Fit", "Need", "Obstacle", "Problem", "fit", "judge", "need_of", "refuse"]
_ORDER: tuple[Severity, ...] = ("stop", "fix", "mend", "wait", "warn")
_CHECKS: tuple[Check, ...] = (
    system.compromised,
    system.system,
    system.rights,
    system.kernel,
    processor.architecture,
    processor.level,
    engine.engine,
    system.container,
    processor.memory,
    processor.control,
    room.disks,
    room.lasting,
    room.errors,
    room.untold,
    engine.driver,
    engine.numbers,
    around.clock,
    around.packages,
    around.subnets,
    around.forward,
    around.ports,
    around.proxy,
    around.sleep,
)


class Obstacle(msgspec.Struct, frozen=True):
    """One problem as people and scripts are shown it, in words."""

    severity: Severity
    key: str
    what: str
    why: str
    next: str


class Fit(msgspec.Struct, frozen=True):
    """Whether an agent of a kind would run on a machine.

    Attributes:
        kind: of the agent.
        fits: ``yes``, though there may be warnings; ``no``; ``changes`` with those that its problems name: what a
            person must do is ``fix``, what preparing does by itself ``mend``.
        problems: the worst first.
    """

    kind: str
    fits: Literal["yes", "changes", "no"]
    problems: tuple[Obstacle, ...] = ()


def judge(facts: Facts, need: Need) -> list[Problem]:
    """Return everything in the way, the worst first."""
    return _judged(facts, detect(facts), need)


def _judged(facts: Facts, verdict: Verdict, need: Need) -> list[Problem]:
    found = [problem for check in _CHECKS for problem in check(facts, verdict, need)]
    return sorted(found, key=lambda problem: _ORDER.index(problem.severity))


def need_of(kind: Kind) -> Need:
    """Return what a kind asks of a machine; half of its disk is the image's, half the state's."""
    from fleet.images.recipe import Architecture  # noqa: PLC0415 - takes half a second, and is rarely needed

    return Need(
        memory=kind.needs.memory,
        data=kind.needs.disk // 2,
        engine=kind.needs.disk // 2,
        architectures=frozenset(get_args(Architecture)),
        port=kind.cage.port,
    )


def fit(kind: str, problems: Iterable[Problem]) -> Fit:
    """Return whether the kind fits, its problems in the language in use."""
    told = tuple(problems)
    severities = {problem.severity for problem in told}
    fits = "no" if "stop" in severities else "changes" if severities & {"fix", "mend"} else "yes"
    return Fit(kind, fits, tuple(_in_words(problem) for problem in told))


def _in_words(problem: Problem) -> Obstacle:
    error = Refused(problem.key, where="", **problem.params)
    what, why, after = (error.part(part) for part in ("what", "why", "next"))
    return Obstacle(problem.severity, problem.key, what, why, after)


def refuse(problems: list[Problem], where: str) -> None:
    """Stop where one of the problems says so.

    Raises:
        Refused: with the first problem that cannot be passed.
    """
    for problem in problems:
        if problem.severity in {"stop", "fix"}:
            raise Refused(problem.key, where=where, **problem.params)
