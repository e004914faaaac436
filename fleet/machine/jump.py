"""Jump hosts: machines that others are reached through, each connected to once, by a forwarded connection.

A jump host sees an encrypted SSH connection pass, and no more: the login, the host key and all that is said belong to
the machine behind it. No agent is forwarded. docs/reaching.md tells the whole.
"""

import contextlib
import select
import socket
import threading
from collections.abc import Callable

from fleet.base.errors import ClawrackError, Refused, Unreachable, WireCut
from fleet.machine.hostkey import HostKey
from fleet.machine.login import Login
from fleet.machine.ssh import SshPort
from fleet.machine.stream import Stream
from fleet.machine.target import Gate, Target, hops_of, via

_PIECE = 1 << 16
_LOOK = 1000  # milliseconds
RIGHTS = "restrict,port-forwarding"
"""What our key may do on a jump host, as authorized_keys says it: pass through; no terminal, no agent, no X11."""


def pin_name(hop: Target) -> str:
    """Return the name under which a jump host's key is pinned."""
    return f"via {hop.place}"


class Through:
    """A jump host that others are reached through.

    Args:
        port: of it; its connection is opened at first use, and again when it died.
    """

    def __init__(self, port: SshPort) -> None:
        self.port = port

    def reach(self, address: str, port: int, timeout: float) -> socket.socket:
        """Return a socket whose other end is what the jump host connects to.

        Raises:
            Unreachable: the jump host does not answer, or does not get through.
            Refused: it forwards nothing.
        """
        try:
            stream = self.port.through(address, port, timeout)
        except Unreachable as error:
            if error.key != "wire.no_dial":
                raise
            raise Unreachable("jump.no_way", where=self.port.name, address=address, port=port) from error
        except Refused as error:
            if error.key != "ssh.forwarding_off":
                raise
            raise Refused("jump.forbidden", where=self.port.name) from error
        near, far = socket.socketpair()
        threading.Thread(target=Pump(far, stream).run, name="clawrack-jump", daemon=True).start()
        return near


class Gates:
    """The jump hosts of a fleet, each connected to once whoever is behind it.

    Args:
        login: by what we log in to them.
        key_of: returns the pinned host key of a jump host, by the name that it is pinned under.
    """

    def __init__(self, login: Callable[[], Login], key_of: Callable[[str, Target], HostKey | None]) -> None:
        self._login = login
        self._key_of = key_of
        self._open: dict[str, Through] = {}
        self._lock = threading.Lock()

    def target(self, address: str, port: int, user: str, jump: str = "") -> Target:
        """Return how a machine is reached, through its jump hosts where it has any.

        Raises:
            BadInput: a jump host is not an address that could exist.
        """
        hops = hops_of(jump)
        return Target(address, port, user, via=via(hops), gate=self.through(hops))

    def through(self, hops: tuple[Target, ...]) -> Gate | None:
        """Return the last of the jump hosts, reached through those before it; None where there are none."""
        if not hops:
            return None
        with self._lock:
            return self._gate(hops)

    def port(self, hops: tuple[Target, ...]) -> SshPort:
        """Return the last of the jump hosts as a machine."""
        with self._lock:
            return self._gate(hops).port

    def _gate(self, hops: tuple[Target, ...]) -> Through:
        whole, last = via(hops), hops[-1]
        if whole not in self._open:
            before = self._gate(hops[:-1]) if len(hops) > 1 else None
            target = Target(last.address, last.port, last.user, via=last.via, gate=before)
            host_key = self._key_of(pin_name(last), target)
            gate = Through(SshPort(str(last), target, self._login(), host_key))
            if host_key is None:
                return gate  # it may be pinned before it is asked for again
            self._open[whole] = gate
        return self._open[whole]


class Pump:
    """Passes bytes both ways between a socket and a channel, in one thread, until either ends.

    What one side does not take is not read from the other.
    """

    def __init__(self, sock: socket.socket, stream: Stream) -> None:
        self._sock = sock
        self._stream = stream
        self._out = b""
        self._in = b""
        self._ended = False

    def run(self) -> None:
        """Serve it to its end."""
        self._sock.setblocking(False)
        with contextlib.suppress(OSError, ValueError, EOFError, ClawrackError):
            while self._passed():
                self._wait()
        with contextlib.suppress(OSError, WireCut):
            self._stream.kill()
        self._sock.close()

    def _passed(self) -> bool:
        """Pass on what there is without waiting; return whether there can be more."""
        over = self._stream.over()
        self._out = self._out or self._stream.take()[0]
        if self._out:
            with contextlib.suppress(BlockingIOError):
                self._out = self._out[self._sock.send(self._out) :]
        if not self._in and not self._ended:
            with contextlib.suppress(BlockingIOError):
                self._in = self._sock.recv(_PIECE)
                self._ended = not self._in
        while self._in and (went := self._stream.put(self._in)):
            self._in = self._in[went:]
        return not (over and not self._out) and not (self._ended and not self._in)

    def _wait(self) -> None:
        """Wait until either side has something, or takes what it did not take."""
        wanted = (0 if self._in else select.POLLIN) | (select.POLLOUT if self._out else 0)
        poll = select.poll()
        poll.register(self._stream.fileno(), select.POLLIN)
        if wanted:
            poll.register(self._sock, wanted)
        poll.poll(_LOOK)
        self._stream.wait(0)
