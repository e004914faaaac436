"""``clawrack plan``: what would be done so that the fleet is as its files say; nothing is changed."""

from pathlib import Path
from typing import Annotated

import typer

from clawrack.cli import show
from clawrack.cli.common import Json, here, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.plan_page import lines
from fleet import plan_file
from fleet.base.errors import Refused, Unreachable
from fleet.base.words import say
from fleet.plan_view import PlanView
from fleet.select import narrowed, select

app = lone()
Selectors = Annotated[list[str] | None, typer.Argument(metavar="[SELECTOR]...")]


@app.command(cls=Verb)
def plan(
    selectors: Selectors = None,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE")] = None,
    again: Annotated[bool, typer.Option("--again")] = False,
    expect_empty: Annotated[bool, typer.Option("--expect-empty")] = False,
    json: Json = False,
) -> None:
    """Show what would be done."""
    fleet = open_fleet()
    found = fleet.planned(again=again)
    part = narrowed(found.plan, select(selectors, fleet.wish())) if selectors else None
    shown = fleet.shown(found, part)
    if out:
        plan_file.save(out, shown)
    if json:
        show.as_json("plan", shown)
    else:
        _tell(shown, selectors or [], out)
    if expect_empty:
        _see_empty(shown)


def _tell(shown: PlanView, selectors: list[str], out: Path | None) -> None:
    to = here()
    for row in lines(shown, to):
        to.line(row)
    if out:
        to.line(say("plan.written", file=out))
    if not shown.empty:
        to.paragraphs(say("plan.hash", hash=shown.hash))
        to.line(f"  → {to.paint(' '.join(('clawrack apply', *selectors, '--hash', shown.hash)), 'bold')}")


def _see_empty(shown: PlanView) -> None:
    """See that there is nothing to do, and that everybody answered.

    Raises:
        Refused: there is.
        Unreachable: somebody did not.
    """
    if not shown.empty:
        raise Refused("plan.expected_empty")
    if shown.unknown:
        raise Unreachable("plan.expected_answer", machines=", ".join(one.machine for one in shown.unknown))
