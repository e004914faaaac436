"""Reaching the machine that a setup is for: this one, one of the fleet, or a new one at an address."""

import getpass
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fleet.base.errors import Refused
from fleet.base.event import Listener
from fleet.base.names import machine_name
from fleet.base.secret import Secret
from fleet.base.words import say
from fleet.machine import hostkey, jump
from fleet.machine.hostkey import HostKey
from fleet.machine.jump import Gates, Through
from fleet.machine.keys import ControllerKey, PersonKey
from fleet.machine.local import LocalPort
from fleet.machine.pins import Moved, Pins, Twice, Unknown
from fleet.machine.port import Port
from fleet.machine.target import Target, hops_of, parse, via
from fleet.model import HERE, Machine, Wish
from installer import rising, rootkey
from installer.answers import Answers
from installer.bootstrap import Met, Visit, meet
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
        host_key: that it showed; None for this computer.
        passes: the jump hosts that do not know our key yet, as ``user@address:port``.
    """

    name: str
    machine: Machine
    port: Port
    stay: Callable[[Listener], Port]
    host_key: HostKey | None = None
    passes: tuple[str, ...] = ()
    become_root: Callable[[Listener], Port] | None = None
    """Makes our key open root instead, where the login's rights would not last; None on this computer."""


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
            "place": _shown(target.place),
            "fingerprint": shown.fingerprint,
            "kind": shown.kind,
            "typed": self.answers.machine,
        }
        if isinstance(verdict, Moved) and self.answers.moved:
            return True
        if isinstance(verdict, Moved):
            return self.asks.confirm(yes_or_no("moved", default=NO, machine=verdict.name, old=verdict.old, **facts))
        return self.asks.confirm(yes_or_no("host_key", default=NO, **facts))

    def password(self, user: str, place: str) -> Secret | None:
        """Return the password of a login, asked once."""
        facts = {"user": user, "place": _shown(place), "typed": self.answers.machine}
        return self.answers.password or self.asks.secret(Question(id="password", form="secret", params=facts))

    def once_more(self, user: str, place: str) -> Secret | None:
        """Return another password where the person wants to try once more, told that machines ban who fails often."""
        if self.asks.silent or self.told:
            return None
        facts = {"user": user, "place": _shown(place), "typed": self.answers.machine}
        if not self.asks.confirm(yes_or_no("password_again", default=NO, **facts)):
            return None
        return self.asks.secret(Question(id=self.question, form="secret", params={**facts, "again": "1"}))

    @property
    def told(self) -> bool:
        """Whether the password was told beforehand, so that nobody mistyped it here."""
        return self.answers.password is not None

    @property
    def question(self) -> str:
        """The question for the password."""
        return "password"


