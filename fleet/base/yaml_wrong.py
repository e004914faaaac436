"""What is wrong with a file that a person wrote: the place, and a sentence in their language.

msgspec tells the place as a path such as ``$.groups[...].tags[1]``, in which the keys of mappings are dots: which of
them is meant is found by trying one after another.
"""

import difflib
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import yaml

from fleet.base.errors import BadInput
from fleet.base.patterns import SAID
from fleet.base.words import find, say

Mark = tuple[int, int]
Steps = tuple[str | int, ...]
Marks = dict[Steps, Mark]
KEY = "\0key"
"""The last step of a path that leads to a key itself, and not to its value."""
_ANY = "..."
_PATH = re.compile(r"at `(?:key` in `)?\$(?P<path>[^`]*)`")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_FIELD = re.compile(r"Object (?P<how>contains unknown|missing required) field `(?P<field>[^`]*)`")
_TYPE = re.compile(r"Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`")
_PATTERN = re.compile(r"Expected `str` matching regex '(?P<pattern>.*)'")
_SAID = {repr(pattern)[1:-1]: key for pattern, key in SAID.items()}
_LIMIT = re.compile(r"Expected `(?:int|float)` (?P<sign>>=|<=) (?P<limit>-?[0-9.]+)")


def at(before: str, where: str) -> str:
    """Return the place that follows a text, as file:line:column."""
    return f"{where}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def spot(marks: Marks, steps: Sequence[str | int], where: str) -> str:
    """Return the place of a value as file:line:column: of what is nearest to it, where it is not there."""
    path = tuple(steps)
    while path and path not in marks:
        path = path[:-1]
    line, column = marks.get(path, (1, 1))
    return f"{where}:{line}:{column}"


def syntax(error: yaml.MarkedYAMLError, text: str, where: str) -> BadInput:
    """Return the error of a text that is no YAML."""
    mark = error.problem_mark
    if not mark:
        return BadInput("file.not_yaml", where=where, reason=error.problem or "")
    lines = text.splitlines()
    if mark.line >= len(lines):  # behind the end: the end is where something is missing
        return BadInput("file.not_yaml", where=at(text.rstrip("\r\n"), where), reason=error.problem or "")
    line = lines[mark.line]
    indented = line[: len(line) - len(line.lstrip())]
    if "\t" in indented:
        return BadInput("file.tab", where=f"{where}:{mark.line + 1}:{indented.index(chr(9)) + 1}")
    return BadInput("file.not_yaml", where=f"{where}:{mark.line + 1}:{mark.column + 1}", reason=error.problem or "")


def shape(reason: str, value: Any, kind: Any, marks: Marks, where: str) -> BadInput:  # noqa: ANN401 - it is YAML
    """Return the error of a value that has another shape than its type.

    Args:
        reason: what msgspec says of it.
        value: the whole file's.
        kind: its type.
        marks: where everything stands.
        where: names the file.
    """
    found = _PATH.search(reason)
    path = _exact(_steps(found["path"] if found else ""), reason, value, kind)
    lost = _FIELD.match(reason)
    if not lost:
        said = _said(reason.partition(" - at ")[0], _type_at(kind, path), _value_at(value, path))
        if not path:
            return BadInput("file.wrong_whole", where=spot(marks, path, where), reason=said)
        return BadInput("file.wrong", where=spot(marks, path, where), field=_told(path), reason=said)
    field = lost["field"]
    if lost["how"] == "missing required":
        said = say("file.reason.lacks")
        return BadInput("file.wrong", where=spot(marks, path, where), field=_told((*path, field)), reason=said)
    near = nearest(field, _fields(_type_at(kind, path)))
    return BadInput("file.unknown_key", where=spot(marks, (*path, field, KEY), where), field=field, near=near)


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the known word that is most like this one, or a dash."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.5)), "—")


