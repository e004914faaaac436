"""``clawrack self``: which clawrack this is, another one in its place, and back."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from clawrack.cli import show
from clawrack.cli.asking import at_terminal
from clawrack.cli.common import Json, Yes, here
from clawrack.cli.frame import Verb, noun
from fleet.base.errors import BadInput, Refused
from fleet.base.formats import FORMATS
from fleet.base.words import say

app = noun()
SHOWN = ("version", "source", "sha256", "made", "environment", "before", "python", "formats")
_YES = frozenset({"y", "yes", "是", "好", "对"})


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """An installation as people are shown it."""

    version: str
    source: str
    sha256: str
    made: str
    environment: str
    before: str
    python: str
    formats: list[str]


@app.command("show", cls=Verb)
def show_(*, json: Json = False) -> None:
    """Show what is installed, from where, and which formats it reads."""
    from clawrack.installation import installation  # noqa: PLC0415 - a help page does not wait for it

    found = installation()
    if json:
        show.as_json("installation", found)
        return
    now, before = found.now, found.before
    shown = Shown(
        version=found.version,
        source=now.source if now else say("self.by_others"),
        sha256=now.sha256 if now else "",
        made=now.made if now else "",
        environment=now.path if now else "",
        before=f"{before.version or '?'} {before.source}".strip() if before else "",
        python=found.python,
        formats=[f"{name} {number}" for name, number in found.formats.items()],
    )
    show.details(shown, here(), SHOWN)


@app.command(cls=Verb)
def upgrade(
    path: Annotated[Path, typer.Argument(metavar="PATH")],
    *,
    sha256: Annotated[str, typer.Option("--sha256", metavar="HEX")] = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Put another clawrack in the place of this one."""
    from clawrack import upgrade as upgrading  # noqa: PLC0415 - a help page does not wait for it
    from clawrack.installation import installation, ours  # noqa: PLC0415 - likewise

    found = installation()
    ours(found)
    wanted = upgrading.source(path, sha256)
    again = ("clawrack", "self", "upgrade", str(path), *(("--sha256", sha256) if sha256 else ()), "--yes")
    _sure("question.self_upgrade", shlex.join(again), found.version, wanted.version, yes=yes)
    ended = upgrading.upgrade(wanted, quiet=json)
    _tell("self.upgraded" if ended.changed else "self.same", ended, as_json=json)


@app.command(cls=Verb)
def rollback(*, yes: Yes = False, json: Json = False) -> None:
    """Go back to the clawrack that was in use before this one."""
    from clawrack import upgrade as upgrading  # noqa: PLC0415 - a help page does not wait for it
    from clawrack.installation import installation  # noqa: PLC0415 - likewise

    found = installation()
    before = upgrading.previous(found)
    _sure("question.self_rollback", "clawrack self rollback --yes", found.version, before.version, yes=yes)
    _tell("self.rolled_back", upgrading.rollback(), as_json=json)


@app.command(cls=Verb, hidden=True)
def formats(*, json: Json = False) -> None:
    """Say which formats this clawrack reads; another one asks."""
    if json:
        show.as_json("formats", FORMATS)
    else:
        for name, number in FORMATS.items():
            here().line(f"{name} {number}")


@app.command(cls=Verb, hidden=True)
def judge(path: Annotated[Path, typer.Argument(metavar="ENVIRONMENT")], *, json: Json = False) -> None:
    """Say whether the clawrack of another environment can read what lies here; install.sh asks."""
    from clawrack import upgrade as upgrading  # noqa: PLC0415 - a help page does not wait for it
    from clawrack.installation import environment  # noqa: PLC0415 - likewise

    if not (path / "bin" / "clawrack").exists():
        raise BadInput("self.no_environment", where=str(path))
    found = environment(path)
    upgrading.judge(path, found.version)
    if json:
        show.as_json("environment", found)


def _sure(key: str, command: str, now: str, then: str, *, yes: bool) -> None:
    """Have a person say yes.

    Raises:
        Refused: they did not, or nobody is there.
    """
    if yes:
        return
    if not at_terminal():
        raise Refused("self.needs_yes", command=command)
    print(f"{say(key, now=now, then=then or '?')} [{say('question.yes_or_no')}] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt
    if answer.strip().lower() not in _YES:
        raise Refused("self.not_wanted", command=command)


def _tell(key: str, ended: msgspec.Struct, *, as_json: bool) -> None:
    if as_json:
        show.as_json("upgraded", ended)
    else:
        here().line(say(key, **msgspec.to_builtins(ended)))
