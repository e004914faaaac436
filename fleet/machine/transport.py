"""paramiko's transport, stricter and quicker: see the constants and docs/decisions/0005-one-ssh-class.md."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import (
    MSG_CHANNEL_OPEN,
    MSG_REQUEST_FAILURE,
    MSG_REQUEST_SUCCESS,
    cMSG_CHANNEL_OPEN,
    cMSG_CHANNEL_OPEN_FAILURE,
    cMSG_CHANNEL_OPEN_SUCCESS,
    cMSG_GLOBAL_REQUEST,
)
from paramiko.message import Message
from paramiko.packet import Packetizer

from fleet.base.errors import TimedOut, WireCut
from fleet.machine.stream import PACKET, WINDOW, Stream
from fleet.machine.tcp import WireSocket

# Nothing that a machine says may reach the terminal by way of a log.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

# OpenSSH sends packets of at most 32 KiB and takes 256 KiB; paramiko would believe a length of 4 GiB.
_LONGEST_PACKET = 1 << 18
_IDLE_POLL = 30.0
_LOOK = 0.5
_MSG_OPEN_FAILURE, _MSG_WINDOW_ADJUST, _MSG_REQUEST = 92, 93, 98

PROHIBITED, CONNECT_FAILED = 1, 2

Takes = Callable[[], Callable[[Stream], None] | None]
"""Asked about a connection that began on the machine; returns what begins to serve it, or None to turn it away."""

if TYPE_CHECKING:
    from typing import Any, ClassVar

    class _Transport(paramiko.Transport):
        """What paramiko's transport has and its stubs leave out."""

        _preferred_kex: tuple[str, ...]
        _preferred_ciphers: tuple[str, ...]
        _preferred_macs: tuple[str, ...]
        _preferred_keys: tuple[str, ...]
        _channel_handler_table: ClassVar[dict[int, Callable[[Any, Message], None]]]
        _handler_table: dict[int, Callable[[Message], None]]
        _channels: Any

        def _next_channel(self) -> int: ...
        def _send_message(self, data: Message) -> None: ...
        def _send_user_message(self, data: Message) -> None: ...
        def _parse_channel_open_failure(self, m: Message) -> None: ...
        def _parse_channel_open(self, m: Message) -> None: ...
else:
    _Transport = paramiko.Transport


class _Packets(Packetizer):
    """Packets of a sane length; a handshake's deadline without a thread of its own."""

    _until = 0.0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        if n > _LONGEST_PACKET:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        return super().read_all(n, check_rekey)

    def start_handshake(self, timeout: float) -> None:
        self._until = time.monotonic() + timeout

    def handshake_timed_out(self) -> bool:
        return 0 < self._until < time.monotonic()

    def complete_handshake(self) -> None:
        self._until = 0.0


class _Reply:
    """What becomes of a request that is no channel's; servers answer them in their order (RFC 4254, 4)."""

    def __init__(self) -> None:
        self.come = threading.Event()
        self.message: Message | None = None


