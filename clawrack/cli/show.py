"""Values as tables, as lists of fields, and as JSON. What a machine said is cleaned before it is shown."""

import json
import re
from collections.abc import Sequence
from typing import TextIO, cast

import msgspec

from clawrack.cli.terminal import Terminal
from fleet.base.cells import cut, pad, width, wrap
from fleet.base.clean import clean, line
from fleet.base.words import find, say

FORMAT = 1
_MOST = 4000  # characters of one value
_LEAST = 6  # cells: no column gets narrower
_BYTES = {"free"}
_WHOLE = {"name", "machine", "agent"}  # columns that are never cut: a name is typed again
_LAST = {"address"}  # columns that are cut only where nothing else can be
_ASKED = {"free", "firewall"}  # what only the machine itself can tell
_SILENT = {"silent", "unprepared"}  # states of a machine that told nothing
_LONG = 16  # digits: no more of an id is shown in a table
_ID = re.compile(r"(?:sha256:)?[0-9a-f]{32,}")
# What JSON leaves as it is and a terminal may obey: C1, bidi, invisible characters.
_HOSTILE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def as_json(name: str, value: object, out: TextIO | None = None) -> None:
    """Print one document of JSON, ``{"version": 1, NAME: value}``; its schema is made from the value's type.

    Args:
        name: of the document; clawrack/cli/schema.py knows which command prints it.
        value: a struct, or a list of them; a text for a line that somebody else wrote.
        out: standard output where None.
    """
    print(json_line({"version": FORMAT, name: msgspec.to_builtins(value, enc_hook=str)}), file=out, flush=True)


def json_line(value: object) -> str:
    """Return JSON on one line, readable in any script, with nothing that a terminal would obey."""
    return _HOSTILE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(value, ensure_ascii=False))


def table(rows: Sequence[msgspec.Struct], to: Terminal, empty: str, columns: Sequence[str]) -> None:
    """Print structs as a table.

    Args:
        rows: of one type.
        to: where to.
        empty: the key of the text for no rows at all.
        columns: the fields to show; one that is empty in every row is left out.
    """
    if not rows:
        to.line(say(empty))
        return
    fields = [field for field in columns if any(_worth_showing(_value(row, field)) for row in rows)]
    cells = [[title(field) for field in fields]]
    cells += [[short(cell(field, _value(row, field))) for field in fields] for row in rows]
    for number, row in enumerate(_fitted(cells, to.columns, fields)):
        to.line(to.paint(row, "dim") if number == 0 else row)


def details(value: msgspec.Struct, to: Terminal, chosen: Sequence[str] = ()) -> None:
    """Print one struct, a field on each line, long values over several; empty fields are left out.

    Args:
        value: what is shown.
        to: where to.
        chosen: the fields to show; all of them where none is named.
    """
    fields = [field for field in chosen or value.__struct_fields__ if _worth_showing(_value(value, field))]
    left = max((width(title(field)) for field in fields), default=0)
    for field in fields:
        first, *rest = wrap(cell(field, _value(value, field)), max(20, to.columns - left - 2))
        to.line(f"{to.paint(pad(title(field), left), 'dim')}  {first}")
        for row in rest:
            to.line(" " * (left + 2) + row)


def title(field: str) -> str:
    """Return the heading of a field in the language in use."""
    return find(f"field.{field}") or field.replace("_", " ")


def cell(field: str, value: object) -> str:
    """Return a value as a person reads it, on one line."""
    match value:
        case None | "" | () | []:
            return "-"
        case bool():
            return say("show.yes" if value else "show.no")
        case int() if field in _BYTES:
            return f"{value / (1 << 30):.1f} GB"
        case float():
            return f"{value:.1f}"
        case list() | tuple():
            return ", ".join(cell(field, part) for part in cast("Sequence[object]", value))
        case _:
            return find(f"value.{field}.{value}") or line(str(value), _MOST)


def short(text: str) -> str:
    """Return a text in which ids are no longer than they need be to tell them apart."""
    return _ID.sub(lambda found: found.group().removeprefix("sha256:")[:_LONG], text)


def prose(text: str, to: Terminal) -> None:
    """Print a text that somebody else wrote, for example an agent's answer."""
    to.line(clean(text, 1 << 20))


def _worth_showing(value: object) -> bool:
    return value not in (None, "", (), [], {})


def _value(row: msgspec.Struct, field: str) -> object:
    """Return a field's value; None where nobody told it, for a zero would be an invention."""
    untold = field in _ASKED and getattr(row, "state", "") in _SILENT
    return None if untold else getattr(row, field)


def _fitted(cells: Sequence[Sequence[str]], columns: int, fields: Sequence[str]) -> list[str]:
    """Return rows no wider than the terminal, unless what stays whole is: the widest of the others gives way first."""
    widths = [max(map(width, column)) for column in zip(*cells, strict=True)]
    giving = [number for number, field in enumerate(fields) if field not in _WHOLE]

    def gives(number: int) -> tuple[bool, int]:
        return fields[number] not in _LAST and widths[number] > _LEAST, widths[number]

    while sum(widths) + 2 * (len(widths) - 1) > columns:
        widest = max(giving, key=gives, default=None)
        if widest is None or widths[widest] <= _LEAST:
            break
        widths[widest] -= 1
    return ["  ".join(map(_filled, row, widths)).rstrip() for row in cells]


def _filled(text: str, cells: int) -> str:
    return pad(cut(text, cells), cells)
