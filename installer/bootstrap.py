"""First contact with a machine over SSH: it is met, looked at, and only then do we stay.

The order matters. The host key is settled before anything is sent, even a name. A password is asked for once and tried
once, for servers ban whoever fails twice. Meeting a machine writes nothing; staying pins its host key and installs our
key. The connection that a person opened lasts until a second one, by our key alone, has worked.
"""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Listener
from fleet.base.secret import Secret
from fleet.machine import hostkey
from fleet.machine.guard import Guard
from fleet.machine.hostkey import HostKey
from fleet.machine.jump import pin_name
from fleet.machine.keys import ControllerKey, PersonKey
from fleet.machine.login import KeyLogin, Login, PasswordLogin
from fleet.machine.pins import Known, Moved, Pins, Twice, Unknown, Verdict, refusal
from fleet.machine.port import Port
from fleet.machine.refusals import HostKeyTwice
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from installer import remote
from installer.rising import RisingPort

NOT_TAKEN = frozenset({"ssh.key_refused", "ssh.keys_off"})
"""The errors of a login that does not take our key."""


class Answers(Protocol):
    """The person, or whoever speaks for them."""

    def vouches(self, shown: HostKey) -> bool | None:
        """Return whether this is the key whose fingerprint was told beforehand; None where none was told."""
        ...

    def accept(self, target: Target, shown: HostKey, verdict: Unknown | Moved) -> bool:
        """Return whether to trust this host key from now on."""
        ...

    def password(self, user: str, place: str) -> Secret | None:
        """Return the password of a login; asked at most once; None where there is none to be had."""
        ...

    def once_more(self, user: str, place: str) -> Secret | None:
        """Return another password after the first was wrong; None where nobody takes the risk of being banned."""
        ...


@dataclass(frozen=True, slots=True)
class Visit:
    """Where to go, and as whom.

    Attributes:
        name: the machine's name.
        target: its address, port and login.
        key: this controller's key.
        pins: the host keys that are trusted.
        with_key: a key of the person's that opens the login now, instead of a password.
        rights: what our key may do there, as authorized_keys says it; empty for all that the login may.
        at: returns the target of a place that was pinned, its jump hosts open.
    """

    name: str
    target: Target
    key: ControllerKey
    pins: Pins
    with_key: PersonKey | None = None
    rights: str = ""
    at: Callable[[str], Target] = Target.at

    def one_machine(self, old: Target, shown: HostKey) -> bool:
        """Return whether the old place and the new one are one machine that has two addresses.

        Both show one key. Two machines are in two boots, which their guards mark; without a guard nobody can tell.
        """
        boots: list[str] = []
        for place in (replace(old, user=self.target.user), self.target):
            with contextlib.closing(SshPort(self.name, place, KeyLogin(self.key), shown)) as port:
                try:
                    boots.append(dict(Guard(port).look()).get("boot", ""))
                except ClawrackError:
                    return False
        return bool(boots[0]) and boots[0] == boots[1]


class KeyTwice(HostKeyTwice):
    """A machine shows the host key of another one that is alive too.

    Attributes:
        visit: where it is.
        name: of the machine that is known by this key.
        host_key: that it showed.
    """

    def __init__(self, visit: Visit, verdict: Twice, host_key: HostKey) -> None:
        super().__init__(visit.target.place, verdict.other, host_key.fingerprint)
        self.visit = visit
        self.name = verdict.name
        self.host_key = host_key

    def port(self) -> SshPort:
        """Return it by our key, which a copied disk took along."""
        return SshPort(self.visit.name, self.visit.target, KeyLogin(self.visit.key), self.host_key)


@dataclass(frozen=True, slots=True)
class Met:
    """A machine that was met, and that nothing has been written to: neither there, nor of it here.

    Attributes:
        visit: where it is.
        host_key: what it showed, and somebody vouches for.
        port: of it, by whichever login opens it now; ``root=True`` asks for a password when it must.
        known: whether the host key is pinned already.
        ours: whether our key alone opens it already.
        asked: the login's password, where it was or will be needed.
        port_by_ssh: the same connection without root's rights: what others are reached through.
    """

    visit: Visit
    host_key: HostKey
    port: Port
    known: bool
    ours: bool
    asked: "_Once"
    port_by_ssh: SshPort

    def stay(self, listener: Listener, target: Target | None = None) -> Port:
        """Pin the host key, install our key and prove it; return the machine, reached by our key from now on.

        Args:
            listener: told of it.
            target: how it is reached from now on, where that is another way than it was met by: its jump hosts
                are passed by our key then.

        Raises:
            ActionFailed: our key could not be installed, or does not open the login.
            Unreachable: the wire was cut.
        """
        visit = self.visit if target is None else replace(self.visit, target=target)
        if not self.known:
            visit.pins.pin(visit.name, visit.target, self.host_key)
        if self.ours and not visit.rights and visit.pins.place_of(pin_name(visit.target)):
            _install(self.port, visit)  # a jump host so far: our key might only pass through
        if self.ours and target is None:
            listener(Event(kind="already", subject=visit.name, step="step.key"))
            return self.port
        started = time.monotonic()
        listener(Event(kind="begun", subject=visit.name, step="step.key"))
        if not self.ours:
            _install(self.port, visit)
        ours = SshPort(visit.name, visit.target, KeyLogin(visit.key), self.host_key)
        if not opens(ours):
            withdraw(self.port, visit.key)  # a key that opens nothing is left nowhere
            raise ActionFailed("bootstrap.key_not_taken", where=visit.name, user=visit.target.user)
        self.port.close()  # not before the second connection has worked
        listener(Event(kind="done", subject=visit.name, step="step.key", elapsed=time.monotonic() - started))
        return _rising(visit, ours, KeyLogin(visit.key), self.host_key, self.asked)


