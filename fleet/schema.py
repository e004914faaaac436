"""The schema of what a command prints as JSON (JSON Schema 2020-12), made from the struct that is printed.

msgspec knows the fields and their types. What it does not know is added here: that what we print has every field and no
other, and what the docstrings say of each.
"""

import re
from typing import Any

import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTES = re.compile(r"\n\s*Attributes:\n(?P<rows>.*)", re.DOTALL)
_ROW = re.compile(r"(?P<names>[a-z_]+(?:, [a-z_]+)*): (?P<text>.*)")
Schema = dict[str, Any]


def document(name: str, kind: Any, version: int) -> Schema:  # noqa: ANN401 - any type that msgspec knows
    """Return the schema of a document ``{"version": VERSION, NAME: value}``.

    Args:
        name: of the document.
        kind: the type of its value.
        version: of the document's form.
    """
    value, parts = _of(kind)
    return {
        "$schema": DIALECT,
        "title": name,
        "type": "object",
        "properties": {"version": {"const": version}, name: value},
        "required": ["version", name],
        "additionalProperties": False,
        **parts,
    }


def bare(name: str, kind: Any) -> Schema:  # noqa: ANN401 - see document
    """Return the schema of a document that is nothing but its value."""
    value, parts = _of(kind)
    return {"$schema": DIALECT, "title": name, **value, **parts}


def of_file(name: str, kind: type[msgspec.Struct], *, inherits: bool = False) -> Schema:
    """Return the schema of a file that people write: what may be left out has its usual value there.

    Args:
        name: of the file.
        kind: the type of what stands in it.
        inherits: whether any of it may be left out, for it may come from another file.
    """
    (value,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    made = {cls.__name__: _written(cls, parts[cls.__name__]) for cls in _structs(kind)}
    if inherits:
        made[kind.__name__]["required"] = []
    return {"$schema": DIALECT, "title": name, **value, "$defs": dict(sorted(made.items()))}


def _written(cls: type[msgspec.Struct], part: Schema) -> Schema:
    """Return the schema of a struct in a file, with what its docstring says, and those of what it is built upon."""
    about: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        about |= _told(base.__doc__ or "")[1] if issubclass(base, msgspec.Struct) else {}
    fields = {key: {**value, "description": about.get(key, "")} for key, value in part["properties"].items()}
    return {
        "title": cls.__name__,
        "description": _told(cls.__doc__ or "")[0],
        "type": "object",
        "properties": fields,
        "required": part["required"],
        "additionalProperties": False,
    }


def _of(kind: Any) -> tuple[Schema, Schema]:  # noqa: ANN401 - see document
    """Return the schema of a type, and ``$defs`` with what it is made of."""
    (value,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    complete = {cls.__name__ for cls in _structs(kind) if not cls.__struct_config__.omit_defaults}
    made = {key: _part(key, parts[key], complete) for key in sorted(parts)}
    return value, {"$defs": made} if made else {}


def _part(name: str, part: Schema, complete: set[str]) -> Schema:
    """Return the schema of one struct: strict, and with what its docstring says."""
    text, about = _told(str(part.get("description", "")))
    fields = {key: _field(value, about.get(key, "")) for key, value in part["properties"].items()}
    return {
        "title": name,
        **({"description": text} if text else {}),
        "type": "object",
        "properties": fields,
        "required": sorted(fields) if name in complete else part["required"],
        "additionalProperties": False,
    }


def _field(value: Schema, about: str) -> Schema:
    plain = {key: item for key, item in value.items() if key != "default"}
    return {**plain, "description": about} if about else plain


def _told(docstring: str) -> tuple[str, dict[str, str]]:
    """Return a docstring's text on one line, and what its ``Attributes`` say, by name."""
    found = _ATTRIBUTES.search(docstring)
    about: dict[str, str] = {}
    names: list[str] = []
    for row in found["rows"].splitlines() if found else []:
        begun = _ROW.fullmatch(row.strip())
        if begun:
            names = begun["names"].split(", ")
            about |= dict.fromkeys(names, begun["text"])
        else:
            about |= {name: f"{about[name]} {row.strip()}".strip() for name in names}
    return " ".join(docstring[: found.start() if found else None].split()), about


def _structs(kind: Any) -> list[type[msgspec.Struct]]:  # noqa: ANN401 - see document
    """Return every struct that values of a type are made of."""
    found: list[type[msgspec.Struct]] = []
    todo: list[Any] = [msgspec.inspect.type_info(kind)]
    while todo:
        info = todo.pop()
        if isinstance(info, msgspec.inspect.StructType) and info.cls not in found:
            found.append(info.cls)
            todo += [field.type for field in info.fields]
        todo += [getattr(info, name) for name in ("item_type", "value_type") if hasattr(info, name)]
        todo += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    return found
