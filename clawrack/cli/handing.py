"""``machine handover``: the machine becomes its owner's, and whoever set it up has nothing of it any more."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from clawrack.cli import show
from clawrack.cli.asking import piped_secret, sure
from clawrack.cli.common import here, listening, open_fleet
from clawrack.cli.faces import face
from fleet import near
from fleet.base.disk import replace
from fleet.base.errors import BadInput, Refused, Unreachable
from fleet.base.secret import Secret
from fleet.base.words import language, say
from installer.receipt.form import PasswordFate
from installer.wizard.interview import Interview
from installer.wizard.question import Option, Question

if TYPE_CHECKING:
    from fleet.model import Machine
    from installer.receipt.form import Receipt

LoginOption = Annotated[str, typer.Option("--login", metavar="USER")]
HowOption = Annotated[PasswordFate | None, typer.Option("--way", metavar="rotate|off|remove|never")]
ReceiptFile = Annotated[Path | None, typer.Option("--receipt", metavar="FILE")]
_WAYS: tuple[PasswordFate, ...] = ("rotate", "off", "remove", "never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed."""

    name: str
    way: PasswordFate | None
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
    way, known, new = _terms(asked, machine)
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


def _terms(asked: Typed, machine: "Machine") -> tuple[PasswordFate, Secret | None, Secret | None]:
    """Return what becomes of the password, the one that is known here, and the one that the owner typed.

    Nothing is changed before all of them are answered.
    """
    user = asked.login or machine.user
    there = None if asked.json or asked.password_stdin else face()
    if there:
        asks = Interview(there)
        return asks.lead(lambda: _asked(asked, asks, user))
    if not asked.way:
        raise BadInput("handover.choose", where=asked.name, machine=asked.name, user=user)
    if not asked.password_stdin or asked.way == "never":
        return asked.way, None, None
    return asked.way, piped_secret(), piped_secret() if asked.way == "rotate" else None


def _asked(asked: Typed, asks: Interview, user: str) -> tuple[PasswordFate, Secret | None, Secret | None]:
    told = {"user": user, "machine": asked.name}

    def hidden(question: str) -> Secret | None:
        answer = asks.secret(Question(id=question, form="secret", params=told))
        return answer if answer.reveal() else None

    options = tuple(Option(way, say(f"wizard.way.{way}")) for way in _WAYS)
    way = asked.way or cast("PasswordFate", asks.ask(Question(id="way", form="choice", options=options, params=told)))
    known = None if way == "never" else hidden("known_password")
    new = hidden("new_password") if way == "rotate" else None
    if way == "rotate" and new != hidden("new_again"):
        raise BadInput("question.not_alike", where=asked.name, machine=asked.name)
    return way, known, new


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
