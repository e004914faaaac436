"""Files that people write, read strictly: every mistake is a sentence with file, line and column.

PyYAML by itself keeps the last of two equal keys, turns ``1.10`` into 1.1 and ``NO`` into False, and a file of 306
bytes can grow to millions of nodes through aliases. So: aliases, merge keys and tags are refused, sizes and depth are
limited, and the shape is checked by msgspec against a type. libyaml reads where PyYAML has it (its wheels do): 10,000
small files in about two seconds. Places are looked for only once something is wrong.
"""

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from fleet.base import yaml_wrong
from fleet.base.errors import BadInput
from fleet.base.yaml_wrong import KEY, Mark, Marks, Steps, spot

Shape = TypeVar("Shape")
MAX_BYTES = 1 << 20
MAX_DEPTH = 20
MAX_VALUES = 50_000
_DIGITS = 18  # of a number; a longer one stays text, and is wrong wherever a number is wanted
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING = ("tag:yaml.org,2002:str", "!")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LACKING: Any = object()


def read(path: Path, shape: type[Shape]) -> Shape:
    """Return the file's content as a value of the type.

    Raises:
        BadInput: it cannot be read, is no plain YAML, or has another shape; `where` is file:line:column.
    """
    return parse(content(path), shape, str(path))


def content(path: Path) -> bytes:
    """Return a file's bytes, no more of them than shows that it is too large.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput("file.unreadable", where=str(path), reason=error.strerror) from error


def parse(text: bytes, shape: type[Shape], where: str) -> Shape:
    """Return YAML text as a value of the type; ``where`` names it in errors.

    Raises:
        BadInput: as for `read`.
    """
    return shaped(plain(text, where), shape, text, where)


def shaped(value: Any, shape: type[Shape], text: bytes, where: str) -> Shape:  # noqa: ANN401 - it is YAML
    """Return what a text holds (see `plain`), or that and more, as a value of the type.

    Raises:
        BadInput: it has another shape.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise yaml_wrong.shape(str(error), value, shape, _marks(text, where), where) from error


def place(path: Path, *steps: str | int) -> str:
    """Return where a value stands, as file:line:column: of what is nearest to it, where it is not there.

    Args:
        path: the file.
        steps: the keys and indexes that lead to it; `KEY` as the last one asks for the place of the key itself.
    """
    return spot(_marks(content(path), str(path)), steps, str(path))


def plain(text: bytes, where: str, marks: Marks | None = None) -> Any:  # noqa: ANN401 - it is YAML
    """Return YAML text as mappings, lists, texts, whole numbers, booleans and None; no text at all is an empty mapping.

    Args:
        text: of the file.
        where: names it in errors.
        marks: takes in where each value and each key stands.

    Raises:
        BadInput: it is no plain YAML.
    """
    if len(text) > MAX_BYTES:
        raise BadInput("file.too_large", where=where, limit=MAX_BYTES)
    decoded = _decoded(text, where)
    try:
        return _Reader(decoded, where, marks).whole()
    except yaml.MarkedYAMLError as error:
        raise yaml_wrong.syntax(error, decoded, where) from error
    except yaml.YAMLError as error:
        raise BadInput("file.not_yaml", where=where, reason=type(error).__name__) from error


def _marks(text: bytes, where: str) -> Marks:
    """Return where everything stands; of a text that cannot be read, as much as can."""
    marks: Marks = {}
    try:
        plain(text, where, marks)
    except BadInput:
        return marks
    return marks


def _decoded(text: bytes, where: str) -> str:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = text[: error.start].decode("utf-8-sig", "replace")
        raise BadInput("file.not_text", where=yaml_wrong.at(before, where)) from error
    found = _UNREADABLE.search(decoded)
    if found:
        code = f"U+{ord(found.group()):04X}"
        raise BadInput("file.character", where=yaml_wrong.at(decoded[: found.start()], where), code=code)
    return decoded


class _Reader:
    """Makes values of a parser's events, one after another; never more than the limits allow."""

    def __init__(self, text: str, where: str, marks: Marks | None) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._where = where
        self._marks = marks
        self._values = 0

    def whole(self) -> Any:  # noqa: ANN401 - it is YAML
        found: Any = _LACKING
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if found is not _LACKING:
                    raise self._no("file.documents", event)
                found = self._value(next(self._events), (), 0)
        return {} if found is _LACKING else found

    def _value(self, event: yaml.Event, path: Steps, depth: int) -> Any:  # noqa: ANN401 - it is YAML
        self._values += 1
        if depth > MAX_DEPTH:
            raise self._no("file.too_deep", event, limit=MAX_DEPTH)
        if self._values > MAX_VALUES:
            raise self._no("file.too_many", event, limit=MAX_VALUES)
        if self._marks is not None:
            self._marks[path] = _mark(event)
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event)
        if isinstance(event, yaml.AliasEvent):
            raise self._no("file.alias", event)
        tag: Any = getattr(event, "tag", None)
        if tag is not None:
            raise self._no("file.tag", event, tag=str(tag))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        return self._list(path, depth)

    def _mapping(self, path: Steps, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            name = self._key(event, found)
            if self._marks is not None:
                self._marks[(*path, name, KEY)] = _mark(event)
            found[name] = self._value(next(self._events), (*path, name), depth + 1)
        return found

    def _key(self, event: yaml.Event, before: dict[str, Any]) -> str:
        if isinstance(event, yaml.AliasEvent):
            raise self._no("file.alias", event)
        if not isinstance(event, yaml.ScalarEvent):
            raise self._no("file.key", event)
        name = str(event.value)
        if name == "<<" and not event.style:
            raise self._no("file.merge", event)
        if name in before:
            raise self._no("file.twice", event, field=name)
        return name

    def _list(self, path: Steps, depth: int) -> list[Any]:
        found: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found.append(self._value(event, (*path, len(found)), depth + 1))
        return found

    def _scalar(self, event: yaml.ScalarEvent) -> str | int | bool | None:
        """Return a scalar by JSON's idea of numbers and booleans: ``NO``, ``1.10`` and ``12:30`` stay text."""
        text = str(event.value)
        if event.tag is not None:
            if event.tag not in _STRING:
                raise self._no("file.tag", event, tag=str(event.tag))
            return text
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        return int(text) if len(text) <= _DIGITS and _NUMBER.fullmatch(text) else text

    def _no(self, key: str, event: yaml.Event, **params: object) -> BadInput:
        line, column = _mark(event)
        return BadInput(key, where=f"{self._where}:{line}:{column}", **params)


def _mark(event: yaml.Event) -> Mark:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
