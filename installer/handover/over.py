"""The hand-over itself: the owner's command comes, the password goes, and last of all the key that we came with."""

from dataclasses import dataclass, replace
from typing import Literal

from msgspec import structs

from fleet.base.clean import number
from fleet.base.errors import BadInput, ClawrackError, Refused, Unreachable
from fleet.base.event import Listener
from fleet.base.secret import Secret
from fleet.machine import harden
from fleet.machine.guard import Guard, Lease
from fleet.machine.keys import ControllerKey
from fleet.machine.login import KeyLogin
from fleet.machine.ssh import SshPort
from fleet.site import held
from installer.handover import others, owner
from installer.handover.knock import Knocker
from installer.handover.operator import Operator, Parting
from installer.receipt.form import Access, Changes, Password, PasswordFate

_PROVEN: dict[PasswordFate, Password] = {"rotate": "rotated", "off": "off", "remove": "removed", "never": "never"}


@dataclass(frozen=True, slots=True)
class Handed:
    """What came of a hand-over: who may still log in, and what is on the device."""

    access: Access
    changes: Changes


def hand_over(port: SshPort, operator: Operator, parting: Parting, listen: Listener) -> Handed:
    """Take the operator's access off a machine, and prove it by logins that are refused; the port is closed with it.

    The owner's command is brought; the password goes first, and its refusal is proven while the key still opens the
    login; the key goes last, by one rename on the machine. So whatever breaks off before that leaves full access, and
    the error says so; nothing leaves half of it.

    Args:
        port: the machine, through the login that is given up, by this controller's key; nobody else holds its lease.
        operator: whoever set it up.
        parting: what becomes of the password.
        listen: told of everything.

    Returns:
        What was proven. ``access.key`` is ``unproven`` where the machine did not answer afterwards.

    Raises:
        BadInput: the new password is missing, or is the one that the operator knows.
        Refused: somebody else holds the lease; the login is the only one, so it is not removed.
        ActionFailed: the machine said no, or a login that should be refused still opens: the operator has full access.
        Unreachable: the machine was not reached before the key was touched: full access.
    """
    return _HandOver(port, operator, parting, listen).done()


def prove(port: SshPort, operator: Operator, parting: Parting, listen: Listener) -> Access:
    """Return what refused logins prove of a hand-over whose end nobody saw; nothing is changed.

    Args:
        port: the machine by this controller's key; it is not connected.
        operator: whoever set it up; the password is tried where it is known.
        parting: what became of the password.
        listen: told of everything.

    Raises:
        ActionFailed: the key still opens the login (``handover.still_open``), or the password does.
    """
    knocker = Knocker(port, operator, listen)
    at = knocker.key()
    later = knocker.password() if at else ""
    password = _PROVEN[parting.way] if later or parting.way == "never" else "unproven"
    access = _access(port, operator, key=at, at=later or at, password=password)
    return structs.replace(access, came=knocker.came() if at else "")


@dataclass(frozen=True, slots=True)
class _End:
    """What is proven of the password, and the logins that a rule of somebody's own lets come by one still.

    ``keys`` are the fingerprints of the other keys in the login's own file.
    """

    password: Password
    kept: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class _HandOver:
    def __init__(self, port: SshPort, operator: Operator, parting: Parting, listen: Listener) -> None:
        self._port = port
        self._operator = operator
        self._parting = parting
        self._knocker = Knocker(port, operator, listen)
        self._tell = self._knocker.tell
        self._guard = Guard(port)
        self._user = port.target.user
        self._person = operator.login or self._user

    def done(self) -> Handed:
        public = self._checked().public
        try:
            end, said = self._done(public)
        except ClawrackError:
            if self._knocker.opens():
                self._tell("note", "handover.full_access")
            raise
        self._port.close()
        return Handed(self._proven(end, said), _changes(said))

    def _done(self, public: str) -> tuple["_End", list[tuple[str, str]]]:
        """Do it, and return what is proven of the password, and what the guard said at last."""
        with held(self._port, self._operator.holder) as site:
            self._tell("begun", "handover.owner")
            self._guard.owner(site.lease, owner.files(self._parting.language))
            self._tell("done", "handover.owner")
            end = replace(self._password(site.lease), keys=others.fingerprints(self._port, public))
            return end, self._gone(site.lease, public)

    def _checked(self) -> ControllerKey:
        """Return the key that is given up, once nothing is missing."""
        login, new, name = self._port.login, self._parting.new, self._port.name
        if not isinstance(login, KeyLogin) or not isinstance(login.key, ControllerKey):
            raise Refused("handover.not_ours", where=name, machine=name)
        if (self._parting.way == "rotate") != (new is not None) or (new and not new.reveal()):
            raise BadInput("handover.no_new_password", where=name, machine=name)
        if new is not None and new == self._operator.password:
            raise BadInput("handover.same_password", where=name, machine=name)
        if self._parting.way == "remove" and self._person != self._user:
            raise BadInput("handover.other_login", where=name, machine=name, user=self._person)
        return login.key

    def _password(self, lease: Lease) -> "_End":
        """Make the password that the operator knows useless, and return what is proven of that."""
        match self._parting:
            case Parting(way="rotate", new=Secret() as new):
                self._tell("begun", "handover.password")
                self._guard.password(lease, self._person, new)
                self._tell("done", "handover.password")
                return _End("rotated" if self._knocker.password() else "unproven")
            case Parting(way="off"):
                self._tell("begun", "handover.off")
                kept = harden.harden(self._guard, lease, self._port).kept  # it asks anew: we are offered none any more
                self._tell("done", "handover.off")
                refused = self._operator.password is None or self._knocker.password()
                return _End("off" if refused and not kept else "unproven", kept)
            case _:
                return _End("never" if self._parting.way == "never" else "unproven")

    def _gone(self, lease: Lease, public: str) -> list[tuple[str, str]]:
        """Have the key, or the whole login, taken away; a wire that is cut there leaves it to the proof."""
        what: Literal["key", "login"] = "login" if self._parting.way == "remove" else "key"
        self._tell("begun", "handover.key")
        try:
            said = self._guard.handover(lease, self._user, what, public)
        except Unreachable:
            self._tell("unknown", "handover.key")
            return []
        self._tell("done", "handover.key")
        return said

    def _proven(self, end: "_End", said: list[tuple[str, str]]) -> Access:
        """Knock from outside; only what is refused is called removed."""
        password, at = end.password, (key := self._knocker.key())
        if key and self._parting.way == "remove" and (later := self._knocker.password()):
            at, password = later, "removed"
        count = next((number(value) for key, value in said if key == "others"), None)
        access = _access(self._port, self._operator, key=key, at=at, password=password)
        came = self._knocker.came() if key else ""
        return structs.replace(access, others=count, kept=end.kept, keys=end.keys if count else (), came=came)


def _access(port: SshPort, operator: Operator, *, key: str, at: str, password: Password) -> Access:
    login = port.target.user
    person = "" if operator.login == login else operator.login
    return Access(login=login, person=person, key="removed" if key else "unproven", password=password, proven=at)


def _changes(said: list[tuple[str, str]]) -> Changes:
    one = dict(said)
    paths = tuple(value for key, value in said if key == "made")
    told = {key: one.get(key, "") for key in ("docker", "command", "data")}
    return Changes(paths=paths, **told)
