"""Logins that must be refused: the only proof that an access is gone is that it does not open any more."""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Kind, Listener
from fleet.machine.login import KeyLogin, Login, PasswordLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from installer.bootstrap import NOT_TAKEN
from installer.handover.operator import Operator

_PASSWORD_REFUSED = frozenset({"ssh.wrong_password", "ssh.passwords_off"})


@dataclass(frozen=True, slots=True)
class _Knock:
    """One attempt: its step, the error where it opens, and the refusals that prove something."""

    step: str
    opens: str
    refusals: frozenset[str]


class Knocker:
    """Tries logins, one attempt each, by connections of their own to the one machine that has this host key.

    Args:
        port: the machine by the operator's key.
        operator: who came in, and proves by the host key that it is the same machine.
        listen: told of every attempt.
    """

    def __init__(self, port: SshPort, operator: Operator, listen: Listener) -> None:
        self._port = port
        self._operator = operator
        self.tell = Teller(port, listen)

    def key(self) -> str:
        """Return when the operator's key was refused; empty where the machine gave no answer.

        Raises:
            ActionFailed: it opens the login (``handover.still_open``).
        """
        knock = _Knock("handover.knock_key", "handover.still_open", NOT_TAKEN)
        return self._refused(knock, self._port.target, self._port.login)

    def password(self) -> str:
        """Return when the operator's password was refused; empty where they know none, or no clear answer came.

        Raises:
            ActionFailed: it opens the login (``handover.password_opens``).
        """
        known, target = self._operator.password, self._port.target
        if known is None:
            return ""
        target = replace(target, user=self._operator.login or target.user)
        knock = _Knock("handover.knock_password", "handover.password_opens", _PASSWORD_REFUSED)
        return self._refused(knock, target, PasswordLogin(known))

    def came(self) -> str:
        """Return the fingerprint of the key that the operator came with, where it was not refused; else empty.

        A dash where the key cannot be read any more, so that nothing is known of it.
        """
        key = self._operator.key
        if key is None:
            return ""
        target = replace(self._port.target, user=self._operator.login or self._port.target.user)
        try:
            found = key.private.fingerprint
        except BadInput:
            return "-"
        why = self._knock(target, KeyLogin(key))
        return "" if why and why.key in NOT_TAKEN else found

    def opens(self) -> bool:
        """Return whether the operator's key opens the login still; nothing is told of the attempt."""
        return self._knock(self._port.target, self._port.login) is None

    def _refused(self, knock: "_Knock", target: Target, login: Login) -> str:
        self.tell("begun", knock.step)
        why = self._knock(target, login)
        if why is None:
            self.tell("failed", knock.step)
            raise ActionFailed(knock.opens, where=self._port.name, machine=self._port.name, user=target.user)
        proven = why.key in knock.refusals
        self.tell("done" if proven else "unknown", knock.step)
        return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" if proven else ""

    def _knock(self, target: Target, login: Login) -> ClawrackError | None:
        """Return why a login was refused; None where it opens."""
        fresh = SshPort(self._port.name, target, login, self._operator.host_key)
        try:
            fresh.connect()
        except (BadInput, Refused, Unreachable) as error:
            return error
        finally:
            fresh.close()
        return None


class Teller:
    """Sends events with the seconds since the last began."""

    def __init__(self, port: SshPort, listen: Listener) -> None:
        self._listen = listen
        self._name = port.name
        self._params = {"user": port.target.user, "machine": port.name}
        self._started = time.monotonic()

    def __call__(self, kind: Kind, step: str) -> None:
        """Send one."""
        if kind == "begun":
            self._started = time.monotonic()
        elapsed = time.monotonic() - self._started
        self._listen(Event(kind=kind, subject=self._name, step=step, params=self._params, elapsed=elapsed))