class NotOpened(Exception):
    """The server would not open a channel; ``code`` is RFC 4254's: 1 prohibited, 2 connect failed."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Wire(_Transport):
    """One connection to one machine, with the pinned key's type first among the host key types."""

    # curve25519 costs the client 3 ms, group exchange 45. Old servers still find one of the others.
    _preferred_kex = (
        "curve25519-sha256@libssh.org",
        "mlkem768x25519-sha256",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group14-sha256",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group-exchange-sha256",
    )
    _preferred_ciphers = (
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
    )
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    )
    _channel_handler_table = {  # noqa: RUF012 - paramiko's own, with two entries of ours
        **_Transport._channel_handler_table,  # noqa: SLF001 - we are one of its kind
        _MSG_WINDOW_ADJUST: Stream.on_room,
        _MSG_REQUEST: Stream.on_request,
    }

    def __init__(self, sock: WireSocket, pinned_type: str = "ssh-ed25519") -> None:
        super().__init__(sock, packetizer_class=_Packets)
        self.tcp = sock
        first = ("rsa-sha2-512", "rsa-sha2-256") if pinned_type == "ssh-rsa" else (pinned_type,)
        self._preferred_keys = first + tuple(kind for kind in self._preferred_keys if kind not in first)
        self._asking = threading.Lock()
        self._asked: deque[_Reply | None] = deque()
        self._takers: dict[int, Takes] = {}
        self._handler_table = {
            **self._handler_table,
            _MSG_OPEN_FAILURE: self._on_not_opened,
            MSG_CHANNEL_OPEN: self._on_open,
            MSG_REQUEST_SUCCESS: self._on_yes,
            MSG_REQUEST_FAILURE: self._on_no,
        }
        self.where = ""

    def settle(self, where: str) -> None:
        """Poll less often, now that the login is done; closing wakes the reader all the same."""
        self.where = where
        self.tcp.settimeout(_IDLE_POLL)

    def open(self, kind: str, extra: bytes, timeout: float) -> Stream:
        """Open a channel.

        Args:
            kind: RFC 4254's channel type, or an extension's.
            extra: the type's own fields, encoded.
            timeout: seconds.

        Raises:
            NotOpened: the server said no.
            WireCut: the connection is gone.
            TimedOut: no answer in time.
        """
        stream, opened = self._new_stream()
        self.post(_opening(kind, stream.chanid, extra))
        until = time.monotonic() + timeout
        while not opened.wait(min(_LOOK, max(0.0, until - time.monotonic()))) and self.is_active():
            if time.monotonic() >= until:
                raise TimedOut("wire.timed_out", where=self.where, seconds=round(timeout))
        if stream.refusal is not None:
            raise NotOpened(stream.refusal)
        if not self.is_active():
            raise WireCut("wire.cut", where=self.where)
        return stream

    def post(self, message: Message) -> None:
        """Send a message, in its turn.

        Raises:
            WireCut: the connection broke while it was sent; it counts as closed from now on.
        """
        try:
            self._send_user_message(message)
        except (EOFError, OSError) as error:
            self.close()
            raise WireCut("wire.cut", where=self.where) from error

    def _new_stream(self) -> tuple[Stream, threading.Event]:
        with self.lock:
            number = self._next_channel()
            stream = Stream(number)
            stream.where = self.where
            stream.attach(self)
            self._channels.put(number, stream)
            opened = self.channel_events[number] = threading.Event()
            self.channels_seen[number] = True
        if not self.is_active():
            opened.set()
        return stream, opened

    def _on_not_opened(self, message: Message) -> None:
        start = message.packet.tell()
        stream = self._channels.get(message.get_int())
        if isinstance(stream, Stream):
            stream.refusal = message.get_int()
        message.packet.seek(start)
        self._parse_channel_open_failure(message)

    def ask_alive(self) -> bool:
        """Send a request that any server must answer; return whether it could be sent without waiting."""
        if not self._asking.acquire(blocking=False):
            return False
        try:
            return self._ask_alive()
        finally:
            self._asking.release()

    def _ask_alive(self) -> bool:
        if not self.clear_to_send_lock.acquire(blocking=False):
            return False
        try:
            if not self.clear_to_send.is_set():
                return False
            self._asked.append(None)
            self._send_message(_request("keepalive@openssh.com"))
            return True
        finally:
            self.clear_to_send_lock.release()

    # Connections that begin on the machine.

    def listen(self, address: str, takes: Takes, timeout: float) -> int:
        """Have the server listen on an address of its own; return the port, which it chooses.

        Args:
            address: that it binds.
            takes: asked about each connection, on our connection's own thread: neither it nor what it returns may wait.
            timeout: seconds for the answer.

        Raises:
            NotOpened: the server said no.
            WireCut: the connection is gone.
            TimedOut: no answer in time.
        """
        said = self._ask("tcpip-forward", address, 0, timeout)
        if said is None:
            raise NotOpened(PROHIBITED)
        port = said.get_int()
        self._takers[port] = takes
        return port

    def unlisten(self, address: str, port: int, timeout: float) -> None:
        """Have it listen there no more; what is open stays open. Raises as `listen`."""
        self._takers.pop(port, None)
        if self._ask("cancel-tcpip-forward", address, port, timeout) is None:
            raise NotOpened(PROHIBITED)

    def _ask(self, kind: str, address: str, port: int, timeout: float) -> Message | None:
        """Ask the server for something that is no channel's; None where it said no."""
        request, reply = _request(kind), _Reply()
        request.add_string(address)
        request.add_int(port)
        with self._asking:
            self._asked.append(reply)
            self.post(request)
        until = time.monotonic() + timeout
        while not reply.come.wait(min(_LOOK, max(0.0, until - time.monotonic()))):
            if not self.is_active():
                raise WireCut("wire.cut", where=self.where)
            if time.monotonic() >= until:
                raise TimedOut("wire.timed_out", where=self.where, seconds=round(timeout))
        return reply.message

    def _on_yes(self, message: Message) -> None:
        self._on_reply(message)

    def _on_no(self, message: Message) -> None:
        del message
        self._on_reply(None)

    def _on_reply(self, message: Message | None) -> None:
        reply = self._asked.popleft() if self._asked else None
        if reply:
            reply.message = message
            reply.come.set()

    def _on_open(self, message: Message) -> None:
        """Take a connection to a port that we had the server listen on; whatever else it opens is refused."""
        start = message.packet.tell()
        kind, number, window, packet = message.get_text(), message.get_int(), message.get_int(), message.get_int()
        if kind != "forwarded-tcpip":
            message.packet.seek(start)
            self._parse_channel_open(message)
            return
        message.get_text()
        takes = self._takers.get(message.get_int())
        begin = takes() if takes else None
        if begin is None:
            self._send_message(_not_opened(number))
            return
        stream = self._taken(number, window, packet)
        self._send_message(_opened(number, stream.chanid))
        begin(stream)

    def _taken(self, number: int, window: int, packet: int) -> Stream:
        with self.lock:
            stream = Stream(self._next_channel())
            stream.where = self.where
            stream.attach(self)
            self._channels.put(stream.chanid, stream)
            self.channels_seen[stream.chanid] = True
            stream.join(number, window, packet)
        return stream