def _steps(path: str) -> Steps:
    steps = ((found[1] or found[2]) for found in _STEP.finditer(path))
    return tuple(int(step) if step.isdigit() else step for step in steps)


def _told(path: Steps) -> str:
    return "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _exact(path: Steps, reason: str, value: Any, kind: Any) -> Steps:  # noqa: ANN401 - it is YAML
    """Return the path with the keys in it that msgspec left out."""
    while _ANY in path:
        before = path[: path.index(_ANY)]
        there = _value_at(value, before)
        key = next((one for one in there if _fails(_with(value, before, {one: there[one]}), kind, reason)), None)
        if key is None:
            return before
        path = (*before, key, *path[len(before) + 1 :])
    return path


def _fails(value: Any, kind: Any, reason: str) -> bool:  # noqa: ANN401 - it is YAML
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error) == reason
    return False


def _value_at(value: Any, path: Steps) -> Any:  # noqa: ANN401 - it is YAML
    for step in path:
        value = value[step]
    return value


def _with(value: Any, path: Steps, new: Any) -> Any:  # noqa: ANN401 - it is YAML
    """Return a copy of the value with another one at the path."""
    if not path:
        return new
    if isinstance(path[0], int):
        return [_with(one, path[1:], new) if n == path[0] else one for n, one in enumerate(value)]
    return {**value, path[0]: _with(value[path[0]], path[1:], new)}


def _type_at(kind: Any, path: Steps) -> msgspec.inspect.Type | None:  # noqa: ANN401 - any type that msgspec knows
    """Return the type of what stands at a path."""
    info: msgspec.inspect.Type | None = msgspec.inspect.type_info(kind)
    for step in path:
        info = next(filter(None, (_below(one, step) for one in _of(info))), None)
        if info is None:
            return None
    return info


def _of(info: msgspec.inspect.Type | None) -> Iterator[msgspec.inspect.Type]:
    if isinstance(info, msgspec.inspect.UnionType):
        for one in info.types:
            yield from _of(one)
    elif isinstance(info, msgspec.inspect.Metadata):
        yield from _of(info.type)
    elif info is not None:
        yield info


def _below(info: msgspec.inspect.Type, step: str | int) -> msgspec.inspect.Type | None:
    if isinstance(info, msgspec.inspect.StructType):
        return next((field.type for field in info.fields if field.encode_name == step), None)
    if isinstance(info, msgspec.inspect.DictType):
        return info.value_type
    return getattr(info, "item_type", None)


def _fields(info: msgspec.inspect.Type | None) -> list[str]:
    return [f.encode_name for one in _of(info) if isinstance(one, msgspec.inspect.StructType) for f in one.fields]


def _said(reason: str, info: msgspec.inspect.Type | None, value: object) -> str:
    """Return what msgspec says in the person's language; what we have no words for, as it is."""
    if found := _TYPE.match(reason):
        kinds = [_named(one.strip()) for one in found["wanted"].split("|")]
        wanted = functools.reduce(lambda one, other: say("file.either", one=one, other=other), kinds)
        return say("file.reason.type", wanted=wanted, got=_named(found["got"]))
    if found := _LIMIT.match(reason):
        return say("file.reason.least" if found["sign"] == ">=" else "file.reason.most", limit=found["limit"])
    if (found := _PATTERN.match(reason)) and found["pattern"] in _SAID:
        return say(_SAID[found["pattern"]])
    known = [str(word) for one in _of(info) if isinstance(one, msgspec.inspect.LiteralType) for word in one.values]
    if known:
        return _choice(str(value), known)
    return reason


def _choice(value: str, known: Sequence[str]) -> str:
    told = functools.reduce(lambda one, other: say("list.more", one=one, other=other), known)
    near = difflib.get_close_matches(value, known, n=1, cutoff=0.5)
    return say("file.reason.choice_near", known=told, near=near[0]) if near else say("file.reason.choice", known=told)


def _named(kind: str) -> str:
    return find(f"file.type.{kind}") or kind
