"""Files that people write, read strictly: every mistake is a sentence with file, line and column.

PyYAML by itself keeps the last of two equal keys, turns ``1.10`` into 1.1 and ``NO`` into False, and a file of 306
bytes can grow to millions of nodes through aliases. So: aliases and tags are refused, sizes and depth are limited,
and the shape is checked by msgspec against a type.
"""

import difflib
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from fleet.base.errors import BadInput

Shape = TypeVar("Shape")
Mark = tuple[int, int]
MAX_BYTES = 1 << 20
MAX_DEPTH = 20
_PATH = re.compile(r"at `\$(?P<path>[^`]*)`")
_UNKNOWN = re.compile(r"unknown field `(?P<field>[^`]*)`")


def read(path: Path, shape: type[Shape]) -> Shape:
    """Return the file's content as a value of the type.

    Raises:
        BadInput: it cannot be read, is no plain YAML, or has another shape; `where` is file:line:column.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise BadInput("file.unreadable", where=str(path), reason=error.strerror) from error
    return parse(text, shape, str(path))


def parse(text: bytes, shape: type[Shape], where: str) -> Shape:
    """Return YAML text as a value of the type; ``where`` names it in errors.

    Raises:
        BadInput: as for `read`.
    """
    marks: dict[str, Mark] = {}
    plain = _plain(_compose(text, where), "", marks, where, 0)
    try:
        return msgspec.convert(plain, shape)
    except msgspec.ValidationError as error:
        raise _wrong_shape(str(error), marks, where, shape) from error


def _compose(text: bytes, where: str) -> yaml.Node | None:
    if len(text) > MAX_BYTES:
        raise BadInput("file.too_large", where=where, limit=MAX_BYTES)
    try:
        decoded = text.decode("utf-8-sig")
        _refuse_aliases(decoded, where)
        return yaml.compose(decoded, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise BadInput("file.not_text", where=where) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        raise BadInput("file.not_yaml", where=place, reason=error.problem or "") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInput("file.not_yaml", where=where, reason=type(error).__name__) from error


class _Loader(yaml.SafeLoader):
    """Safe, and with JSON's idea of numbers and booleans: ``NO`` and ``12:30`` stay text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false)$", "tf"),
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("int", r"^-?(?:0|[1-9][0-9]*)$", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))  # pyright: ignore[reportUnknownMemberType]


def _refuse_aliases(text: str, where: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        mark = event.start_mark
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        if isinstance(event, yaml.AliasEvent):
            raise BadInput("file.alias", where=place)
        if depth > MAX_DEPTH:
            raise BadInput("file.too_deep", where=place, limit=MAX_DEPTH)


def _plain(node: yaml.Node | None, path: str, marks: dict[str, Mark], where: str, depth: int) -> Any:  # noqa: ANN401 - it is YAML
    if node is None:
        return {}
    marks[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, marks, where, depth)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, f"{path}[{n}]", marks, where, depth + 1) for n, item in enumerate(node.value)]
    return _scalar(node, where)


def _mapping(node: yaml.MappingNode, path: str, marks: dict[str, Mark], where: str, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        place = (key.start_mark.line + 1, key.start_mark.column + 1)
        if not isinstance(key, yaml.ScalarNode):
            raise BadInput("file.key", where=f"{where}:{place[0]}:{place[1]}")
        name = str(key.value)
        if name in found:
            raise BadInput("file.twice", where=f"{where}:{place[0]}:{place[1]}", field=name)
        found[name] = _plain(value, f"{path}.{name}", marks, where, depth + 1)
        marks[f"{path}.{name}?"] = place
    return found


def _scalar(node: yaml.Node, where: str) -> Any:  # noqa: ANN401 - it is YAML
    kind = node.tag.rpartition(":")[2]
    if kind not in {"str", "int", "bool", "null"}:
        raise BadInput(
            "file.tag", where=f"{where}:{node.start_mark.line + 1}:{node.start_mark.column + 1}", tag=node.tag
        )
    text = str(node.value)
    return {"str": lambda: text, "int": lambda: int(text), "bool": lambda: text == "true", "null": lambda: None}[kind]()


def _wrong_shape(reason: str, marks: dict[str, Mark], where: str, shape: type[Any]) -> BadInput:
    found = _PATH.search(reason)
    path = found["path"] if found else ""
    unknown = _UNKNOWN.search(reason)
    if unknown:
        line, column = marks.get(f"{path}.{unknown['field']}?", marks.get(path, (1, 1)))
        near = _nearest(unknown["field"], shape)
        return BadInput("file.unknown_key", where=f"{where}:{line}:{column}", field=unknown["field"], near=near)
    line, column = marks.get(path, (1, 1))
    return BadInput(
        "file.wrong", where=f"{where}:{line}:{column}", reason=reason.partition(" - at ")[0], field=path.lstrip(".")
    )


def _nearest(word: str, shape: type[Any]) -> str:
    known = [field.name for struct in _structs(shape) for field in msgspec.structs.fields(struct)]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return near[0] if near else "—"


def _structs(shape: type[Any]) -> list[type[msgspec.Struct]]:
    kinds = msgspec.inspect.multi_type_info([shape])
    found: list[type[msgspec.Struct]] = []
    todo: list[Any] = list(kinds)
    while todo:
        info = todo.pop()
        if isinstance(info, msgspec.inspect.StructType) and info.cls not in found:
            found.append(info.cls)
            todo += [field.type for field in info.fields]
        todo += [getattr(info, name) for name in ("item_type", "value_type") if hasattr(info, name)]
        todo += list(getattr(info, "types", ()))
    return found
