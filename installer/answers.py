"""What a person tells the setup, and what it tells them at the end."""

from pathlib import Path
from typing import Literal, Protocol

import msgspec

from fleet.base.secret import Secret

Source = Literal["auto", "registry", "build"]


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to every question of the setup; empty where a person is to be asked, or the usual is meant.

    Attributes:
        machine: ``user@address:port``, or ``here``.
        name: of the agent.
        kind: of the agent.
        yes: ask nothing; the usual answer everywhere.
        key: a private key that opens the machine, where it is not ours.
        password: of the login.
        fingerprint: of the host key, as somebody read it on the machine.
        accept_new_host_key: pin whatever is shown.
        image_source: whether images are pulled, or built here.
        plan: look at everything, change nothing.
    """

    machine: str = ""
    name: str = ""
    kind: str = "openclaw"
    yes: bool = False
    key: Path | None = None
    password: Secret | None = None
    fingerprint: str = ""
    accept_new_host_key: bool = False
    image_source: Source = "auto"
    plan: bool = False


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the end of a setup.

    Attributes:
        changed: whether anything was done; a second run changes nothing, and sends no message.
        question: the message that was sent to the agent.
        answer: what it answered.
        seconds: from the message to the answer.
        talk, stop, remove, leave: the commands to talk to it, stop it, remove it, and remove clawrack from the machine.
    """

    agent: str
    kind: str
    version: str
    machine: str
    address: str
    model: str
    changed: bool
    question: str = ""
    answer: str = ""
    seconds: float = 0.0
    talk: str
    stop: str
    remove: str
    leave: str


class Asks(Protocol):
    """Whoever answers questions; where nobody does, each is an error that says what to type instead."""

    def text(self, key: str, default: str = "", **params: object) -> str:
        """Return a line of text."""
        ...

    def confirm(self, key: str, **params: object) -> bool:
        """Return whether the answer was yes."""
        ...

    def secret(self, key: str, **params: object) -> Secret:
        """Return what was typed without showing it."""
        ...