def _request(kind: str) -> Message:
    message = Message()
    message.add_byte(cMSG_GLOBAL_REQUEST)
    message.add_string(kind)
    message.add_boolean(True)
    return message


def _opened(theirs: int, ours: int) -> Message:
    message = Message()
    message.add_byte(cMSG_CHANNEL_OPEN_SUCCESS)
    for number in (theirs, ours, WINDOW, PACKET):
        message.add_int(number)
    return message


def _not_opened(theirs: int) -> Message:
    message = Message()
    message.add_byte(cMSG_CHANNEL_OPEN_FAILURE)
    message.add_int(theirs)
    message.add_int(PROHIBITED)
    message.add_string("")
    message.add_string("en")
    return message


def _opening(kind: str, number: int, extra: bytes) -> Message:
    message = Message()
    message.add_byte(cMSG_CHANNEL_OPEN)
    message.add_string(kind)
    message.add_int(number)
    message.add_int(WINDOW)
    message.add_int(PACKET)
    message.add_bytes(extra)
    return message


def unix_target(path: str) -> bytes:
    """Return the fields of direct-streamlocal@openssh.com, which paramiko lacks (OpenSSH's PROTOCOL, 2.4)."""
    message = Message()
    message.add_string(path)
    message.add_string("")
    message.add_int(0)
    return message.asbytes()


def tcp_target(address: str, port: int) -> bytes:
    """Return the fields of direct-tcpip (RFC 4254, 7.2)."""
    message = Message()
    message.add_string(address)
    message.add_int(port)
    message.add_string("127.0.0.1")
    message.add_int(0)
    return message.asbytes()
