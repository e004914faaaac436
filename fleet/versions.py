"""Versions of kinds' programs: how they may be written, which is newer, which are near. Pure.

npm and PyPI order versions by rules of their own (semver.org; PEP 440). What both agree on is all that is used here:
numbers first, a word for "before" (alpha, beta, rc …) makes it older than the same numbers alone, anything else newer.
"""

import re
from collections.abc import Iterable
from itertools import zip_longest

MAX = 64
_PLAIN = re.compile(r"[0-9]+(?:[.+_-]?[0-9A-Za-z]+)*")
_PARTS = re.compile(r"[0-9]+|[A-Za-z]+")
_BEFORE = frozenset({"a", "alpha", "b", "beta", "c", "rc", "pre", "preview", "dev", "canary", "next", "nightly"})
Order = tuple[tuple[int, int, str], ...]
_END: tuple[int, int, str] = (1, 0, "")  # older than any number that follows, newer than a word for "before"


def well_formed(version: str) -> bool:
    """Return whether this can be a version of anything: it reaches package managers as one word, and labels."""
    return len(version) <= MAX and _PLAIN.fullmatch(version) is not None


def order(version: str) -> Order:
    """Return what versions are sorted by: ``1.9``, ``1.10``; ``2.0-beta.1``, ``2.0``, ``2.0.post1``."""
    return (*(_part(part) for part in _PARTS.findall(version)), _END)


def _part(part: str) -> tuple[int, int, str]:
    if part.isdigit():
        return (3, int(part), "")
    return (0 if part.lower() in _BEFORE else 2, 0, part.lower())


def older(version: str, than: str) -> bool:
    """Return whether one version is older than another; ``1`` and ``1.0`` are the same age."""
    pairs = zip_longest(order(version)[:-1], order(than)[:-1], fillvalue=_END)
    return next((a < b for a, b in pairs if a != b and not _nothing(a, b)), False)


def _nothing(a: tuple[int, int, str], b: tuple[int, int, str]) -> bool:
    """Whether the two differ only in that one of them does not say a zero."""
    return {a, b} == {_END, (3, 0, "")}


def early(version: str) -> bool:
    """Return whether it came out before the real one: an alpha, a beta, a candidate."""
    return any(kind == 0 for kind, _, _ in order(version))


def sorted_(versions: Iterable[str]) -> list[str]:
    """Return the versions, the oldest first."""
    return sorted(versions, key=order)


def near(wanted: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known versions nearest to the wanted one, the nearest first; early ones only to an early one."""
    listed = sorted_(version for version in known if early(wanted) or not early(version))
    place = sum(order(version) < order(wanted) for version in listed)
    return sorted(listed, key=lambda version: _apart(listed.index(version), place))[:count]


def _apart(index: int, place: int) -> tuple[int, int]:
    """How many versions lie between; of two as far away the older one is nearer."""
    return (index - place + 1, 1) if index >= place else (place - index, 0)
