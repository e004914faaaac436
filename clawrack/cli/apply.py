"""``clawrack apply``: make the fleet what its files say, wave by wave."""

import re
from pathlib import Path
from typing import Annotated

import typer

from clawrack.cli.common import Json, Yes, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.rolled import Asking, Selectors, Touch, carry
from fleet import plan_file
from fleet.base.errors import BadInput

app = lone()
_HASH = re.compile(r"[0-9a-f]{16}")


@app.command(cls=Verb)
def apply(  # noqa: PLR0913 - it is told from many sides what, and how a yes is come by
    selectors: Selectors = None,
    *,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE")] = None,
    hash_: Annotated[str, typer.Option("--hash", metavar="H")] = "",
    again: Annotated[bool, typer.Option("--again")] = False,
    yes: Yes = False,
    touch: Touch = 0,
    json: Json = False,
) -> None:
    """Carry out what `clawrack plan` shows."""
    fleet, chosen = open_fleet(), selectors or []
    if plan and hash_:
        raise BadInput("apply.plan_and_hash")
    if hash_ and not _HASH.fullmatch(hash_):
        raise BadInput("apply.no_hash", hash=hash_)
    reviewed = plan_file.load(plan).hash if plan else hash_
    asking = Asking(yes=yes or bool(reviewed), touch=touch, as_json=json)
    only = ("--hash", reviewed) if reviewed else ()  # a rollout of another plan is none that this command began
    asked = ("apply", *chosen, *(("--again",) if again else ()), *only)
    carry(fleet, asked, lambda: fleet.apply_plan(chosen, reviewed, again=again), asking, as_json=json)
