"""The TCP connection under SSH: what it answers is looked at before anything is said to it."""

import contextlib
import fcntl
import socket
import struct
import termios
import time

from fleet.base.clean import line
from fleet.base.errors import Refused, Unreachable
from fleet.machine.target import Target

CHUNK = 1 << 16
# RFC 4253 4.2: a line is at most 255 bytes; a server may send other lines before its version.
_LINE, _LINES = 255, 20
_NEXT_LINE = 2.0  # seconds


class Busy(Exception):
    """The server hung up before its banner: OpenSSH's MaxStartups does that, and it is safe to try again."""


class WireSocket(socket.socket):
    """A TCP socket that reads ahead, acknowledges at once, remembers when it last heard, and wakes readers on close.

    OpenSSH's server leaves Nagle's algorithm on, so an answer of several packets waits for our acknowledgement, which
    Linux delays by 40 ms unless TCP_QUICKACK is set again after each read.
    """

    def __init__(self, plain: socket.socket) -> None:
        family = plain.family
        super().__init__(family, plain.type, plain.proto, plain.detach())
        if family != socket.AF_UNIX:  # which ends at a jump host's pump
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ahead = b""
        self.heard = time.monotonic()

    def unread(self, data: bytes) -> None:
        """Put data back, to be read first."""
        self._ahead = data + self._ahead

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Return up to ``bufsize`` bytes. Only one thread may read."""
        if not self._ahead:
            self._ahead = super().recv(max(bufsize, CHUNK), flags)
            self.heard = time.monotonic()
            with contextlib.suppress(OSError):
                self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        taken, self._ahead = self._ahead[:bufsize], self._ahead[bufsize:]
        return taken

    def unsent(self) -> int:
        """Return how many bytes the other end's kernel has not acknowledged."""
        answer = fcntl.ioctl(self.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0])

    def close(self) -> None:
        """End the connection, and wake whoever waits for it: closing alone does not."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        super().close()


def connect(target: Target, timeout: float) -> WireSocket:
    """Connect to the target's address and port, through its jump hosts where it has any.

    Raises:
        Unreachable: no such host, nobody listens, no route, or no answer in ``timeout`` seconds.
    """
    if target.gate:
        return WireSocket(target.gate.reach(target.address, target.port, timeout))
    if target.via:  # never past its jump hosts: another machine has that address here
        raise Unreachable("jump.shut", where=target.place, via=target.via)
    try:
        return WireSocket(socket.create_connection((target.address, target.port), timeout))
    except (socket.gaierror, UnicodeError) as error:
        raise Unreachable("ssh.no_such_host", where=target.place, address=target.address) from error
    except ConnectionRefusedError as error:
        raise Unreachable("ssh.refused", where=target.place, port=target.port) from error
    except OSError as error:
        reason = error.strerror or "timed out"
        raise Unreachable("ssh.no_answer", where=target.place, seconds=round(timeout), reason=reason) from error


def greeting(sock: WireSocket, target: Target, timeout: float) -> str:
    """Return the server's version line, left in the socket to be read again; nothing is sent.

    Raises:
        Busy: it hung up without a word, or said that it has too many visitors.
        Unreachable: it said nothing in time, or something that is not SSH.
        Refused: it is SSH of a kind that cannot be used: version 1, or Windows.
    """
    until = time.monotonic() + timeout
    first = text = rest = b""
    for _ in range(_LINES):
        text, rest = _read_line(sock, target, until, rest, first)
        first = first or text
        until = min(until, time.monotonic() + _NEXT_LINE)
        if text.startswith(b"SSH-"):
            sock.unread(text + b"\r\n" + rest)
            return _judged(text, target)
        if b"MaxStartups" in text or b"Not allowed at this time" in text:
            raise Busy
        if not text.strip().isascii() or b"\0" in text:
            break
    raise Unreachable("ssh.not_ssh", where=target.place, shown=line(first, 80))


def _judged(text: bytes, target: Target) -> str:
    shown = line(text, 80)
    if not text.startswith((b"SSH-2.0-", b"SSH-1.99-")):
        raise Refused("ssh.too_old", where=target.place, shown=shown)
    if b"for_Windows" in text:
        raise Refused("ssh.windows", where=target.place, shown=shown)
    return shown


def _read_line(sock: WireSocket, target: Target, until: float, got: bytes, before: bytes) -> tuple[bytes, bytes]:
    """Return one line without its end, and what was read after it; ``before`` is what was said first."""
    while b"\n" not in got:
        if len(got) > _LINE:
            raise Unreachable("ssh.not_ssh", where=target.place, shown=line(got, 80))
        sock.settimeout(max(0.01, until - time.monotonic()))
        try:
            more = sock.recv(CHUNK)
        except TimeoutError as error:
            raise _silent(target, got or before) from error
        except ConnectionError as error:
            raise Busy from error
        if not more:
            raise _silent(target, got or before) if got or before else Busy
        got += more
    text, _, rest = got.partition(b"\n")
    return text.rstrip(b"\r"), rest


def _silent(target: Target, got: bytes) -> Unreachable:
    if got:
        return Unreachable("ssh.not_ssh", where=target.place, shown=line(got, 80))
    return Unreachable("ssh.silent", where=target.place, port=target.port)
