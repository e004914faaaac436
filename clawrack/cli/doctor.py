"""``clawrack doctor``: what is wrong, why, and the command that mends it; ``--fix`` does what is safe."""

from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import at_terminal, someone
from clawrack.cli.common import Json, Yes, here, listening, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.terminal import Terminal
from fleet.base.cells import wrap
from fleet.base.clean import line
from fleet.base.errors import BadInput
from fleet.base.words import say

if TYPE_CHECKING:
    from fleet.api import Fleet
    from fleet.doctor.finding import Diagnosis, Finding, Fixed
    from fleet.doctor.rounds import Agrees

app = lone()
ERRORS_LEFT = 5
_MARKS = {"error": ("✗", "bad"), "warning": ("!", "warn"), "note": ("·", "dim")}
_OUTCOMES = {"done": ("✓", "good"), "already": ("·", "dim"), "declined": ("!", "warn"), "failed": ("✗", "bad")}


@app.command(cls=Verb)
def doctor(  # noqa: PLR0913 - the command's options
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "",
    *,
    machine: Annotated[str, typer.Option("--machine", metavar="MACHINE")] = "",
    agent: Annotated[str, typer.Option("--agent", metavar="AGENT")] = "",
    fix: Annotated[bool, typer.Option("--fix")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Say what is wrong with a machine, an agent or the whole fleet."""
    fleet = open_fleet()
    machine, agent = _meant(fleet, name, machine, agent)
    with listening(as_json=json, subjects=True) as listener:
        found = fleet.doctor(machine, agent, agrees=_agrees(yes=yes, silent=json) if fix else None, listen=listener)
    _show(found, as_json=json)
    if not found.well:
        raise typer.Exit(ERRORS_LEFT)


def _meant(fleet: "Fleet", name: str, machine: str, agent: str) -> tuple[str, str]:
    """Return the machine or the agent that is meant; neither for the whole fleet.

    Raises:
        BadInput: there is none of that name, or one of each.
    """
    if not name:
        return machine, agent
    wish = fleet.wish()
    if name in wish.machines and name in wish.agents and not machine and not agent:
        raise BadInput("doctor.two", name=name)
    if name in wish.agents and not machine:
        return "", name
    if name not in wish.machines:
        raise BadInput("doctor.neither", name=name)
    return name, agent


def _agrees(*, yes: bool, silent: bool) -> "Agrees":
    """Return who says yes to a fix that restarts an agent; where nobody is there, nobody does."""

    def agrees(finding: "Finding") -> bool:
        key = f"doctor.ask.{finding.fix}"
        if yes or silent or not at_terminal():
            return yes
        return someone(say(f"{key}.instead", agent=finding.agent), silent=False).confirm(key, agent=finding.agent)

    return agrees


def _show(found: "Diagnosis", *, as_json: bool) -> None:
    from fleet.doctor.words import view  # noqa: PLC0415 - a help page does not wait for it

    if as_json:
        show.as_json("diagnosis", view(found))
        return
    to = here()
    for fixed in found.fixed:
        _fixed(fixed, to)
    for finding in found.findings:
        _finding(finding, to)
    if not found.machines:
        to.line(say("doctor.nobody"))
        to.line(f"  → {to.paint(say('doctor.nobody.next'), 'bold')}")
        return
    counts = {level: sum(one.severity == level for one in found.findings) for level in _MARKS}
    key = "doctor.summary" if found.findings else "doctor.well"
    numbers = {"errors": counts["error"], "warnings": counts["warning"], "notes": counts["note"]}
    to.line(say(key, machines=found.machines, agents=found.agents, **(numbers if found.findings else {})))


def _finding(finding: "Finding", to: Terminal) -> None:
    from fleet.doctor.words import headline, seen, told  # noqa: PLC0415 - a help page does not wait for it

    mark, style = _MARKS[finding.severity]
    shown = told(finding, asked=at_terminal())
    first, *rest = wrap(line(headline(finding), 400), to.columns - 2)
    to.line(f"{to.paint(mark, style)} {first}")
    for row in (*(f"  {row}" for row in rest), *wrap(shown.why, to.columns, "  ")):
        to.line(row)
    for row in wrap(say("doctor.seen", evidence=line(seen(finding), 400)), to.columns, "  "):
        to.line(to.paint(row, "dim"))
    for row in finding.diff:
        style = "good" if row.startswith("+") else "bad" if row.startswith("-") else "dim"
        to.line(f"    {to.paint(row, style)}")
    to.line(f"  → {to.paint(shown.command, 'bold')}")


def _fixed(fixed: "Fixed", to: Terminal) -> None:
    mark, style = _OUTCOMES.get(fixed.outcome, ("?", "warn"))
    key = "doctor.fixed.still" if fixed.outcome == "failed" and not fixed.reason else f"doctor.fixed.{fixed.outcome}"
    reason = {"reason": fixed.reason} if key in {"doctor.fixed.failed", "doctor.fixed.unknown"} else {}
    told = f"{line(fixed.subject)}: {say(f'doctor.fix.{fixed.fix}')}: {say(key, **reason)}"
    first, *rest = wrap(told, to.columns - 2)
    for row in (f"{to.paint(mark, style)} {first}", *(f"  {row}" for row in rest)):
        to.line(row)
