"""Errors, told: what happened, where, why, and the next command to type; the exit code is the error's."""

import os
import secrets
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import msgspec
from typer.exceptions import Abort, TyperException

from clawrack import version
from clawrack.cli import show
from clawrack.cli.frame import NOUNS
from clawrack.cli.misread import misread
from clawrack.cli.terminal import Terminal, terminal
from fleet.base.cells import wrap
from fleet.base.clean import line
from fleet.base.errors import ClawrackError, OurBug
from fleet.base.places import state
from fleet.base.words import say

INTERRUPTED = 130
READER_GONE = 141


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An error, as it is told.

    Attributes:
        key: names the error; stable, and the same in every language.
        exit_code: of the command; 2 bad input, 3 refused, 4 unknown, 5 failed, 6 local state damaged, 70 our bug, 130
            interrupted.
        where: the machine, or file:line:column, or empty.
        what: what happened.
        why: what it means, or empty.
        next: the next command to type, or what to do, or empty.
    """

    key: str
    exit_code: int
    where: str = ""
    what: str
    why: str = ""
    next: str = ""


def tell(error: BaseException, words: Sequence[str], *, as_json: bool) -> int:
    """Tell an error on standard error and return its exit code."""
    if isinstance(error, (KeyboardInterrupt, Abort)):
        return _interrupted(words, as_json=as_json)
    known = known_error(error, words)
    if as_json:
        show.as_json("error", told(known), sys.stderr)
    else:
        print("\n".join(lines(known, terminal(sys.stderr))), file=sys.stderr)
    return known.exit_code


def reader_gone() -> int:
    """Say nothing, for nobody reads any more; the exit code is the one of a program ended by SIGPIPE."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    return READER_GONE


def told(error: ClawrackError) -> Told:
    """Return an error as it is told, in the language in use."""
    return Told(
        key=error.key,
        exit_code=error.exit_code,
        where=line(error.where),
        what=error.part("what") or error.key,
        why=error.part("why"),
        next=error.part("next"),
    )


def lines(error: ClawrackError, to: Terminal) -> list[str]:
    """Return an error as lines for a person."""
    said = told(error)
    first, *rest = wrap(f"{said.where}: {said.what}" if said.where else said.what, to.columns - 2)
    shown = [f"{to.paint('✗', 'bad')} {first}", *(f"  {row}" for row in rest)]
    shown += wrap(said.why, to.columns, "  ") if said.why else []
    return [*shown, f"  → {to.paint(said.next, 'bold')}"] if said.next else shown


def known_error(error: BaseException, words: Sequence[str]) -> ClawrackError:
    """Return any error as one of ours; one that nobody foresaw leaves a report."""
    if isinstance(error, ClawrackError):
        return error
    if isinstance(error, TyperException):
        return misread(error)
    return OurBug("bug.unforeseen", report=_report(error, words), kind=type(error).__name__)


def _interrupted(words: Sequence[str], *, as_json: bool) -> int:
    again = shlex.join(("clawrack", *(line(word) for word in words)))
    what, after = say("door.interrupted.what"), say("door.interrupted.next", command=again)
    if as_json:
        said = Told(key="door.interrupted", exit_code=INTERRUPTED, what=what, next=after)
        show.as_json("error", said, sys.stderr)
    else:
        print(f"\n{what}\n  → {after}", file=sys.stderr)
    return INTERRUPTED


def _report(error: BaseException, words: Sequence[str]) -> str:
    """Write a report and return its path, or a dash where it could not be written."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.txt"
    path = state() / "reports" / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(report(error, words), encoding="utf-8")
        path.chmod(0o600)
    except OSError:
        return "-"
    return str(path)


def report(error: BaseException, words: Sequence[str]) -> str:
    """Return what a report says: types and places in the code; no values, no messages, so no secrets."""
    noun = next((word for word in words[:1] if word in NOUNS), "-")
    head = [f"clawrack {version()}", f"python {sys.version.split()[0]}", f"command {noun}"]
    seen: set[int] = set()
    rows: list[str] = []
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        rows.append(f"{type(at).__module__}.{type(at).__qualname__}")
        rows += [_frame(frame) for frame in traceback.extract_tb(at.__traceback__)]
        at = at.__cause__ or at.__context__
    return "\n".join((*head, "", *rows, ""))


def _frame(frame: traceback.FrameSummary) -> str:
    return f"  {'/'.join(Path(frame.filename).parts[-3:])}:{frame.lineno} {frame.name}"
