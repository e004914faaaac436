"""``clawrack upgrade``: agents to another version, a canary first, then wave by wave."""

from typing import Annotated

import typer

from clawrack.cli.common import Json, Yes, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.rolled import Asking, Touch, carry

app = lone()


@app.command(cls=Verb)
def upgrade(
    selectors: Annotated[list[str], typer.Argument(metavar="SELECTOR...")],
    *,
    to: Annotated[str, typer.Option("--to", metavar="VERSION")],
    yes: Yes = False,
    touch: Touch = 0,
    json: Json = False,
) -> None:
    """Bring agents to a version; what does not become well goes back, with its state."""
    fleet = open_fleet()
    asked = ("upgrade", *selectors, "--to", to)
    asking = Asking(yes=yes, touch=touch, as_json=json)
    carry(fleet, asked, lambda: fleet.upgrade_plan(selectors, to), asking, as_json=json)
