"""Password logins switched off on a machine so that nobody is locked out: armed, proven by a new connection, committed.

The guard writes sshd's lines and goes back by itself where nobody commits in time (docs/hardening.md). What can only be
seen from outside is seen here: that a connection of its own still comes in by our key alone and may run the guard, and
that the server takes no password any more.
"""

import time
from dataclasses import dataclass

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, ClawrackError, Refused, Unreachable
from fleet.machine.guard import Guard, Lease
from fleet.machine.keys import ControllerKey
from fleet.machine.login import KeyLogin
from fleet.machine.port import Port
from fleet.machine.ssh import SshPort

TRIAL = 60
"""Seconds of the machine's uptime after which it goes back by itself, uncommitted."""
PASSWORDS = frozenset({"password", "keyboard-interactive"})
_PAUSE, _PATIENCE = 0.3, 5.0
_CONNECTION = 4  # SSH_CONNECTION: whence, its port, where to, its port


@dataclass(frozen=True, slots=True)
class Hardened:
    """How it went.

    Attributes:
        changed: whether anything had to be done.
        kept: logins that may still come by password, because somebody's own rule says so.
    """

    changed: bool
    kept: tuple[str, ...] = ()


def takes_passwords(port: SshPort) -> bool:
    """Return whether the machine would let our login in by a password; asked anew, nobody logs in.

    While sshd reads its files nobody listens for a moment, so one that does not answer is asked again.

    Raises:
        Unreachable: it does not answer.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return bool(PASSWORDS.intersection(port.methods()))
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


def harden(guard: Guard, lease: Lease, port: Port, seconds: int = TRIAL) -> Hardened:
    """Switch password logins off for good, proven by a new connection before it counts.

    Args:
        guard: the machine's.
        lease: held on it.
        port: the machine, by our key; its connection stays open.
        seconds: until it goes back by itself.

    Raises:
        Refused: it is this computer, its maker owns sshd there, or what is configured would lock us out.
        ActionFailed: it could not be proven; it was taken back, or goes back by itself.
        Unreachable: the wire was cut; it goes back by itself.
    """
    if not isinstance(port, SshPort) or not isinstance(port.login, KeyLogin):
        raise Refused("harden.here", where=port.name)
    said = guard.harden(lease, *_armed(port, port.login, seconds))
    kept = tuple(line(name) for name in said.get("kept", "").split())
    if said.get("already") == "1":
        _proven(port, time.monotonic() + _PATIENCE)
        return Hardened(changed=False, kept=kept)
    try:
        _proven(port, time.monotonic() + seconds)
        guard.harden(lease, "commit")
    except ClawrackError as error:
        raise _not_proven(guard, lease, seconds, error) from error
    return Hardened(changed=True, kept=kept)


def _armed(port: SshPort, login: KeyLogin, seconds: int) -> tuple[str, ...]:
    """Return the words of ``arm``: who comes, from where to where as the machine sees it, and by which key."""
    ran = port.run(("printenv", "SSH_CONNECTION"))
    way = line(ran.out).split()
    if len(way) != _CONNECTION or not isinstance(login.key, ControllerKey):
        raise Refused("harden.unclear", where=port.name)
    whence, _, here, at = way
    return ("arm", port.target.user, whence, here, at, login.key.public.split()[1], str(seconds))


def _proven(port: SshPort, until: float) -> None:
    """Come in anew by our key alone, and run the guard, once the server takes no password any more."""
    while takes_passwords(port):  # it is reading its files
        if time.monotonic() > until:
            raise ActionFailed("harden.still_open", where=port.name)
        time.sleep(_PAUSE)
    fresh = port.fresh()
    try:
        Guard(fresh).hardening()
    finally:
        fresh.close()


def _not_proven(guard: Guard, lease: Lease, seconds: int, why: ClawrackError) -> ClawrackError:
    """Take it back over the connection that is still open; where that fails, it goes back by itself."""
    where, told = guard.port.name, line(str(why))
    try:
        guard.soften(lease)
    except ClawrackError:
        return Unreachable("harden.goes_back", where=where, seconds=seconds, why=told)
    return ActionFailed("harden.taken_back", where=where, why=told)