def meet(visit: Visit, answers: Answers) -> Met:
    """Reach a machine by our key, or by the person's login; nothing is written, here or there.

    Raises:
        Refused: the host key is not trusted, changed, or shown by two machines; no passwords are taken.
        BadInput: the password is wrong.
        Unreachable: nobody there.
    """
    asked = _Once(visit, answers)
    host_key, known = trust(visit, answers)
    login: Login = KeyLogin(visit.key)
    port = SshPort(visit.name, visit.target, login, host_key)
    ours = opens(port)
    if not ours:
        port = _opened(visit, host_key, answers, asked)
        login = port.login
    return Met(visit, host_key, _rising(visit, port, login, host_key, asked), known, ours, asked, port)


def _rising(visit: Visit, port: Port, login: Login, host_key: HostKey, asked: "_Once") -> Port:
    """Return the machine with root's rights to be had, whoever logs in."""
    if visit.target.user == "root":
        return port

    def again(password: Secret) -> Port:
        return SshPort(visit.name, visit.target, login, host_key, sudo_password=password)

    return RisingPort(port, asked, again)


class _Once:
    """The login's password: asked for once, for the login and for sudo; in memory only."""

    def __init__(self, visit: Visit, answers: Answers) -> None:
        self._visit = visit
        self._answers = answers
        self._said: list[Secret | None] = []

    def __call__(self) -> Secret | None:
        if not self._said:
            self._said.append(self._answers.password(self._visit.target.user, self._visit.target.place))
        return self._said[0]

    def said(self, password: Secret) -> None:
        """Take another password for the one that was wrong."""
        self._said[:] = [password]


def trust(visit: Visit, answers: Answers) -> tuple[HostKey, bool]:
    """Return the machine's host key, vouched for, and whether it is pinned; no more than a key exchange has happened.

    Raises:
        Refused: nobody vouches for it, it changed, or two machines show it.
        Unreachable: nobody there.
    """
    shown = hostkey.fetch(visit.target, kind=_pinned_kind(visit))
    vouched = answers.vouches(shown)
    if vouched is False:
        raise Refused("hostkey.not_that_one", where=visit.target.place, shown=shown.fingerprint)
    verdict: Verdict = visit.pins.settle(visit.name, visit.target, shown, at=visit.at, one=visit.one_machine)
    if not vouched:
        _ask(visit, shown, verdict, answers)
    return shown, isinstance(verdict, Known)


def _ask(visit: Visit, shown: HostKey, verdict: Verdict, answers: Answers) -> None:
    """Have somebody vouch for a key that is not known yet; a changed key nobody can wave through."""
    refused = refusal(verdict, visit.target, shown)
    if refused is None:
        return
    if isinstance(verdict, Twice):
        raise KeyTwice(visit, verdict, shown)
    if not isinstance(verdict, Unknown | Moved):
        raise refused
    if not answers.accept(visit.target, shown, verdict):
        raise Refused("hostkey.declined", where=visit.target.place)


def _pinned_kind(visit: Visit) -> str:
    try:
        pinned = visit.pins.key_of(visit.name, visit.target)
    except HostKeyTwice:
        pinned = None
    return pinned.kind if pinned else "ssh-ed25519"


def withdraw(port: Port, key: ControllerKey) -> None:
    """Take our key off the machine's login; what else is in the file stays. The last thing that removal does.

    Raises:
        ActionFailed: the line is still there (``bootstrap.key_stays``).
        Unreachable: the wire was cut.
    """
    remote.ask(port, "authorize.sh", "remove", key.public, root=False)
    if remote.ask(port, "authorize.sh", "look", key.public, root=False).get("there"):
        raise ActionFailed("bootstrap.key_stays", where=port.name)


def _opened(visit: Visit, host_key: HostKey, answers: Answers, asked: _Once) -> SshPort:
    """Return the machine by the person's login: one attempt, and a second only where they want it all the same.

    Raises:
        BadInput: the password is wrong.
    """
    port = SshPort(visit.name, visit.target, _login(visit, asked), host_key)
    try:
        port.connect()
    except BadInput as error:
        again = answers.once_more(visit.target.user, visit.target.place) if error.key == "ssh.wrong_password" else None
        if again is None:
            raise
        asked.said(again)
        port = SshPort(visit.name, visit.target, PasswordLogin(again), host_key)
        port.connect()
    return port


def _login(visit: Visit, asked: _Once) -> Login:
    """Return how a person opens the login."""
    if visit.with_key:
        return KeyLogin(visit.with_key)
    password = asked()
    if password is None:
        raise Refused("bootstrap.no_password", where=visit.name)
    return PasswordLogin(password)


def opens(port: SshPort, uid: str = "") -> bool:
    """Return whether our key alone opens the login and runs a command, as this user where one is named."""
    try:
        ran = port.run(("id", "-u"))
    except Unreachable as error:
        if error.key in NOT_TAKEN:
            return False
        raise
    return ran.code == 0 and uid.encode() in {b"", ran.out.strip()}


def _install(door: Port, visit: Visit) -> None:
    ran = remote.run(door, "authorize.sh", "add", visit.key.public, visit.rights, root=False)
    if ran.code:
        raise ActionFailed("bootstrap.key_not_installed", where=door.name, reason=remote.why(ran))
