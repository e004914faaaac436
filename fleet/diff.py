"""What a plan changes of an agent, line by line: pure. And what of a text may be shown: keys are hidden."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from fleet.base.clean import clean
from fleet.base.secret import HIDDEN
from fleet.model import Target

MOST_LINES = 60
LONGEST = 300  # characters of a line
_LARGEST = 65536  # bytes of a file, as the guard tells them
# What a person may have written into a file by hand is shown back to them, but no key that may be among it.
_NAMED = re.compile(
    r"(?i)((?:key|token|secret|password|passwd|authorization|bearer)\b[\"']?\s*[:= ]\s*[\"']?)[^\s\"'{\[,]+"
)
_LONG = re.compile(r"(?=[A-Za-z0-9_+=-]*[0-9])(?=[A-Za-z0-9_+=-]*[A-Za-z])[A-Za-z0-9_+=-]{16,}")
# Told elsewhere in a plan, or different in each release, or a hash of a key.
_NOT_SHOWN = ("release=", "image=", "label=version=", "meter_key_sha256=")


class Lying(Struct, frozen=True):
    """The files of an agent's release as they lie on its machine: ``spec``, ``config/…``."""

    release: str = ""
    files: dict[str, str] = {}


def lying(told: Iterable[tuple[str, str]]) -> dict[str, Lying]:
    """Return what a guard's ``files`` says, by agent."""
    found: dict[str, Lying] = {}
    for key, value in told:
        what, _, agent = key.partition(".")
        first, _, rest = value.partition(" ")
        if what == "files":
            found[agent] = Lying(release=first)
        elif what == "file" and agent in found:
            found[agent].files[first] = _text(rest)
    return found


def _text(digits: str) -> str:
    try:
        return bytes.fromhex(digits[: 2 * _LARGEST]).decode("utf-8", errors="replace")
    except ValueError:
        return ""


def changes(there: Lying, target: Target) -> tuple[str, ...]:
    """Return the difference from what lies there to what is to be, as a unified diff; empty where nothing differs."""
    wanted = {"spec": "\n".join(target.spec)} | {f"config/{name}": text for name, text in target.files.items()}
    lines = list(_lines(there.files, wanted))
    more = ("…",) if len(lines) > MOST_LINES else ()
    return (*(clean(masked(text), LONGEST).replace("\n", " ") for text in lines[:MOST_LINES]), *more)


def _lines(there: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[str]:
    for path in sorted(there.keys() | wanted.keys(), key=lambda path: (path == "spec", path)):
        before, after = _shown(path, there.get(path, "")), _shown(path, wanted.get(path, ""))
        yield from difflib.unified_diff(before, after, path, path, n=1, lineterm="")


def _shown(path: str, text: str) -> list[str]:
    rows = text.splitlines()
    return [row for row in rows if not row.startswith(_NOT_SHOWN)] if path == "spec" else rows


def masked(text: str) -> str:
    """Return a line with whatever may be a key hidden."""
    return _LONG.sub(HIDDEN, _NAMED.sub(rf"\1{HIDDEN}", text))
