"""Errors, told: what happened, where, why, and the next command to type; the exit code is the error's."""

import json
import os
import secrets
import shlex
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from typer._click import exceptions as usage
from typer.exceptions import Abort, TyperException

from clawrack import version
from clawrack.cli.frame import NOUNS
from clawrack.cli.terminal import Terminal, terminal, wrap
from fleet.base.clean import line
from fleet.base.errors import BadInput, ClawrackError, OurBug
from fleet.base.places import state
from fleet.base.words import say

INTERRUPTED = 130
READER_GONE = 141


def tell(error: BaseException, words: Sequence[str], *, as_json: bool) -> int:
    """Tell an error on standard error and return its exit code."""
    if isinstance(error, (KeyboardInterrupt, Abort)):
        return _interrupted(words, as_json=as_json)
    known = known_error(error, words)
    if as_json:
        print(json.dumps({"version": 1, "error": as_dict(known)}, ensure_ascii=False), file=sys.stderr)
    else:
        print("\n".join(lines(known, terminal(sys.stderr))), file=sys.stderr)
    return known.exit_code


def reader_gone() -> int:
    """Say nothing, for nobody reads any more; the exit code is the one of a program ended by SIGPIPE."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, sys.stdout.fileno())
    return READER_GONE


def as_dict(error: ClawrackError) -> dict[str, str | int]:
    """Return an error as plain values for JSON."""
    return {
        "key": error.key,
        "exit_code": error.exit_code,
        "where": line(error.where),
        "what": error.part("what") or error.key,
        "why": error.part("why"),
        "next": error.part("next"),
    }


def lines(error: ClawrackError, to: Terminal) -> list[str]:
    """Return an error as lines for a person."""
    told = as_dict(error)
    what = f"{told['where']}: {told['what']}" if told["where"] else str(told["what"])
    first, *rest = wrap(what, to.columns - 2)
    shown = [f"{to.paint('✗', 'bad')} {first}", *(f"  {row}" for row in rest)]
    shown += wrap(str(told["why"]), to.columns, "  ") if told["why"] else []
    return [*shown, f"  → {to.paint(str(told['next']), 'bold')}"] if told["next"] else shown


def known_error(error: BaseException, words: Sequence[str]) -> ClawrackError:
    """Return any error as one of ours; one that nobody foresaw leaves a report."""
    if isinstance(error, ClawrackError):
        return error
    if isinstance(error, TyperException):
        return misread(error)
    return OurBug("bug.unforeseen", report=_report(error, words), kind=type(error).__name__)


def misread(error: TyperException) -> BadInput:
    """Return what the reader of the command line says, in our words."""
    path = error.ctx.command_path if isinstance(error, usage.UsageError) and error.ctx else "clawrack"
    match error:
        case usage.NoSuchOption():
            near = next(iter(error.possibilities or ()), "")
            key = "line.near_option" if near else "line.no_option"
            return BadInput(key, option=error.option_name, near=near, path=path)
        case usage.MissingParameter():
            return BadInput("line.missing", name=_hint(error), path=path)
        case usage.BadParameter():
            return BadInput("line.bad_value", name=_hint(error), reason=line(error.message), path=path)
        case usage.BadOptionUsage():
            return BadInput("line.no_value", option=error.option_name, path=path)
        case _:
            return BadInput("line.misread", reason=line(error.format_message()), path=path)


def _hint(error: usage.BadParameter) -> str:
    if error.param is None:
        return ""
    return error.param.opts[0] if error.param.param_type_name == "option" else error.param.display_name_raw


def _interrupted(words: Sequence[str], *, as_json: bool) -> int:
    again = shlex.join(("clawrack", *(line(word) for word in words)))
    what, after = say("door.interrupted.what"), say("door.interrupted.next", command=again)
    if as_json:
        told = {"key": "door.interrupted", "exit_code": INTERRUPTED, "what": what, "next": after}
        print(json.dumps({"version": 1, "error": told}, ensure_ascii=False), file=sys.stderr)
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
