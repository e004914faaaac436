"""The filter: one line of words, all of which must hold.

    text         in the name, machine, kind, model, version, state or reason
    ~letters     in the name, in this order
    key:value    in that value; keys and states go by their names in English and in Chinese
    key>number   also key<number; with k, M, G for counts, M, G, T for bytes, s, m, h, d for times
    @machine     a machine whose name begins so, and its agents
    !…           not; also key:!value
    "two words"  one text

While somebody types, half a term is not an error that empties the table: it is left out, and `wrong` says so.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from fleet.base.words import catalogue, say
from tui.state.rows import AgentRow, Row

Test = Callable[[Row, float], bool]
LONGEST = 500  # characters of a filter
_WIDE = str.maketrans("\uff1a\uff01\uff1e\uff1c\uff20\uff5e\u3000\u201c\u201d", ':!><@~ ""')
_PIECE = re.compile(r'(?:"[^"]*"?|[^\s"])+')
_TERM = re.compile(r"(?P<key>[^\s:<>]+)(?P<sign>[:<>])(?P<value>.*)", re.DOTALL)
_NUMBER = re.compile(r"(?P<digits>[0-9]{1,15}(?:\.[0-9]{1,6})?)(?P<unit>[a-z]?)")
_COUNT = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}
_BYTES = {"": 1.0, "m": 2.0**20, "g": 2.0**30, "t": 2.0**40}
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Wrong:
    """What in a filter cannot be used.

    Attributes:
        column: where it begins, counted from 1.
        key: of the sentence.
        params: its values.
    """

    column: int
    key: str
    params: dict[str, str]

    @property
    def sentence(self) -> str:
        """Say it, with the place."""
        return say(self.key, column=self.column, **self.params)


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that was read: as it was typed, its tests, and the first thing in it that cannot be used."""

    text: str = ""
    tests: tuple[Test, ...] = ()
    wrong: Wrong | None = None

    def matches(self, row: Row, now: float) -> bool:
        """Return whether a row is to be shown."""
        return all(test(row, now) for test in self.tests)


class _Unusable(Exception):
    def __init__(self, key: str, params: dict[str, str]) -> None:
        super().__init__(key)
        self.key = key
        self.params = params


def parse(text: str) -> Query:
    """Read a filter; never raises, whatever is typed or pasted."""
    tests: list[Test] = []
    wrong: Wrong | None = None
    for piece in _PIECE.finditer(text[:LONGEST].translate(_WIDE)):
        try:
            tests.append(_test(piece.group()))
        except _Unusable as error:
            wrong = wrong or Wrong(piece.start() + 1, error.key, error.params)
    return Query(text, tuple(tests), wrong)


def near(text: str, names: Iterable[str]) -> str:
    """Return the name that is most like a filter's first word that found nothing, or an empty text."""
    words = [word.lstrip("!~@") for word in text[:LONGEST].split() if ":" not in word]
    found = difflib.get_close_matches(words[0], list(names)[:2000], n=1, cutoff=0.6) if words else []
    return found[0] if found else ""


def _test(piece: str) -> Test:
    if piece.startswith("!"):
        return _not(_test(_more(piece[1:])))
    if piece.startswith("@"):
        return _machine(_more(piece[1:]))
    if piece.startswith("~"):
        return _fuzzy(_more(piece[1:]))
    term = None if piece.startswith('"') else _TERM.fullmatch(piece)
    return _of_key(term["key"], term["sign"], term["value"]) if term else _text(piece)


def _more(rest: str) -> str:
    if not rest:
        raise _Unusable("screen.query.unfinished", {})
    return rest


def _not(test: Test) -> Test:
    return lambda row, now: not test(row, now)


def _machine(name: str) -> Test:
    begins = _plain(name)
    return lambda row, _: row.machine.startswith(begins)


def _fuzzy(letters: str) -> Test:
    wanted = _plain(letters)

    def found(row: Row, _: float) -> bool:
        name = iter(row.name.casefold())
        return all(letter in name for letter in wanted)

    return found


def _text(piece: str) -> Test:
    wanted = _plain(piece)
    return lambda row, now: any(wanted in value.casefold() for value in _all(row, now))


def _plain(text: str) -> str:
    return text.replace('"', "").casefold()


