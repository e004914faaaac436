"""Reaching the machine that a setup is for: this one, one of the fleet, or a new one at an address."""

import getpass
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fleet.base.event import Listener
from fleet.base.names import machine_name
from fleet.base.secret import Secret
from fleet.machine import hostkey
from fleet.machine.hostkey import HostKey
from fleet.machine.keys import ControllerKey, PersonKey
from fleet.machine.local import LocalPort
from fleet.machine.pins import Moved, Pins, Unknown
from fleet.machine.port import Port
from fleet.machine.target import Target, parse
from fleet.model import HERE, Machine, Wish
from installer import rising
from installer.answers import Answers
from installer.bootstrap import Visit, meet
from installer.wizard.interview import Interview
from installer.wizard.question import NO, Question, yes_or_no

_USUAL_LONGEST = 40


@dataclass(frozen=True)
class Reached:
    """A machine that answers, and that nothing has been written to.

    Attributes:
        name: in the fleet.
        machine: how it is reached.
        port: of it; ``root=True`` asks for a password when it must.
        stay: makes our key open it, where it is another computer, and returns it by that key.
    """

    name: str
    machine: Machine
    port: Port
    stay: Callable[[Listener], Port]


@dataclass(frozen=True)
class Person:
    """Speaks for the person at first contact: by what was told beforehand, else by asking."""

    answers: Answers
    asks: Interview

    def vouches(self, shown: HostKey) -> bool | None:
        """Return whether this is the key whose fingerprint was told beforehand; None where none was told."""
        told = self.answers.fingerprint
        return _same(told, shown.fingerprint) if told else None

    def accept(self, target: Target, shown: HostKey, verdict: Unknown | Moved) -> bool:
        """Return whether to trust this host key from now on."""
        if self.answers.accept_new_host_key and isinstance(verdict, Unknown):
            return True
        facts = {
            "place": target.place,
            "fingerprint": shown.fingerprint,
            "kind": shown.kind,
            "typed": self.answers.machine,
        }
        if isinstance(verdict, Moved):
            return self.asks.confirm(yes_or_no("moved", default=NO, machine=verdict.name, old=verdict.old, **facts))
        return self.asks.confirm(yes_or_no("host_key", default=NO, **facts))

    def password(self, user: str, place: str) -> Secret | None:
        """Return the password of a login, asked once."""
        facts = {"user": user, "place": place, "typed": self.answers.machine}
        return self.answers.password or self.asks.secret(Question(id="password", form="secret", params=facts))


def reach(answers: Answers, asks: Interview, wish: Wish, door: tuple[ControllerKey, Pins]) -> Reached:
    """Reach the machine of the answers; nothing is written before `Reached.stay`.

    Args:
        answers: ``machine`` says which.
        asks: whoever confirms a host key and knows a password.
        wish: the fleet, whose machines keep their names.
        door: this controller's key, and the host keys that are trusted.

    Raises:
        ClawrackError: as `meet` says.
    """
    person = Person(answers, asks)
    if answers.machine == HERE:
        return _here(person, wish)
    key, pins = door
    known = wish.machines.get(answers.machine)
    target = Target(known.address, known.port, known.user) if known else parse(answers.machine)
    name = _name(target, wish, pins)
    theirs = PersonKey(Path(answers.key)) if answers.key else None
    if theirs:
        _ = theirs.private  # a key that cannot be read is told before anything is sent
    met = meet(Visit(name, target, key, pins, theirs), person)
    machine = Machine(address=target.address, port=target.port, user=target.user)
    return Reached(name, machine, met.port, met.stay)


def _here(person: Person, wish: Wish) -> Reached:
    name = next((name for name, machine in wish.machines.items() if machine.local), HERE)
    port = rising.here(LocalPort(name), lambda: person.password(getpass.getuser(), name))
    return Reached(name, Machine(address=HERE), port, lambda _: port)


def _name(target: Target, wish: Wish, pins: Pins) -> str:
    """Return the machine's name: by its place, else by its host key where it moved, else made from its address."""
    for name, machine in wish.machines.items():
        if (machine.address, machine.port) == (target.address, target.port):
            return name
    verdict = pins.judge("", target, hostkey.fetch(target))
    if isinstance(verdict, Moved) and verdict.name in wish.machines:
        return verdict.name
    plain = re.sub(r"[^a-z0-9]+", "-", target.address.lower()).strip("-")[: _USUAL_LONGEST - 6] or "machine"
    taken = {*wish.machines}
    return machine_name(next(n for n in (plain, *(f"{plain}-{k}" for k in range(2, 1000))) if n not in taken))


def _same(told: str, shown: str) -> bool:
    """Compare fingerprints as people copy them: with or without ``SHA256:``, with or without padding."""

    def bare(text: str) -> str:
        return text.strip().removeprefix("SHA256:").rstrip("=")

    return bare(told) == bare(shown)
