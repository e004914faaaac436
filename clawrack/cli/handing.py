"""``machine handover``: the machine becomes its owner's, and whoever set it up has nothing of it any more."""

import shlex
import sys
from dataclasses import dataclass
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import at_terminal, piped_secret, prompting, sure, typed
from clawrack.cli.common import here, listening, open_fleet
from clawrack.cli.terminal import terminal
from fleet import near
from fleet.base.disk import replace
from fleet.base.errors import BadInput, Refused, Unreachable
from fleet.base.secret import Secret
from fleet.base.words import language, say
from installer.receipt.form import Way

if TYPE_CHECKING:
    from fleet.model import Machine
    from installer.receipt.form import Receipt

LoginOption = Annotated[str, typer.Option("--login", metavar="USER")]
HowOption = Annotated[Way | None, typer.Option("--way", metavar="rotate|off|remove|never")]
ReceiptFile = Annotated[Path | None, typer.Option("--receipt", metavar="FILE")]
_WAYS: tuple[Way, ...] = ("rotate", "off", "remove", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed."""

    name: str
    way: Way | None
    login: str
    receipt: Path | None
    password_stdin: bool
    yes: bool
    json: bool

    @property
    def again(self) -> str:
        """The line that asks nobody."""
        way = ("--way", self.way or "rotate")
        return shlex.join(("clawrack", "machine", "handover", self.name, *way, "--password-stdin", "--yes"))


def run(asked: Typed) -> None:
    """Hand the machine over, once a person is sure of it, and print the receipt.

    Raises:
        BadInput: there is no such machine, or nobody said what becomes of the password.
        ClawrackError: it could not be done; whoever set it up has full access still.
        Unreachable: whether it was done is not proven.
    """
    machine = _checked(asked)
    sure(asked.name, "question.handover", asked.again, yes=asked.yes)
    way = asked.way or _way(asked, machine)
    known, new = _passwords(asked, machine, way)
    from clawrack import wire  # noqa: PLC0415 - all that a machine is reached by; a help page does not wait for it
    from installer.handover import Parting  # noqa: PLC0415 - likewise

    parting = Parting(way=way, new=new, language=language())
    with listening(as_json=asked.json) as listener:
        receipt = wire.hand_over(asked.name, parting, known, asked.login, listener)
    _tell(receipt, asked)
    if receipt.access is None or receipt.access.key != "removed":
        raise Unreachable("handover.unproven", where=asked.name, machine=asked.name)


def _checked(asked: Typed) -> "Machine":
    wish = open_fleet().wish()
    if asked.name not in wish.machines:
        raise near.no_machine(asked.name, wish)
    machine = wish.machines[asked.name]
    if machine.local:
        raise Refused("handover.here", where=asked.name, machine=asked.name)
    if asked.receipt and asked.receipt.exists():
        raise BadInput("handover.receipt_there", where=str(asked.receipt), machine=asked.name)
    return machine


def _user(asked: Typed, machine: "Machine") -> str:
    return asked.login or machine.user


def _way(asked: Typed, machine: "Machine") -> Way:
    """Have a person say what becomes of the password."""
    if asked.json or asked.password_stdin or not at_terminal():
        raise BadInput("handover.choose", where=asked.name, machine=asked.name, user=_user(asked, machine))
    to = terminal(sys.stderr)
    to.paragraphs(*(say(f"question.way.{way}") for way in _WAYS))
    answer = typed(say("question.way", user=_user(asked, machine), machine=asked.name))
    if answer not in {"1", "2", "3", "4"}:
        raise BadInput("handover.choose", where=asked.name, machine=asked.name, user=_user(asked, machine))
    return _WAYS[int(answer) - 1]


def _passwords(asked: Typed, machine: "Machine", way: Way) -> tuple[Secret | None, Secret | None]:
    """Return the password that is known here, and the one that the owner typed, before anything is changed."""
    if way == "never":
        return None, None
    if asked.password_stdin:
        return piped_secret(), piped_secret() if way == "rotate" else None
    if asked.json or not at_terminal():
        return None, None
    user = _user(asked, machine)
    known = _hidden("question.known_password", user)
    if way != "rotate":
        return known, None
    new = _hidden("question.new_password", user)
    if new != _hidden("question.new_again", user):
        raise BadInput("question.not_alike", where=asked.name, machine=asked.name)
    return known, new


def _hidden(key: str, user: str) -> Secret | None:
    """Return what a person types without being shown; None for nothing."""
    with prompting():
        try:
            answer = getpass(f"{say(key, user=user)} ")
        except EOFError as error:
            raise KeyboardInterrupt from error
    return Secret(answer) if answer else None


def _tell(receipt: "Receipt", asked: Typed) -> None:
    from installer.receipt.paper import paper  # noqa: PLC0415 - see run

    if asked.receipt:
        replace(asked.receipt, "".join(f"{line}\n" for line in paper(receipt)).encode(), 0o644)
    if asked.json:
        show.as_json("receipt", receipt)
        return
    to = here()
    to.line()
    for line in paper(receipt, colour=to.colour):
        to.line(line)
    if receipt.access and receipt.access.key == "removed":
        to.line()
        to.paragraphs(say("handover.done", machine=asked.name))
