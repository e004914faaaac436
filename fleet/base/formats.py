"""The versions of everything that we keep, and how a file says its own without being read whole.

What was written in a newer format is refused before anything is touched: it is never guessed at, and never "damaged".
docs/formats.md is the table for people. A file without a number is of format 1. From format 2 on its writer says beside
the number which clawrack it was, as ``by``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fleet.base.clean import line
from fleet.base.errors import Refused
from fleet.base.words import say

FORMATS = {
    "fleet": 1,
    "machine": 1,
    "agent": 1,
    "journal": 1,
    "machine-journal": 1,
    "hosts": 1,
    "image": 1,
    "machine-state": 1,
    "ledger": 1,
    "routes": 1,
    "route": 1,
    "tombstone": 1,
    "twin": 1,
    "import": 1,
    "vault": 1,
    "recovery-key": 1,
    "backup": 1,
    "backup-note": 1,
    "rollout": 1,
}
"""The newest of each that this clawrack reads and the one that it writes; it reads all older ones."""
_TAIL = 1 << 16  # bytes: longer than any line of a journal
_HEAD = 1 << 12


@dataclass(frozen=True, slots=True)
class Said:
    """What a file says of itself: its format, and which clawrack wrote it, where it tells."""

    format: int = 1
    by: str = ""


def check(name: str, said: Said, where: str) -> None:
    """Refuse what is newer than we read.

    Args:
        name: of the format, a key of `FORMATS`.
        said: what the file says.
        where: the file or the machine.

    Raises:
        Refused: it is newer.
    """
    known = FORMATS[name]
    if said.format > known:
        key = "format.newer_by" if said.by else "format.newer"
        raise Refused(
            key, where=where, what=say(f"format.name.{name}"), found=said.format, known=known, by=line(said.by, 40)
        )


def in_yaml(path: Path, key: str) -> Said:
    """Return what a YAML file says under a key of its own level; an unreadable one says nothing."""
    try:
        with path.open("rb") as file:
            text = file.read(_HEAD)
    except OSError:
        return Said()
    found = re.search(rb"^" + key.encode() + rb":[ \t]*([0-9]{1,9})[ \t]*(?:#.*)?\r?$", text, re.MULTILINE)
    by = re.search(rb"^by:[ \t]*\"?([A-Za-z0-9.+-]{1,40})\"?[ \t]*\r?$", text, re.MULTILINE)
    return Said(int(found[1]) if found else 1, by[1].decode() if by else "")


def in_json(text: bytes, key: str) -> Said:
    """Return what a JSON object says under a key; anything else says nothing."""
    try:
        content: dict[str, Any] = msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return Said()
    found, by = content.get(key, 1), content.get("by", "")
    return Said(found if isinstance(found, int) else 1, by if isinstance(by, str) else "")


def in_last_line(path: Path, key: str) -> Said:
    """Return what the last whole line of a file of JSON lines says."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            lines = file.read().split(b"\n")
    except OSError:
        return Said()
    return in_json(lines[-2], key) if len(lines) > 1 else Said()
