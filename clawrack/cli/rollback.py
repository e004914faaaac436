"""``clawrack rollback``: agents back to a release that was theirs: image, configuration and state."""

from typing import Annotated

import typer

from clawrack.cli.common import Json, Yes, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.rolled import Asking, Selectors, Touch, carry
from fleet.base.errors import BadInput
from fleet.plan import Plan

app = lone()


@app.command(cls=Verb)
def rollback(  # noqa: PLR0913 - likewise to apply
    selectors: Selectors = None,
    *,
    to: Annotated[str, typer.Option("--to", metavar="RELEASE")] = "",
    rollout: Annotated[int, typer.Option("--rollout", min=0, metavar="NUMBER")] = 0,
    yes: Yes = False,
    touch: Touch = 0,
    json: Json = False,
) -> None:
    """Bring agents back to the release before, or all that a rollout has changed."""
    fleet, chosen = open_fleet(), selectors or []
    if bool(chosen) == bool(rollout):
        raise BadInput("rollback.of_what")
    asked = ("rollback", *chosen, *(("--to", to) if to else ()), *(("--rollout", str(rollout)) if rollout else ()))

    def planned() -> Plan:
        return fleet.rollout_back_plan(rollout) if rollout else fleet.rollback_plan(chosen, to)

    carry(fleet, asked, planned, Asking(yes=yes, touch=touch, as_json=json), as_json=json, of=rollout)
