"""Connections that begin on a machine and end here: a port on its loopback that leads through our one connection.

Nobody outside the machine may come by it. sshd binds what it is asked for, unless its `GatewayPorts yes` says otherwise
(sshd_config(5)): so the machine is looked at, and a port that listens anywhere else is closed at once.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Generator, Iterator

from fleet.base.errors import ActionFailed, ClawrackError, Refused
from fleet.machine.jump import Pump
from fleet.machine.ssh import SshPort
from fleet.machine.stream import Stream
from fleet.machine.transport import NotOpened, Wire

LOOPBACK = "127.0.0.1"
AT_ONCE = 32
"""Connections served at once; an engine opens three for an image."""
_SECONDS = 20.0
_CAP = 4 << 20
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_LISTENS = "0A"
_OURS = frozenset({"0100007F", "7F000001"})
"""127.0.0.1 as the kernel writes it, by the machine's own order of bytes (proc(5))."""

Reach = Callable[[], socket.socket]
"""Connects to what the machine's connections are to end at. Raises OSError."""


@contextlib.contextmanager
def backward(port: SshPort, reach: Reach) -> Generator[int]:
    """Lead a port of the machine's loopback here, for as long as the block lasts; give its number.

    Raises:
        Refused: its sshd forwards nothing, or would let others than the machine itself in.
        ActionFailed: it cannot tell where it listens.
        Unreachable: the machine does not answer.
    """
    wire, room = port.connect().wire, threading.BoundedSemaphore(AT_ONCE)
    try:
        number = wire.listen(LOOPBACK, lambda: _taken(reach, room), _SECONDS)
    except NotOpened as error:
        raise Refused("ssh.forwarding_off", where=port.name) from error
    try:
        _check_alone(port, number)
        yield number
    finally:
        _ended(wire, number)


def _taken(reach: Reach, room: threading.BoundedSemaphore) -> Callable[[Stream], None] | None:
    """Return what serves a connection of the machine's; None where there are too many already."""
    if not room.acquire(blocking=False):
        return None

    def serve(stream: Stream) -> None:
        try:
            with contextlib.closing(reach()) as sock:
                Pump(sock, stream).run()
        except OSError:
            stream.kill()
        finally:
            room.release()

    return lambda stream: threading.Thread(target=serve, args=(stream,), name="clawrack-backward", daemon=True).start()


def _ended(wire: Wire, number: int) -> None:
    """Close the port; where the wire is cut, sshd closes it."""
    with contextlib.suppress(NotOpened, ClawrackError):
        wire.unlisten(LOOPBACK, number, _SECONDS)


def _check_alone(port: SshPort, number: int) -> None:
    """See that only the machine itself can come by a port of it.

    Raises:
        Refused: others could. ActionFailed: it does not tell.
    """
    ran = port.run(("cat", *_TABLES), cap=_CAP)
    found = set(listening(ran.out.decode("ascii", "replace"), number))
    if not found:
        raise ActionFailed("wire.port_unseen", where=port.name, port=number)
    if found - _OURS:
        raise Refused("wire.port_open", where=port.name, port=number)


def listening(table: str, port: int) -> Iterator[str]:
    """Yield the addresses, as the kernel writes them, at which somebody listens on a port; of /proc/net/tcp's text."""
    for row in table.splitlines():
        words = row.split()
        if len(words) > 3 and words[3] == _LISTENS and words[1].endswith(f":{port:04X}"):  # noqa: PLR2004 - its columns
            yield words[1].partition(":")[0]
