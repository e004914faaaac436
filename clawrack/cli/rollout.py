"""``clawrack rollout``: rollouts seen, paused, taken up again, taken back."""

from typing import Annotated

import typer

from clawrack.cli import show
from clawrack.cli.common import Json, here, listening, open_fleet
from clawrack.cli.frame import Verb, noun
from clawrack.cli.rolled import UNITS, follow
from fleet.base.words import say
from fleet.rollout_view import RolloutView

app = noun()
Number = Annotated[int, typer.Argument(metavar="[NUMBER]", min=0)]
COLUMNS = ("number", "state", "agents", "done", "failed", "asked", "begun")
HEAD = ("number", "asked", "state", "begun", "agents", "done", "failed")
SELDOM = ("unknown", "of", "why")


@app.command("list", cls=Verb)
def list_(*, json: Json = False) -> None:
    """Show every rollout that this controller remembers."""
    rollouts = open_fleet().rollouts()
    if json:
        show.as_json("rollouts", rollouts)
    else:
        show.table(rollouts, here(), "rollout.no_rollouts", COLUMNS)


@app.command("show", cls=Verb)
def show_(number: Number = 0, *, json: Json = False) -> None:
    """Show one rollout: the open one, or the last, where no number is told."""
    _shown(open_fleet().rollout(number or None), as_json=json)


@app.command(cls=Verb)
def pause(number: Number = 0, *, json: Json = False) -> None:
    """Begin nothing more; what is under way is brought to its end."""
    shown = open_fleet().pause(number or None)
    _told("rollout.will_pause", shown, as_json=json)


@app.command(cls=Verb)
def resume(number: Number = 0, *, json: Json = False) -> None:
    """Go on with a rollout that was paused, or whose controller died."""
    fleet = open_fleet()
    follow(fleet, lambda listen: fleet.resume(number or None, listen), as_json=json)


@app.command(cls=Verb)
def abort(number: Number = 0, *, json: Json = False) -> None:
    """End a rollout: what was committed stays, what is on trial goes back."""
    with listening(as_json=json, subjects=True) as listener:
        shown = open_fleet().abort(number or None, listener)
    _told("rollout.will_abort", shown, as_json=json)


def _told(key: str, shown: RolloutView, *, as_json: bool) -> None:
    if as_json:
        show.as_json("rollout", shown)
    else:
        here().paragraphs(say(key, number=shown.number, done=shown.done, agents=shown.agents))


def _shown(shown: RolloutView, *, as_json: bool) -> None:
    if as_json:
        show.as_json("rollout", shown)
        return
    to = here()
    show.details(shown, to, (*HEAD, *(field for field in SELDOM if getattr(shown, field))))
    to.line()
    show.table([unit for unit in shown.units if "/" in unit.subject], to, "rollout.nothing", UNITS)
