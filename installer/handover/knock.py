"""Logins that must be refused: the only proof that an access is gone is that it does not open any more."""

import time
from datetime import UTC, datetime

from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Kind, Listener
from fleet.base.secret import Secret
from fleet.machine.hostkey import HostKey
from fleet.machine.login import Login, PasswordLogin
from fleet.machine.ssh import SshPort

_KEY_REFUSED = frozenset({"ssh.key_refused", "ssh.keys_off"})
_PASSWORD_REFUSED = frozenset({"ssh.wrong_password", "ssh.passwords_off"})


class Knocker:
    """Tries logins, one attempt each, by connections of their own to the one machine that has this host key.

    Args:
        port: the machine by the operator's key.
        host_key: of the machine.
        listen: told of every attempt.
    """

    def __init__(self, port: SshPort, host_key: HostKey, listen: Listener) -> None:
        self._port = port
        self._host_key = host_key
        self.tell = Teller(port, listen)

    def key(self) -> str:
        """Return when the operator's key was refused; empty where the machine gave no answer.

        Raises:
            ActionFailed: it opens the login (``handover.still_open``).
        """
        return self._refused("handover.knock_key", "handover.still_open", self._port.login, _KEY_REFUSED)

    def password(self, known: Secret | None) -> str:
        """Return when the password was refused; empty where nobody knows it, or no clear answer came.

        Raises:
            ActionFailed: it opens the login (``handover.password_opens``).
        """
        if known is None:
            return ""
        login = PasswordLogin(known)
        return self._refused("handover.knock_password", "handover.password_opens", login, _PASSWORD_REFUSED)

    def _refused(self, step: str, opens: str, login: Login, refusals: frozenset[str]) -> str:
        self.tell("begun", step)
        why = self._knock(login)
        if why is None:
            self.tell("failed", step)
            raise ActionFailed(opens, where=self._port.name, machine=self._port.name, user=self._port.target.user)
        proven = why.key in refusals
        self.tell("done" if proven else "unknown", step)
        return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}" if proven else ""

    def _knock(self, login: Login) -> ClawrackError | None:
        """Return why a login was refused; None where it opens."""
        fresh = SshPort(self._port.name, self._port.target, login, self._host_key)
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
