"""``clawrack fleet rebuild``: files that were lost, written again from what the machines say."""

from typing import Annotated

import typer

from clawrack.cli import show
from clawrack.cli.common import Json, here, listening, open_fleet
from fleet.base.words import say

COLUMNS = ("agent", "machine", "kind", "version", "same")


def rebuild(
    machines: Annotated[list[str] | None, typer.Argument(metavar="[MACHINE]…")] = None, *, json: Json = False
) -> None:
    """Write the files of agents that run on machines of the fleet and are in none."""
    with listening(as_json=json) as listener:
        made = open_fleet().rebuild(tuple(machines or ()), listener)
    if json:
        show.as_json("rebuilt", made)
        return
    show.table(made, here(), "rebuild.none", COLUMNS)
    if any(not one.same for one in made):
        here().paragraphs(say("rebuild.differs"))
