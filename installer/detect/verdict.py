"""The form of a conclusion, and the rules that lead to one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from installer.facts import Facts

SURE = 0.8
"""Below this a person is asked."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One conclusion.

    Attributes:
        value: a plain word, ``unknown`` where nothing speaks for any.
        confidence: 0 to 1.
        evidence: the keys of the facts that it rests on.
    """

    value: str
    confidence: float
    evidence: tuple[str, ...] = ()

    @property
    def sure(self) -> bool:
        """Whether to act on it without asking."""
        return self.confidence >= SURE


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a machine is."""

    os: Finding
    version: Finding
    architecture: Finding
    vm: Finding
    container: Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a table: what to conclude where every key matches its pattern (the whole value)."""

    value: str
    confidence: float
    when: tuple[tuple[str, str], ...]

    def matches(self, facts: Facts) -> bool:
        """Return whether the facts fit."""
        return all(key in facts.values and re.fullmatch(pattern, facts.get(key)) for key, pattern in self.when)


UNKNOWN = Finding("unknown", 0.0)


def conclude(rules: Iterable[Rule], facts: Facts, otherwise: Finding = UNKNOWN) -> Finding:
    """Return the conclusion of the first rule that fits."""
    for rule in rules:
        if rule.matches(facts):
            return Finding(rule.value, rule.confidence, tuple(key for key, _ in rule.when))
    return otherwise
