"""``clawrack backup``: agents' states, encrypted, away from the machines that they live on."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import sure
from clawrack.cli.backup_key import of as recovery_view
from clawrack.cli.backup_key import opening, secret_at, shown_once, store, typed_key, written
from clawrack.cli.common import Json, Yes, here, listening, open_fleet
from clawrack.cli.frame import Verb, noun
from clawrack.cli.rolled import again as typed_again
from fleet.backup.policy import Keep
from fleet.base.errors import BadInput, ClawrackError
from fleet.base.words import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fleet.api import Fleet
    from fleet.backup.store import BackupView, Restored, Store

app = noun()
COLUMNS = ("id", "machine", "kind_version", "where", "place", "state_bytes", "checked")
KEPT = "kept"
_Selector = Annotated[list[str], typer.Argument(metavar="SELECTOR…")]
_KeyFile = Annotated[str, typer.Option("--recovery-key-file", metavar="FILE|-")]


@app.command("create", cls=Verb)
def create(
    selector: _Selector,
    *,
    to: Annotated[str, typer.Option("--to", metavar="controller|MACHINE|FOLDER")] = "controller",
    from_snapshot: Annotated[bool, typer.Option("--from-snapshot")] = False,
    json: Json = False,
) -> None:
    """Put agents' states by, encrypted, on this computer, another machine, or in a folder."""
    fleet, kept = open_fleet(), store(silent=json)
    if kept.keys.public() is None:
        shown_once(kept, silent=json)
    with listening(as_json=json, subjects=True) as listener:
        made = fleet.backup(selector, kept, to, last=from_snapshot, listen=listener)
    if json:
        show.as_json("backups", made)
        return
    for one in made:
        here().paragraphs(_told(one))
    public = kept.keys.public()
    if public and not public.proven:
        here().paragraphs(say("backup.said.unproven"))
        here().line(f"  → {say('backup.said.prove.next', id=made[0].id if made else 'ID')}")


def _told(one: "BackupView") -> str:
    key = "backup.said.made_snapshot" if one.snapshot else "backup.said.made"
    size = f"{one.bytes / (1 << 20):.1f}"
    place = one.place or say("value.where.controller")
    return say(key, agent=one.agent, id=one.id, size=size, place=place, down=f"{one.down_ms / 1000:.1f}")


@app.command("list", cls=Verb)
def list_(
    agent: Annotated[list[str] | None, typer.Argument(metavar="[AGENT]…")] = None,
    *,
    rebuild: Annotated[bool, typer.Option("--rebuild")] = False,
    json: Json = False,
) -> None:
    """Show the backups that this controller knows of."""
    fleet, kept = open_fleet(), store(silent=True)
    if rebuild:
        fleet.rebuild_backups(kept)
    _shown(fleet.backups(kept, agent or ()), as_json=json)


def _shown(rows: "Sequence[BackupView]", *, as_json: bool) -> None:
    if as_json:
        show.as_json("backups", rows)
    else:
        show.table(rows, here(), "backup.none", COLUMNS)


@app.command("verify", cls=Verb)
def verify(
    backup: Annotated[list[str] | None, typer.Argument(metavar="[ID|FILE]…")] = None,
    *,
    recovery_key_file: _KeyFile = "",
    json: Json = False,
) -> None:
    """Read backups to their end with the recovery key; without a name, the newest of each agent."""
    fleet, kept = open_fleet(), store(silent=json)
    named = backup or _newest(fleet, kept)
    if not named:
        raise BadInput("backup.nothing")
    keys = opening(kept, recovery_key_file, silent=json)
    looked: list[BackupView] = []
    troubles: list[ClawrackError] = []
    for one in named:
        try:
            looked.append(fleet.verify_backup(kept, fleet.find_backup(kept, one), keys)[0])
        except ClawrackError as error:
            troubles.append(error)
        else:
            _said_whole(looked[-1], as_json=json)
    if looked and (recovery_key_file or typed_key(keys)):
        for key in keys:
            kept.keys.proven(key)
    if json:
        show.as_json("backups", looked)
    if troubles:
        raise troubles[0]


def _newest(fleet: "Fleet", kept: "Store") -> list[str]:
    newest: dict[str, str] = {}
    for one in fleet.backups(kept):
        newest.setdefault(one.agent, one.id)
    return list(newest.values())


def _said_whole(one: "BackupView", *, as_json: bool) -> None:
    if not as_json:
        size = f"{one.state_bytes / (1 << 20):.1f}"
        here().paragraphs(say("backup.said.whole", id=one.id, agent=one.agent, size=size))


