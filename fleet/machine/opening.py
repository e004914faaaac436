"""Opening a connection: Fabric's, with what Fabric leaves open closed.

Fabric trusts any host key (AutoAddPolicy, connection.py), reads ~/.ssh/config (which may redirect the host and add
keys), and offers every key it finds. None of that happens here.
"""

import contextlib
import math
import random
import threading
import time
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fabric  # pyright: ignore[reportMissingTypeStubs] - it has none
import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from fleet.base.errors import ClawrackError, Refused, TimedOut, Unreachable
from fleet.machine import hostkey, tcp, watch
from fleet.machine.hostkey import HostKey
from fleet.machine.login import Login, OneAttempt, offered
from fleet.machine.process import Deadline
from fleet.machine.refusals import HostKeyChanged, HostKeyUnknown
from fleet.machine.slots import Slots
from fleet.machine.target import Target
from fleet.machine.transport import Wire

CONNECTING = 8.0
GREETING = 15.0
KEY_EXCHANGE = 15.0
LOGIN = 30.0
ALL_OF_IT = 60.0
# sshd's MaxSessions is 10 unless told otherwise. It counts commands, not forwarded connections.
SESSIONS = 8
# sshd turns visitors away at random from the tenth that has not logged in yet (MaxStartups 10:30:100), and says so by
# hanging up. Nothing has happened then, so we come again, later.
_COME_AGAIN = (0.2, 0.5, 1.0, 2.0, 4.0)
# More handshakes at once than this only wait for each other.
_AT_ONCE = threading.BoundedSemaphore(48)
_gates: defaultdict[tuple[str, int], threading.Semaphore] = defaultdict(threading.Semaphore)


class _OnlyPinned(paramiko.MissingHostKeyPolicy):
    """Accepts the pinned host key, and none else."""

    def __init__(self, target: Target, pinned: HostKey | None) -> None:
        self._target = target
        self._pinned = pinned

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Compare; called before any login is attempted.

        Raises:
            HostKeyUnknown: none is pinned. HostKeyChanged: another is.
        """
        del client, hostname
        shown = hostkey.of(key)
        if self._pinned is None:
            raise HostKeyUnknown(str(self._target), shown.fingerprint, shown.kind)
        if shown != self._pinned:
            raise HostKeyChanged(self._target.place, self._pinned.fingerprint, shown.fingerprint)


if TYPE_CHECKING:
    _Fabric: Any = None
else:
    _Fabric = fabric.Connection


class _Strict(_Fabric):
    """Fabric's connection with a pinned host key, one login attempt, and nobody's configuration files."""

    def __init__(
        self, target: Target, login: Login, pinned: HostKey | None, sock: tcp.WireSocket, seconds: float
    ) -> None:
        kind = pinned.kind if pinned else "ssh-ed25519"
        super().__init__(  # pyright: ignore[reportUnknownMemberType]
            host=target.address,
            user=target.user,
            port=target.port,
            config=configuration(),
            gateway=False,
            forward_agent=False,
            connect_timeout=math.ceil(min(KEY_EXCHANGE, seconds)),
            connect_kwargs={
                "sock": sock,
                "transport_factory": lambda *_, **__: Wire(sock, kind),  # pyright: ignore[reportUnknownLambdaType]
                "auth_strategy": OneAttempt(target, login),
                "auth_timeout": min(LOGIN, seconds),
                "compress": False,
            },
        )
        self.client.set_missing_host_key_policy(_OnlyPinned(target, pinned))

    def derive_shorthand(self, host_string: str) -> dict[str, Any]:
        """Take the address as it is: Fabric would look for a user and a port in it."""
        return {"host": host_string, "user": None, "port": None}


def configuration() -> fabric.Config:
    """Return Fabric's configuration as it is built in, with no file read.

    A new one for each connection: Fabric's connections write to theirs, and threads that share one break each other.
    """
    return fabric.Config(ssh_config=paramiko.SSHConfig(), lazy=True)


@dataclass(slots=True)
class Link:
    """An open connection.

    Attributes:
        wire: the transport.
        slots: room for commands on it.
        shell: whether a shell was seen at its end.
    """

    wire: Wire
    _client: paramiko.SSHClient
    slots: Slots = field(default_factory=lambda: Slots(SESSIONS))
    shell: bool = False

    def close(self) -> None:
        """End it."""
        self._client.close()


def open_link(target: Target, login: Login, pinned: HostKey | None, deadline: Deadline) -> Link:
    """Connect, prove who they are, then who we are.

    Raises:
        Unreachable: nobody there, nobody that speaks SSH, or nobody that takes our key.
        Refused: host key unknown or changed, too old a server, Windows, no passwords, a second factor.
        BadInput: wrong password.
    """
    with _turn(_gates[target.address, target.port], deadline), _turn(_AT_ONCE, deadline):
        for pause in _COME_AGAIN:
            try:
                return _open_once(target, login, pinned, deadline)
            except tcp.Busy:
                pause *= random.uniform(0.5, 1.5)  # noqa: PLW2901, S311 - so that not all come again at once
                time.sleep(min(pause, deadline.left()))
        try:
            return _open_once(target, login, pinned, deadline)
        except tcp.Busy as busy:
            raise Unreachable("ssh.too_busy", where=target.place) from busy


def methods(target: Target, pinned: HostKey, seconds: float = GREETING) -> tuple[str, ...]:
    """Return how a machine lets this login in now: ``publickey``, ``password`` …; nobody logs in.

    Raises:
        Unreachable: nobody there, or it hung up.
        Refused: it shows another host key (HostKeyChanged).
    """
    sock = tcp.connect(target, min(CONNECTING, seconds))
    try:
        tcp.greeting(sock, target, seconds)
        with contextlib.closing(Wire(sock, pinned.kind)) as wire:
            wire.start_client(timeout=seconds)
            shown = hostkey.of(wire.get_remote_server_key())
            if shown != pinned:
                raise HostKeyChanged(target.place, pinned.fingerprint, shown.fingerprint)
            return offered(wire, target.user)
    except tcp.Busy as busy:
        raise Unreachable("ssh.too_busy", where=target.place) from busy
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise _told(error, target) from error
    finally:
        sock.close()


@contextlib.contextmanager
def _turn(lock: threading.Semaphore, deadline: Deadline) -> Generator[None]:
    while not lock.acquire(timeout=deadline.left()):
        pass  # left() ends this
    try:
        yield
    finally:
        lock.release()


def _open_once(target: Target, login: Login, pinned: HostKey | None, deadline: Deadline) -> Link:
    sock = tcp.connect(target, min(CONNECTING, deadline.left()))
    try:
        tcp.greeting(sock, target, min(GREETING, deadline.left()))
        connection = _Strict(target, login, pinned, sock, deadline.left())
        connection.open()
        wire: Wire = connection.transport
        wire.settle(str(target))
    except BaseException as error:
        sock.close()
        told = _told(error, target)
        if told is error:
            raise
        raise told from error
    watch.over(wire)
    return Link(wire, connection.client)


def _told(error: BaseException, target: Target) -> BaseException:
    """Return the error that a person is told."""
    match error:
        case ClawrackError() | tcp.Busy():
            return error
        case IncompatiblePeer():
            return Refused("ssh.too_old", where=target.place, shown=str(error))
        case TimeoutError():
            return TimedOut("ssh.no_handshake", where=target.place, reason=str(error))
        case paramiko.SSHException() | OSError() | EOFError():
            return Unreachable("ssh.no_handshake", where=target.place, reason=str(error) or "hung up")
        case _:
            return error