@dataclass(frozen=True)
class AtGate(Person):
    """Speaks for the person at a jump host."""

    def vouches(self, shown: HostKey) -> bool | None:
        """Return whether this is one of the keys whose fingerprints were told beforehand; None where none was."""
        told = self.answers.jump_fingerprint.split(",")
        return any(_same(one, shown.fingerprint) for one in told) if any(told) else None

    def password(self, user: str, place: str) -> Secret | None:
        """Return the password of a jump host's login, asked once."""
        facts = {"user": user, "place": _shown(place), "typed": self.answers.jump}
        return self.answers.jump_password or self.asks.secret(Question(id="jump_password", form="secret", params=facts))

    @property
    def told(self) -> bool:
        """Whether the password was told beforehand."""
        return self.answers.jump_password is not None

    @property
    def question(self) -> str:
        """The question for the password."""
        return "jump_password"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this controller is to machines: what opens them, and which of them are trusted.

    Attributes:
        key: this controller's key.
        pins: the host keys that are trusted.
        gates: the jump hosts, by our key.
    """

    key: ControllerKey
    pins: Pins
    gates: Gates


def reach(answers: Answers, asks: Interview, wish: Wish, identity: Identity) -> Reached:
    """Reach the machine of the answers; nothing is written before `Reached.stay`.

    Args:
        answers: ``machine`` says which, ``jump`` through which others.
        asks: whoever confirms a host key and knows a password.
        wish: the fleet, whose machines keep their names.
        identity: of this controller.

    Raises:
        ClawrackError: as `meet` says.
    """
    person = Person(answers, asks)
    if answers.machine == HERE:
        return _here(person, wish)
    known = wish.machines.get(answers.machine)
    typed = Target(known.address, known.port, known.user) if known else parse(answers.machine)
    hops = hops_of(answers.jump or (known.jump if known else ""))
    theirs = PersonKey(Path(answers.key)) if answers.key else None
    if theirs:
        _ = theirs.private  # a key that cannot be read is told before anything is sent
    passed = _passed(hops, AtGate(answers, asks), identity, None if answers.jump_password else theirs)
    target = replace(typed, via=via(hops), gate=Through(passed[-1].port_by_ssh) if passed else None)
    visit = Visit(
        _name(target, wish, identity.pins, answers.machine_name),
        target,
        identity.key,
        identity.pins,
        theirs,
        at=_asker(identity, passed),
    )
    met = meet(visit, person)
    machine = Machine(address=target.address, port=target.port, user=target.user, jump=target.via)

    def onward(listener: Listener) -> Target | None:
        for gate in passed:
            gate.stay(listener)
        return replace(target, gate=identity.gates.through(hops)) if passed else None

    def stay(listener: Listener) -> Port:
        return met.stay(listener, onward(listener))

    def become_root(listener: Listener) -> Port:
        return rootkey.become_root(met, listener, onward(listener))

    new = tuple(str(gate.visit.target) for gate in passed if not gate.ours)
    return Reached(visit.name, machine, met.port, stay, met.host_key, new, become_root)


def _passed(hops: tuple[Target, ...], person: AtGate, identity: Identity, theirs: PersonKey | None) -> list[Met]:
    """Meet jump hosts one after another, each through those before it; nothing is written."""
    passed: list[Met] = []
    for hop in hops:
        target = replace(hop, gate=Through(passed[-1].port_by_ssh) if passed else None)
        visit = Visit(jump.pin_name(hop), target, identity.key, identity.pins, theirs, rights=jump.RIGHTS)
        passed.append(meet(visit, person))
    return passed


def _asker(identity: Identity, passed: list[Met]) -> Callable[[str], Target]:
    """Return what opens the jump hosts of an old place: those just passed, others by our key."""
    open_now = {via(hops_of(_whole(gate))): Through(gate.port_by_ssh) for gate in passed}

    def at(place: str) -> Target:
        old = Target.at(place)
        if not old.via:
            return old
        return replace(old, gate=open_now.get(old.via) or identity.gates.through(hops_of(old.via)))

    return at


def _whole(gate: Met) -> str:
    """Return a jump host with those before it, as a ``via`` says them."""
    target = gate.visit.target
    return f"{target.via},{target.user}@{target.own_place}".removeprefix(",")


def _here(person: Person, wish: Wish) -> Reached:
    name = next((name for name, machine in wish.machines.items() if machine.local), HERE)
    port = rising.here(LocalPort(name), lambda: person.password(getpass.getuser(), name))
    return Reached(name, Machine(address=HERE), port, lambda _: port)


def _name(target: Target, wish: Wish, pins: Pins, told: str) -> str:
    """Return the machine's name: by its place, else by its host key where it moved, else as told or by its address.

    Raises:
        Refused: the name that was told is another machine's.
    """
    for name, machine in wish.machines.items():
        if (machine.address, machine.port, machine.jump) == (target.address, target.port, target.via):
            return name
    verdict = pins.judge("", target, hostkey.fetch(target))
    if isinstance(verdict, Moved | Twice) and not verdict.name.startswith("via "):
        return verdict.name  # of the fleet, or of a setup that was cut off before it was written down
    if told in wish.machines:
        raise Refused("add.name_taken", where=told, machine=told, other=wish.machines[told].address)
    if told:
        return machine_name(told)
    plain = re.sub(r"[^a-z0-9]+", "-", target.address.lower()).strip("-")[: _USUAL_LONGEST - 6] or "machine"
    taken = {*wish.machines}
    return machine_name(next(n for n in (plain, *(f"{plain}-{k}" for k in range(2, 1000))) if n not in taken))


def _shown(place: str) -> str:
    """Return a place as a person reads it, with its jump hosts in their language."""
    target = Target.at(place)
    return say("reach.behind", place=target.own_place, via=target.via) if target.via else place


def _same(told: str, shown: str) -> bool:
    """Compare fingerprints as people copy them: with or without ``SHA256:``, with or without padding."""

    def bare(text: str) -> str:
        return text.strip().removeprefix("SHA256:").rstrip("=")

    return bare(told) == bare(shown)