@app.command("restore", cls=Verb)
def restore(  # noqa: PLR0913 - all but the first are options
    name: Annotated[str, typer.Argument(metavar="AGENT")],
    *,
    from_: Annotated[str, typer.Option("--from", metavar="ID|FILE|kept")] = "",
    machine: Annotated[str, typer.Option("--machine", metavar="NAME")] = "",
    as_: Annotated[str, typer.Option("--as", metavar="NEWNAME")] = "",
    old_is_dead: Annotated[bool, typer.Option("--old-is-dead")] = False,
    recovery_key_file: _KeyFile = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Put an agent back, here or on another machine, never beside its old self."""
    from fleet.api.restoring import Wanted  # noqa: PLC0415 - a help page does not wait for it

    fleet, kept = open_fleet(), store(silent=json)
    if not from_:
        raise BadInput("backup.from_what", agent=name)
    called = as_ or name
    there = called in fleet.wish().everyone
    more = [*(("--machine", machine) if machine else ()), *(("--as", as_) if as_ else ())]
    more += ["--old-is-dead"] if old_is_dead else []
    again = shlex.join(("clawrack", "backup", "restore", name, "--from", from_, *more, "--yes"))
    if from_ == KEPT or from_.startswith(f"{KEPT}:"):
        sure(name, "question.restore_kept", again, yes=yes, silent=json)
        with listening(as_json=json) as listener:
            done = fleet.restore_kept(name, from_.partition(":")[2], listener)
    else:
        found = fleet.find_backup(kept, from_)
        sure(called, _question(dead=old_is_dead, over=there), again, yes=yes, silent=json)
        keys = opening(kept, recovery_key_file, silent=json)
        wanted = Wanted(name, found, machine, as_, old_is_dead)
        with listening(as_json=json) as listener:
            done = fleet.restore(wanted, kept, keys, listener)
    _said_restored(done, as_json=json)


def _question(*, dead: bool, over: bool) -> str:
    """Return what is asked: something is always stopped, replaced or taken off, or may be."""
    return "question.restore_dead" if dead else "question.restore_over" if over else "question.restore_moved"


def _said_restored(done: "Restored", *, as_json: bool) -> None:
    if as_json:
        show.as_json("restored", done)
        return
    to = here()
    to.paragraphs(say("backup.said.restored", agent=done.agent, machine=done.machine, at=done.at or done.backup))
    for key in ("kept", "left", "tomb"):
        if getattr(done, key):
            to.paragraphs(say(f"backup.said.{key}", what=getattr(done, key), machine=done.machine))


@app.command("prune", cls=Verb)
def prune(  # noqa: PLR0913 - all of them options
    agent: Annotated[list[str] | None, typer.Argument(metavar="[AGENT]…")] = None,
    *,
    keep_last: Annotated[int, typer.Option("--keep-last", metavar="N")] = Keep().last,
    keep_daily: Annotated[int, typer.Option("--keep-daily", metavar="N")] = Keep().daily,
    keep_weekly: Annotated[int, typer.Option("--keep-weekly", metavar="N")] = Keep().weekly,
    keep_monthly: Annotated[int, typer.Option("--keep-monthly", metavar="N")] = Keep().monthly,
    plan: Annotated[bool, typer.Option("--plan")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Take away the backups that are too many; the newest of an agent always stays."""
    fleet, kept = open_fleet(), store(silent=True)
    policy = Keep(last=keep_last, daily=keep_daily, weekly=keep_weekly, monthly=keep_monthly)
    gone = fleet.surplus_backups(kept, policy, agent or ())
    if gone and not plan:
        if not json:
            _shown(gone, as_json=False)
        count = str(len(gone))
        sure(count, "question.prune", typed_again("--yes"), yes=yes, silent=json)
        fleet.prune_backups(kept, gone, lambda one: _said_gone(one, as_json=json))
        if json:
            show.as_json("backups", gone)
        return
    _shown(gone, as_json=json)


def _said_gone(one: "BackupView", *, as_json: bool) -> None:
    if not as_json:
        here().paragraphs(say("backup.said.gone", id=one.id))


@app.command("key", cls=Verb)
def key(
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE")] = None,
    import_: Annotated[str, typer.Option("--import", metavar="FILE|-")] = "",
    new: Annotated[bool, typer.Option("--new")] = False,
    json: Json = False,
) -> None:
    """Make the recovery key and show it once, bring one here, or say which one is in use."""
    kept = store(silent=json)
    file = ""
    if import_:
        found = secret_at(import_, "--import")
        kept.keys.take(found)
        kept.keys.proven(found)
    elif new or kept.keys.public() is None:
        file = written(kept, out) if out else shown_once(kept, silent=json)
    view = recovery_view(kept, file)
    if json:
        show.as_json("recovery_key", view)
    else:
        show.details(view, here())
        here().paragraphs(say(f"backup.said.kept_{view.kept}"))
