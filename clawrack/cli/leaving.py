"""``machine remove``: a machine that answers, one that is dead for good, and one that came back."""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import at_terminal, piped_secret, sure
from clawrack.cli.common import here, listening
from clawrack.cli.terminal import Terminal
from fleet import folder, near
from fleet.base.cells import wrap
from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.base.words import say
from fleet.groups_file import line_of
from fleet.views import Result, Returned

if TYPE_CHECKING:
    from fleet.api import Fleet

Docker = Annotated[bool, typer.Option("--with-docker")]
Forget = Annotated[bool, typer.Option("--forget")]
Back = Annotated[bool, typer.Option("--returned")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed."""

    name: str
    keep: bool
    docker: bool
    forget: bool
    returned: bool
    password_stdin: bool
    yes: bool
    json: bool

    @property
    def again(self) -> str:
        """The line that asks nobody."""
        ways = (("--with-docker", self.docker), ("--forget", self.forget), ("--returned", self.returned))
        state = () if self.forget else ("--keep" if self.keep else "--erase",)
        chosen = (word for word, said in ways if said)
        return shlex.join(("clawrack", "machine", "remove", self.name, *state, *chosen, "--yes"))


def run(fleet: "Fleet", typed: Typed) -> None:
    """Remove what was asked for, once a person is sure of it.

    Raises:
        BadInput: there is no such machine, or the options exclude each other.
        ClawrackError: it could not be done.
    """
    _check(fleet, typed)
    if typed.forget:
        _forget(fleet, typed)
    elif typed.returned:
        _returned(fleet, typed)
    else:
        _remove(fleet, typed)


def _check(fleet: "Fleet", typed: Typed) -> None:
    if typed.forget + typed.returned + typed.docker > 1 or (typed.forget and not typed.keep):
        raise BadInput("leave.one_way", machine=typed.name)
    wish = fleet.wish()
    if not typed.returned and typed.name not in wish.machines:
        raise near.no_machine(typed.name, wish)
    if not typed.returned and not typed.json:
        for group, agents in folder.members_on(typed.name, wish).items():
            line = line_of(fleet.folder, group)
            here().paragraphs(say("folder.members_left", agents=", ".join(agents), line=line, group=group))


def _remove(fleet: "Fleet", typed: Typed) -> None:
    question = "question.remove_machine" if typed.keep else "question.erase_machine"
    sure(typed.name, question, typed.again, yes=typed.yes)
    with listening(as_json=typed.json) as listener:
        fleet.remove_machine(
            typed.name, keep_state=typed.keep, listen=listener, docker=typed.docker, password=_Asks(typed)
        )
    _told("machine.removed_kept" if typed.keep else "machine.removed", typed)


def _forget(fleet: "Fleet", typed: Typed) -> None:
    sure(typed.name, "question.forget_machine", typed.again, yes=typed.yes)
    tomb = fleet.forget_machine(typed.name)
    _told("machine.forgotten", typed, agents=", ".join(tomb.agents) or "-")


def _returned(fleet: "Fleet", typed: Typed) -> None:
    question = "question.remove_machine" if typed.keep else "question.erase_machine"
    sure(typed.name, question, typed.again, yes=typed.yes)
    with listening(as_json=typed.json) as listener:
        fleet.remove_returned(typed.name, keep_state=typed.keep, listen=listener)
    _told("machine.buried", typed)


def _told(key: str, typed: Typed, **params: object) -> None:
    if typed.json:
        show.as_json("result", Result(machine=typed.name, changed=True))
    else:
        here().paragraphs(say(key, name=typed.name, **params))


class _Asks:
    """Knows, or asks for, the password of a login."""

    def __init__(self, typed: Typed) -> None:
        self._typed = typed

    def __call__(self, user: str, place: str) -> Secret | None:
        if self._typed.password_stdin:
            return piped_secret()
        if self._typed.json or not at_terminal():
            return None
        return asked(user, place)


def asked(user: str, place: str) -> Secret:
    """Return a login's password, typed without being shown."""
    from getpass import getpass  # noqa: PLC0415 - rarely needed

    try:
        return Secret(getpass(f"{say('leave.password', user=user, place=place)} "))
    except EOFError as error:
        raise KeyboardInterrupt from error


def back(found: Returned, to: Terminal) -> list[str]:
    """Return the lines that tell of a machine that came back."""
    agents = ", ".join(found.agents) or "-"
    key = "show.returned_within" if found.within else "show.returned"
    text = say(key, machine=found.machine, address=found.address, agents=agents, within=found.within)
    if found.stopped:
        text = f"{text} {say('show.returned_stopped', stopped=', '.join(found.stopped))}"
    first, *rest = wrap(f"{text} {found.trouble}".strip(), to.columns - 2)
    return [f"{to.paint('!', 'warn')} {first}", *(f"  {row}" for row in rest), f"  → {to.paint(found.command, 'bold')}"]
