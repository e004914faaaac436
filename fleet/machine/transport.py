"""paramiko's transport, stricter and quicker: see the constants and docs/decisions/0005-one-ssh-class.md."""

import logging
import threading
import time
from typing import TYPE_CHECKING

import paramiko
from paramiko.common import cMSG_CHANNEL_OPEN, cMSG_GLOBAL_REQUEST
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

if TYPE_CHECKING:
    from collections.abc import Callable
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
        self._handler_table = {**self._handler_table, _MSG_OPEN_FAILURE: self._on_not_opened}
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
        if not self.clear_to_send_lock.acquire(blocking=False):
            return False
        try:
            if not self.clear_to_send.is_set():
                return False
            message = Message()
            message.add_byte(cMSG_GLOBAL_REQUEST)
            message.add_string("keepalive@openssh.com")
            message.add_boolean(True)
            self._send_message(message)
            return True
        finally:
            self.clear_to_send_lock.release()


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
