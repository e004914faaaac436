"""Why a release did not make it: what its machine kept of it is brought here, and the cause is named in a sentence."""

from pathlib import Path

import msgspec

from fleet.actions import Deploy
from fleet.base.clean import clean, line
from fleet.base.disk import replace
from fleet.base.errors import ClawrackError
from fleet.base.secret import HIDDEN
from fleet.base.words import say
from fleet.deploy import secrets_of
from fleet.kinds import Kind
from fleet.machine.guard import Failure, Guard
from fleet.machine.port import Port

MOST = 300_000  # characters of each file


def evidence(port: Port, action: Deploy, kind: Kind, folder: Path, why: str) -> str:
    """Keep what the machine kept of a failed trial in failures/AGENT of the rollout; return the cause, told in full.

    Whatever keeps that from being brought changes nothing: the cause that is known is told all the same.
    """
    guard = Guard(port)
    try:
        found = guard.failure(action.agent, action.release)
        if found is None:
            return why
        hide = [secret for secret in secrets_of(guard, action.agent, kind).values() if secret]
        _keep(folder / "failures" / action.agent, found, hide)
    except ClawrackError:
        return why
    return cause(why, found, hide)


def cause(why: str, found: Failure, hide: list[str]) -> str:
    """Return what went wrong, with the exit code and the last line of its log where they are not told already."""
    said = [line(text) for text in _without(found.log, hide).splitlines() if text.strip()]
    parts = [why]
    code = found.facts.get("exit", "")
    if found.facts.get("running") == "false" and code.isdecimal() and f" {code}" not in why:
        parts.append(say("rollout.exit_code", code=code))
    if said and said[-1] not in why:
        parts.append(say("rollout.last_line", line=said[-1]))
    return " · ".join(parts)


def _keep(folder: Path, found: Failure, hide: list[str]) -> None:
    replace(folder / "log", _without(found.log, hide).encode())
    replace(folder / "inspection.json", _without(found.inspection, hide).encode())
    replace(folder / "facts.json", msgspec.json.encode({line(k): line(v) for k, v in found.facts.items()}))


def _without(content: bytes, hide: list[str]) -> str:
    text = clean(content, MOST)
    for secret in hide:
        text = text.replace(secret, HIDDEN)
    return text
