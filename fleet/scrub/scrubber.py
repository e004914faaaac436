"""Texts and plain values, with no secret and nobody's name left in them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, cast

from fleet.base.secret import HIDDEN
from fleet.scrub import shapes
from fleet.scrub.values import LEAST, Values

_SHORT = 2  # characters: a shorter name is only found where a name must stand
_PLACES = (
    r"(?P<before>clawrack-(?:agent@)?|(?:agent|stray|fails|files?)\.|(?:agents|machines|kept)/|(?:agent|machine)=)"
)
_PREFIXES = {"address": "addr"}
_SORTS = {HIDDEN: "secret", "addr": "address"}


class Names:
    """Who is called what outside. ``known`` maps a real value to its other name.

    Args:
        real: names that somebody has, so that they are not given to another: a machine may well be called `machine-2`.
    """

    def __init__(self, real: Iterable[str] = ()) -> None:
        self.known: dict[str, str] = {}
        self._real = set(real)
        self._count: Counter[str] = Counter()

    def of(self, sort: str, value: str) -> str:
        """Return the other name of a value, given to it now where it has none yet."""
        key = value.casefold() if sort in {"address", "mac", "id", "host", "email"} else value
        if key not in self.known:
            self.known[key] = self._next(sort)
        return self.known[key]

    def _next(self, sort: str) -> str:
        self._count[sort] += 1
        name = f"{_PREFIXES.get(sort, sort)}-{self._count[sort]}"
        return self._next(sort) if name in self._real else name

    def same(self, value: str, name: str) -> None:
        """Let a value have a name that something else has too, such as the folder ``~``."""
        self.known.setdefault(value, name)


class Scrubber:
    """Takes out secrets and names; ``removed`` counts what, by sort, since it was last emptied.

    Args:
        secrets: values of which nothing may stay.
        names: what is known already; more are found by their shape, and added.
        ordinary: words that are nobody's name, though somebody may be called so: ``root``, ``openclaw``.
    """

    def __init__(self, secrets: Iterable[str], names: Names, ordinary: Iterable[str] = ()) -> None:
        self.removed: Counter[str] = Counter()
        self._names = names
        self._ordinary = {word.casefold() for word in ordinary}
        own = {value: name for value, name in names.known.items() if value.casefold() not in self._ordinary}
        self._own = {value.casefold(): name for value, name in own.items()}
        long = {value: name for value, name in own.items() if len(value.encode()) >= LEAST}
        self._values = Values({secret for secret in secrets if secret.casefold() not in self._ordinary}, HIDDEN, long)
        self._short = _pattern([value for value in own if value not in long])

    def text(self, text: str) -> str:
        """Return a text that a stranger may read."""
        text = self._values.cover(text, self._count)
        if self._short:
            text = self._short.sub(self._short_name, text)
        text = shapes.cover(text, self._rename)
        return self._values.cover(text, self._count)  # what stood apart may stand together now

    def value(self, value: object, key: str = "") -> Any:  # noqa: ANN401 - any plain value
        """Return a plain value (as of JSON) in which every text, keys too, may be read by a stranger."""
        match value:
            case str():
                return self._field(key, value)
            case dict():
                items = cast("Mapping[object, object]", value).items()
                return {self._field("", str(name)): self.value(item, str(name)) for name, item in items}
            case list() | tuple():
                return [self.value(item, key) for item in cast("Iterable[object]", value)]
            case _:
                return value

    def holds(self, text: str) -> bool:
        """Return whether a known value is still there."""
        return self._values.holds(text)

    def _field(self, key: str, value: str) -> str:
        if value.casefold() in self._own:
            self._count(self._own[value.casefold()])
            return self._own[value.casefold()]
        if value and shapes.OWNED_NAME.search(key):
            return self._rename("id", value)
        if value and shapes.SECRET_NAME.search(key) and not value.isdigit() and not value.endswith(".json"):
            return self._rename("secret", value)
        return self.text(value)

    def _rename(self, sort: shapes.Sort, value: str) -> str:
        if value.casefold() in self._ordinary or value in self._names.known.values() or value.startswith(HIDDEN):
            return value
        self.removed[sort] += 1
        return HIDDEN if sort == "secret" else self._names.of(sort, value)

    def _count(self, cover: str) -> None:
        sort, numbered, _ = cover.rpartition("-")
        self.removed[_SORTS.get(sort, sort) if numbered else _SORTS.get(cover, "path")] += 1

    def _short_name(self, found: re.Match[str]) -> str:
        name = self._own[(found["name"] or found["placed"]).casefold()]
        self._count(name)
        return (found["before"] or "") + name


def _pattern(names: list[str]) -> re.Pattern[str] | None:
    """Return a pattern for short names: as words of their own; the shortest only where a name must stand."""
    if not names:
        return None
    ordered = sorted(map(re.escape, names), key=len, reverse=True)
    words = [name for name in ordered if len(name) >= _SHORT] or ["(?!)"]
    alone = rf"(?<![^\W_])(?P<name>{'|'.join(words)})(?![^\W_])"
    placed = rf"(?<![^\W_]){_PLACES}(?P<placed>{'|'.join(ordered)})(?![^\W_])"
    return re.compile(rf"(?i)(?:{placed}|{alone})")
