"""What ``apply``, ``upgrade`` and ``rollback`` share: telling what will be touched, a yes to it, and the rollout."""

import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clawrack.cli import show
from clawrack.cli.asking import Person, at_terminal, typed
from clawrack.cli.common import here, listening
from clawrack.cli.terminal import Terminal
from fleet.base.clean import line
from fleet.base.errors import Refused, Unreachable
from fleet.base.event import Listener
from fleet.base.words import say
from fleet.plan import Plan
from fleet.rollout_view import RolloutView

if TYPE_CHECKING:
    from fleet.api import Fleet
    from fleet.api.rolling import Touched

Touch = Annotated[int, typer.Option("--touch", min=0, metavar="N")]
Selectors = Annotated[list[str] | None, typer.Argument(metavar="[SELECTOR]...")]
UNITS = ("subject", "wave", "outcome", "release", "why")


class Asking:
    """How a yes is come by.

    Args:
        yes: said on the command line.
        touch: how many agents were said there to be touched at most; 0 where nothing was said.
        as_json: nobody is asked.
    """

    def __init__(self, *, yes: bool, touch: int, as_json: bool) -> None:
        self._yes = yes
        self._touch = touch
        self._silent = as_json

    def agreed(self, many: "Touched") -> None:
        """See that a person wants that many agents touched.

        Raises:
            Refused: nobody said so.
        """
        if many.asks:
            self._typed(many)
        elif not (self._yes or self._touch >= many.agents > 0):
            self._said_yes(many)

    def _typed(self, many: "Touched") -> None:
        if self._touch >= many.agents:
            return
        told: dict[str, Any] = {"agents": many.agents, "fleet": many.fleet}
        if self._silent or not at_terminal():
            raise Refused("rollout.needs_touch", **told, command=again("--touch", str(many.agents)))
        answer = typed(say("question.touch", **told))
        words = {str(many.agents), *([say("question.all")] if many.agents == many.fleet else [])}
        if answer not in words:
            raise Refused("rollout.not_the_number", **told, command=again())

    def _said_yes(self, many: "Touched") -> None:
        if self._silent or not at_terminal():
            raise Refused("rollout.needs_yes", command=again("--yes"))
        if not Person().confirm("question.roll", agents=many.agents, machines=many.machines):
            raise Refused("rollout.not_agreed", command=again())


def again(*words: str) -> str:
    """Return the line that was typed, with more words."""
    return shlex.join(("clawrack", *(line(part) for part in sys.argv[1:]), *words))


def carry(  # noqa: PLR0913 - what, how a yes is come by, and how it is told
    fleet: "Fleet", asked: Sequence[str], planned: Callable[[], Plan], asking: Asking, *, as_json: bool, of: int = 0
) -> None:
    """Carry out what a command asks for; the same command typed again goes on with what it began.

    ``of`` is the number of the rollout that it takes back.

    Raises:
        ClawrackError: another rollout is open, nobody said yes, or it did not go well.
    """
    begun = fleet.begun_already(asked)
    if begun:
        follow(fleet, lambda listen: fleet.resume(begun.number, listen), as_json=as_json)
        return
    before = fleet.wish()
    todo = planned()
    _left_out(todo, as_json=as_json)
    if todo:
        many = fleet.touched(todo)
        if not as_json:
            tell(many, here())
        asking.agreed(many)
        follow(fleet, lambda listen: fleet.roll(todo, asked, listen, of=of, saw=before), as_json=as_json)
    elif as_json:
        show.as_json("rollout", None)
    elif not todo.unknown and not todo.unplaced:
        here().line(say("rollout.nothing"))
    if todo.unknown:
        raise Unreachable("rollout.silent", machines=", ".join(todo.unknown), machine=todo.unknown[0])
    if todo.unplaced:
        raise Refused("rollout.no_place", agents=", ".join(one.agent for one in todo.unplaced))


def follow(fleet: "Fleet", work: Callable[[Listener], RolloutView], *, as_json: bool) -> None:
    """Tell a rollout while it goes, and how it ended.

    Raises:
        ClawrackError: it did not go well.
    """
    with listening(as_json=as_json, subjects=True) as listener:
        shown = work(listener)
    if as_json:
        show.as_json("rollout", shown)
    error = fleet.ending(shown.number)
    if error:
        raise error


def _left_out(todo: Plan, *, as_json: bool) -> None:
    """Say which agents no machine can take, and which machines did not answer."""
    if as_json:
        return
    for machine in todo.unknown:
        here().paragraphs(say("rollout.unknown_machine", machine=machine))
    for one in todo.drift:
        if one.then in {"left", "held"}:
            told = {"machine": one.machine, "agent": one.agent, **one.params}
            here().paragraphs(
                say("rollout.left_out", what=say(f"{one.what}.what", **told), then=say(f"drift.then.{one.then}"))
            )
    for one in todo.unplaced:
        here().paragraphs(say("rollout.unplaced", agent=one.agent, reason=say(one.reason, **one.params)))


def tell(many: "Touched", to: Terminal) -> None:
    """Say what will be touched: how many agents on how many machines, by kind and version."""
    to.paragraphs(say("rollout.touches", agents=many.agents, machines=many.machines, fleet=many.fleet))
    for sort, count in many.sorts.items():
        to.line(f"  {say('rollout.sort', sort=sort, count=count)}")
