"""``agent create``: a new agent's file; a plan deploys it."""

from typing import Annotated

import typer
from msgspec import UNSET

from clawrack.cli import show
from clawrack.cli.common import Json, Name, here
from fleet.base.words import say
from fleet.views import Result

Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG")]


def create(  # noqa: PLR0913 - an agent has several sides
    name: Name,
    *,
    kind: Annotated[str, typer.Option("--kind", metavar="KIND")] = "",
    machine: Annotated[str, typer.Option("--machine", metavar="MACHINE")] = "",
    tags: Tags = None,
    version: Annotated[str, typer.Option("--version", metavar="VERSION")] = "",
    json: Json = False,
) -> None:
    """Write the file of a new agent."""
    from fleet import folder, load  # noqa: PLC0415 - a help page does not wait for them
    from fleet.groups import Settings  # noqa: PLC0415 - likewise

    said = Settings(
        kind=kind or UNSET, machine=machine or UNSET, version=version or UNSET, tags=tuple(tags) if tags else UNSET
    )
    made = folder.create(load.default_folder(), name, said)
    if json:
        show.as_json("result", Result(agent=name, changed=True))
    else:
        key = "agent.created_there" if made.machine else "agent.created"
        here().paragraphs(say(key, name=name, kind=made.kind, machine=made.machine))
