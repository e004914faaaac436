"""``clawrack machine``: see machines, remove clawrack from them."""

import shlex
from functools import partial
from typing import Annotated

import typer

from clawrack.cli import shell, show
from clawrack.cli.asking import sure
from clawrack.cli.common import Json, Name, Yes, here, listening, open_fleet
from clawrack.cli.frame import Verb, noun
from clawrack.cli.shell import Command, Listing
from fleet.base.errors import BadInput
from fleet.base.words import say
from fleet.views import Result

app = noun()
Keep = Annotated[bool, typer.Option("--keep/--erase")]
MACHINE_COLUMNS = ("name", "state", "address", "agents", "architecture", "engine", "free", "trouble")


@app.command("list", cls=Verb)
def list_(*, json: Json = False) -> None:
    """Show every machine."""
    machines = open_fleet().machines()
    if json:
        show.as_json("machines", machines)
    else:
        show.table(machines, here(), "show.no_machines", MACHINE_COLUMNS)


@app.command("show", cls=Verb)
def show_(name: Name, *, json: Json = False) -> None:
    """Show all that is known of one machine."""
    machine = open_fleet().machine(name)
    if json:
        show.as_json("machine", machine)
    else:
        show.details(machine, here())


@app.command("shell", cls=Listing)
def shell_(name: Name, words: Command = None, *, json: Json = False) -> None:
    """Log in to a machine, or run a command there."""
    shell.check(words or (), "clawrack machine shell", json=json)
    shell.run(partial(open_fleet().login, name, words or ()), json=json)


@app.command(cls=Verb)
def remove(name: Name, *, keep: Keep = True, yes: Yes = False, json: Json = False) -> None:
    """Remove its agents and everything of ours from a machine."""
    fleet = open_fleet()
    if name not in fleet.wish().machines:
        raise BadInput("fleet.no_machine", machine=name)
    sure(name, "question.remove_machine" if keep else "question.erase_machine", _again(name, keep=keep), yes=yes)
    with listening(as_json=json) as listener:
        fleet.remove_machine(name, keep_state=keep, listen=listener)
    if json:
        show.as_json("result", Result(machine=name, changed=True))
    else:
        here().line(say("machine.removed_kept" if keep else "machine.removed", name=name))


def _again(name: str, *, keep: bool) -> str:
    return shlex.join(("clawrack", "machine", "remove", name, "--keep" if keep else "--erase", "--yes"))