def _all(row: Row, now: float) -> tuple[str, ...]:
    return (row.name, row.machine, *_states(row, now), *_kind(row), *_model(row), *_version(row), *_reason(row))


def _of_key(name: str, sign: str, value: str) -> Test:
    key = _keys().get(name.casefold())
    if key is None:
        likest = difflib.get_close_matches(name.casefold(), list(_keys()), n=1, cutoff=0.5)
        raise _Unusable("screen.query.no_key", {"field": name, "near": likest[0] if likest else ", ".join(_TEXTS)})
    if sign == ":" and value.startswith("!"):
        return _not(_of_key(name, sign, value[1:]))
    value = _plain(_more(value))
    if key in _TEXTS:
        if sign != ":":
            raise _Unusable("screen.query.no_number_key", {"field": name})
        read = _TEXTS[key]
        return lambda row, now: any(value in part.casefold() for part in read(row, now))
    return _compared(key, sign, value)


def _compared(key: str, sign: str, value: str) -> Test:
    read, units = _NUMBERS[key]
    number = _NUMBER.fullmatch(value)
    if number is None or number["unit"] not in units:
        raise _Unusable("screen.query.no_number", {"field": key, "value": value})
    bound = float(number["digits"]) * units[number["unit"]]
    match sign:
        case ">":
            return lambda row, now: read(row, now) > bound
        case "<":
            return lambda row, now: read(row, now) < bound
        case _:
            return lambda row, now: read(row, now) == bound


@cache
def _keys() -> dict[str, str]:
    """Return the ids of keys by their names in both languages."""
    found = {key: key for key in (*_TEXTS, *_NUMBERS)}
    for language in (catalogue("en"), catalogue("zh")):
        found |= {language[f"screen.key.{key}"]: key for key in (*_TEXTS, *_NUMBERS)}
    return found


@cache
def _named(stem: str, value: str) -> tuple[str, ...]:
    """Return a value as the code and as both languages name it."""
    words = (catalogue(code).get(stem + value, "") for code in ("en", "zh"))
    return (value, *(word for word in words if word))


def _states(row: Row, now: float) -> tuple[str, ...]:
    state = row.state(now)
    also = ("ok",) if state == "running" else ()  # so that `state:!ok` finds what needs a look, machine or agent
    return (*_named("value.state.", state), *also)


def _fresh(row: Row, now: float) -> tuple[str, ...]:
    return _named("screen.fresh.", row.fresh(now))


def _kind(row: Row) -> tuple[str, ...]:
    return (row.view.kind,) if isinstance(row, AgentRow) else ()


def _model(row: Row) -> tuple[str, ...]:
    return _named("value.model.", row.view.model) if isinstance(row, AgentRow) else ()


def _version(row: Row) -> tuple[str, ...]:
    return (row.view.version,) if isinstance(row, AgentRow) else (row.view.engine,)


def _reason(row: Row) -> tuple[str, ...]:
    return (row.view.reason,) if isinstance(row, AgentRow) else (row.why or row.view.trouble,)


def _doing(row: Row, _: float) -> tuple[str, ...]:
    return _named("screen.act.", row.doing.action) if row.doing else ()


def _free(row: Row, _: float) -> float:
    return 0.0 if isinstance(row, AgentRow) else float(row.view.free)


_TEXTS: dict[str, Callable[[Row, float], tuple[str, ...]]] = {
    "name": lambda row, _: (row.name,),
    "machine": lambda row, _: (row.machine,),
    "state": _states,
    "fresh": _fresh,
    "kind": lambda row, _: _kind(row),
    "model": lambda row, _: _model(row),
    "version": lambda row, _: _version(row),
    "reason": lambda row, _: _reason(row),
    "address": lambda row, _: (row.view.address,),
    "doing": _doing,
}
_NUMBERS: dict[str, tuple[Callable[[Row, float], float], dict[str, float]]] = {
    "tokens": (lambda row, _: row.tokens_today, _COUNT),
    "in": (lambda row, _: row.tokens_in, _COUNT),
    "out": (lambda row, _: row.tokens_out, _COUNT),
    "calls": (lambda row, _: row.calls, _COUNT),
    "free": (_free, _BYTES),
    "age": (lambda row, now: row.pulse.age(now), _SECONDS),
}
