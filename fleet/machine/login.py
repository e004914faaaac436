"""Who we are, said once: one key or one password, one attempt, whatever the server would still allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import paramiko

from fleet.base.errors import BadInput, ClawrackError, Refused, Unreachable, WireCut
from fleet.base.secret import Secret
from fleet.machine.keys import ControllerKey, PersonKey
from fleet.machine.target import Target


@dataclass(frozen=True, slots=True)
class KeyLogin:
    """Log in with a key: the controller's, or once the person's own."""

    key: ControllerKey | PersonKey


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """Log in with a password that a person gave."""

    password: Secret


Login = KeyLogin | PasswordLogin


def offered(transport: paramiko.Transport, user: str) -> tuple[str, ...]:
    """Return the methods by which a server lets a login in; no server counts asking as a failure.

    Raises:
        paramiko.SSHException, EOFError, OSError: it hung up.
    """
    try:
        transport.auth_none(user)
    except paramiko.BadAuthenticationType as error:
        return tuple(error.allowed_types)
    return ("none",)


class OneAttempt:
    """What paramiko calls to authenticate: exactly one attempt, for servers ban whoever fails twice."""

    def __init__(self, target: Target, login: Login) -> None:
        self._target = target
        self._login = login
        self._answers: _Answers | None = None

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Log in.

        Raises:
            BadInput: wrong password (or no such user: servers do not say which).
            Refused: the server takes no passwords, or wants a second factor.
            Unreachable: it does not take the key; WireCut: it hung up.
        """
        try:
            more = self._attempt(transport)
        except ClawrackError:
            raise
        except paramiko.BadAuthenticationType as error:
            raise self._not_offered(error.allowed_types) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._refused(transport) from error
        if more:
            raise Refused("ssh.second_factor", where=str(self._target), methods=", ".join(more))

    def _attempt(self, transport: paramiko.Transport) -> Sequence[str]:
        user = self._target.user
        if isinstance(self._login, KeyLogin):
            return transport.auth_publickey(user, self._login.key.private)
        try:
            return transport.auth_none(user)  # no server counts this as a failure; it names what is offered
        except paramiko.BadAuthenticationType as error:
            offered = error.allowed_types
        if "password" in offered:
            return transport.auth_password(user, self._login.password.reveal(), fallback=False)
        self._answers = _Answers(self._login.password)
        return transport.auth_interactive(user, self._answers)

    def _refused(self, transport: paramiko.Transport) -> ClawrackError:
        where, user = str(self._target), self._target.user
        if self._answers and self._answers.asked_more:
            return Refused("ssh.second_factor", where=where, methods="keyboard-interactive")
        if not transport.is_active():
            return WireCut("ssh.hung_up", where=where, user=user)
        if isinstance(self._login, KeyLogin):
            return Unreachable("ssh.key_refused", where=where, user=user, target=self._target)
        return BadInput("ssh.wrong_password", where=where, user=user)

    def _not_offered(self, allowed: Sequence[str]) -> ClawrackError:
        where, methods = str(self._target), ", ".join(allowed)
        if isinstance(self._login, KeyLogin):
            return Unreachable("ssh.keys_off", where=where, methods=methods)
        return Refused("ssh.passwords_off", where=where, methods=methods)


class _Answers:
    """Answers one hidden prompt with the password, once."""

    def __init__(self, password: Secret) -> None:
        self._password = password
        self._said = False
        self.asked_more = False

    def __call__(self, title: str, instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str]:
        del title, instructions
        if not prompts:
            return []
        if self._said or len(prompts) > 1 or prompts[0][1]:
            self.asked_more = True
            raise paramiko.SSHException("a prompt that is not for the password")
        self._said = True
        return [self._password.reveal()]
