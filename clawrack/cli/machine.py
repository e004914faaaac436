"""``clawrack machine``: see machines, remove clawrack from them."""

import shlex
from collections.abc import Sequence
from functools import partial
from os import environ
from pathlib import Path
from typing import Annotated

import typer

from clawrack.cli import handing, leaving, marking, shell, show
from clawrack.cli.asking import piped_secret, sure
from clawrack.cli.common import Json, Name, Yes, here, listening, open_fleet
from clawrack.cli.frame import Verb, noun
from clawrack.cli.shell import Command, Listing
from clawrack.cli.terminal import Terminal
from fleet.base.cells import wrap
from fleet.base.clean import line
from fleet.base.words import say
from fleet.views import MachineView, Result

app = noun()
Keep = Annotated[bool, typer.Option("--keep/--erase")]
MACHINE_COLUMNS = ("name", "state", "address", "agents", "architecture", "engine", "free")


@app.command("list", cls=Verb)
def list_(*, json: Json = False) -> None:
    """Show every machine."""
    machines = open_fleet().machines()
    if json:
        show.as_json("machines", machines)
    else:
        listed(machines, here())


def listed(machines: Sequence[MachineView], to: Terminal) -> None:
    """Print machines, and below them what is wrong with each."""
    show.table(machines, to, "show.no_machines", MACHINE_COLUMNS)
    for trouble in filter(None, (machine.trouble for machine in machines)):
        first, *rest = wrap(line(trouble), to.columns - 2)
        to.line(f"{to.paint('!', 'warn')} {first}")
        for row in rest:
            to.line(f"  {row}")


@app.command("show", cls=Verb)
def show_(name: Name, *, json: Json = False) -> None:
    """Show all that is known of one machine."""
    machine = open_fleet().machine(name)
    if json:
        show.as_json("machine", machine)
    else:
        show.details(machine, here())


@app.command(cls=Verb)
def add(  # noqa: PLR0913 - a machine is reached in several ways
    address: Annotated[str, typer.Argument(metavar="USER@ADDRESS[:PORT]")],
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME")] = "",
    tags: Annotated[str, typer.Option("--tags", metavar="TAG,…")] = "",
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin")] = False,
    fingerprint: Annotated[str, typer.Option("--fingerprint", metavar="SHA256:…")] = "",
    accept_new_host_key: Annotated[bool, typer.Option("--accept-new-host-key")] = False,
    jump: Annotated[str, typer.Option("--jump", metavar="USER@ADDRESS[:PORT]")] = "",
    yes: Yes = False,
    plan: Annotated[bool, typer.Option("--plan")] = False,
    json: Json = False,
) -> None:
    """Make a machine ready, without an agent."""
    from clawrack.cli import setup  # noqa: PLC0415 - only this verb needs the installer
    from installer.answers import gather  # noqa: PLC0415 - likewise

    flags = {
        "machine": address, "machine_name": name, "tags": tags, "no_agent": True, "key": key,
        "fingerprint": fingerprint, "accept_new_host_key": accept_new_host_key, "jump": jump, "yes": yes, "plan": plan,
        "password": piped_secret() if password_stdin else None,
    }  # fmt: skip
    setup.run([gather(flags, environ, {})], as_json=json)


@app.command("shell", cls=Listing)
def shell_(name: Name, words: Command = None, *, json: Json = False) -> None:
    """Log in to a machine, or run a command there."""
    shell.check(words or (), "clawrack machine shell", json=json)
    shell.run(partial(open_fleet().login, name, words or ()), json=json)


@app.command(cls=Verb)
def harden(name: Name, *, undo: Annotated[bool, typer.Option("--undo")] = False, json: Json = False) -> None:
    """Switch password logins off on a machine, or with --undo let it take them again."""
    fleet = open_fleet()
    with listening(as_json=json) as listener:
        done = None if undo else fleet.harden_machine(name, listener)
        changed = done.changed if done else fleet.soften_machine(name)
    if json:
        show.as_json("result", Result(machine=name, changed=changed))
    else:
        kept = done.kept if done else ()
        end = "softened" if undo else "hardened_but" if kept else "hardened"
        here().paragraphs(say(f"machine.{end}", name=name, logins=", ".join(kept)))


@app.command(cls=Verb)
def claim(
    name: Name,
    *,
    at: Annotated[str, typer.Option("--at", metavar="ADDRESS")],
    gone: Annotated[bool, typer.Option("--gone")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Say which of two machines with one disk is the fleet's own."""
    from clawrack import wire  # noqa: PLC0415 - only this verb needs the installer

    again = shlex.join(("clawrack", "machine", "claim", name, "--at", at, *(["--gone"] if gone else []), "--yes"))
    sure(name, "question.claim_gone" if gone else "question.claim", again, yes=yes)
    with listening(as_json=json) as listener:
        wire.claim(name, at, listener, gone=gone)
    if json:
        show.as_json("result", Result(machine=name, changed=True))
    else:
        here().paragraphs(say("machine.claimed", name=name, at=at))


@app.command(cls=Verb)
def remove(  # noqa: PLR0913 - a machine is left in several ways
    name: Name,
    *,
    keep: Keep = True,
    docker: leaving.Docker = False,
    forget: leaving.Forget = False,
    returned: leaving.Back = False,
    password_stdin: leaving.PasswordStdin = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove its agents and everything of ours from a machine."""
    typed = leaving.Typed(
        name=name, keep=keep, docker=docker, forget=forget, returned=returned, password_stdin=password_stdin,
        yes=yes, json=json,
    )  # fmt: skip
    leaving.run(open_fleet(), typed)


@app.command(cls=Verb)
def handover(  # noqa: PLR0913 - a machine is handed over in several ways
    name: Name,
    *,
    way: handing.HowOption = None,
    login: handing.LoginOption = "",
    receipt: handing.ReceiptFile = None,
    password_stdin: leaving.PasswordStdin = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Give a machine to its owner: no access of ours stays, and nothing of it here."""
    typed = handing.Typed(
        name=name, way=way, login=login, receipt=receipt, password_stdin=password_stdin, yes=yes, json=json
    )
    handing.run(typed)


app.command("tag", cls=Verb)(marking.tag)
app.command("drain", cls=Verb)(marking.drain)
