"""``machine tag`` and ``machine drain``: what a machine is called by, and whether anything new comes there."""

import shlex
from typing import Annotated

import typer

from clawrack.cli import show
from clawrack.cli.common import Json, Name, here
from fleet.base.words import say
from fleet.views import Result


def tag(
    name: Name,
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]…")] = None,
    *,
    remove: Annotated[list[str] | None, typer.Option("--remove", metavar="TAG")] = None,
    json: Json = False,
) -> None:
    """Give a machine tags, or take some away; without any, show those that it has."""
    from fleet import folder, load  # noqa: PLC0415 - a help page does not wait for them

    at = load.default_folder()
    changed = folder.tag(at, name, tags or (), remove or ())
    if json:
        show.as_json("result", Result(machine=name, changed=changed))
    else:
        now = load.load(at).machines[name].tags
        here().line(say("machine.tags" if now else "machine.no_tags", name=name, tags=", ".join(now)))


def drain(name: Name, *, undo: Annotated[bool, typer.Option("--undo")] = False, json: Json = False) -> None:
    """Have nothing new placed on a machine, or with --undo take the mark away."""
    from fleet import folder, load  # noqa: PLC0415 - a help page does not wait for them

    at = load.default_folder()
    changed = folder.drain(at, name, drained=not undo)
    if json:
        show.as_json("result", Result(machine=name, changed=changed))
        return
    to = here()
    to.paragraphs(say("machine.undrained" if undo else "machine.drained", name=name))
    living = sorted(agent for agent, found in load.load(at).everyone.items() if found.machine == name)
    if living and not undo:
        to.paragraphs(say("folder.left", name=name, agents=", ".join(living)))
        for agent in living:
            to.line(f"  → {to.paint(shlex.join(('clawrack', 'backup', 'create', agent)), 'bold')}")
