"""The form of a conclusion, and the rules that lead to one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from installer.facts import Facts

SURE = 0.8
"""Below this a person is asked."""
PARTIAL = 0.75
"""What a conclusion is worth at most where its evidence is partial or contradicts itself."""


class Finding(msgspec.Struct, frozen=True):
    """One conclusion.

    Attributes:
        value: a plain word; ``unknown`` where nothing speaks for any.
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

    def at_most(self, confidence: float, *evidence: str) -> "Finding":
        """Return it with no more confidence than this, and with what made the doubt."""
        if self.confidence <= confidence:
            return self
        more = tuple(key for key in evidence if key not in self.evidence)
        return Finding(self.value, confidence, (*self.evidence, *more))


class Verdict(msgspec.Struct, frozen=True):
    """What a machine is: questions that are independent of each other.

    Attributes:
        os: its system; ``version`` of it.
        architecture: of a container on it, in Docker's names.
        hardware: what sort of computer; ``vm`` for none of its own.
        vm: which hypervisor it runs under, ``none`` for none.
        container: which sort of container the shell is in, ``none`` for none.
        cloud: whose data centre it stands in, ``none`` for none, ``unknown`` where it might be any.
        traits: what else matters: ``casaos``, ``tailscale``, ``battery`` …
    """

    os: Finding
    version: Finding
    architecture: Finding
    hardware: Finding
    vm: Finding
    container: Finding
    cloud: Finding
    traits: tuple[str, ...] = ()


class Recognised(msgspec.Struct, frozen=True):
    """What ``clawrack detect --json`` prints of a verdict."""

    os: Finding
    hardware: Finding
    vm: Finding
    container: Finding
    cloud: Finding
    traits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of a table: what to conclude where every key matches its pattern (the whole value, in any case)."""

    value: str
    confidence: float
    when: tuple[tuple[str, str], ...]

    def matches(self, facts: Facts) -> bool:
        """Return whether the facts fit."""
        return all(_fits(facts, key, pattern) for key, pattern in self.when)


def _fits(facts: Facts, key: str, pattern: str) -> bool:
    if key.startswith("has."):
        return facts.has(key.removeprefix("has."))
    return key in facts.values and bool(re.fullmatch(pattern, facts.get(key), re.IGNORECASE))


def there(*paths: str) -> tuple[tuple[str, str], ...]:
    """Return the conditions that marker files are there."""
    return tuple((f"has.{path}", "") for path in paths)


UNKNOWN = Finding("unknown", 0.0)


def conclude(rules: Iterable[Rule], facts: Facts, otherwise: Finding = UNKNOWN) -> Finding:
    """Return the conclusion of the first rule that fits."""
    for rule in rules:
        if rule.matches(facts):
            return Finding(rule.value, rule.confidence, tuple(key for key, _ in rule.when))
    return otherwise


def known(facts: Facts, *keys: str) -> tuple[str, ...]:
    """Return those of the keys that the facts have."""
    return tuple(key for key in keys if facts.get(key))
