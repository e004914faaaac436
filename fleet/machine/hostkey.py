"""The key by which a machine proves that it is the one we know."""

import base64
import binascii
import contextlib
import hashlib
from dataclasses import dataclass

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from fleet.base.errors import BadInput, Refused, Unreachable
from fleet.machine import tcp
from fleet.machine.target import Target
from fleet.machine.transport import Wire

_TYPES = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public host key.

    Attributes:
        kind: the key's type, for example ``ssh-ed25519``.
        blob: the key as RFC 4253 encodes it.
    """

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """``SHA256:…`` as ``ssh-keygen -lf`` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


def parse(text: str) -> HostKey:
    """Return the key of a line like ``ssh-ed25519 AAAA… comment``.

    Raises:
        BadInput: it is not a host key that can be pinned.
    """
    kind, _, rest = text.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split(" ", 1)[0], validate=True)
    except binascii.Error as error:
        raise BadInput("hostkey.unclear", text=text) from error
    if kind not in _TYPES or not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise BadInput("hostkey.unclear", text=text)
    return HostKey(kind, blob)


def of(key: paramiko.PKey) -> HostKey:
    """Return paramiko's key as ours."""
    return HostKey(key.get_name(), key.asbytes())


def fetch(target: Target, timeout: float = 15.0, kind: str = "ssh-ed25519") -> HostKey:
    """Ask a server for its host key; no login is attempted, no name is sent.

    Args:
        target: whose address and port to ask; its user is not used.
        timeout: seconds for each of connecting, greeting and key exchange.
        kind: the key type asked for first.

    Raises:
        Unreachable: nobody there, or nobody that speaks SSH.
        Refused: a server that is too old, or Windows.
    """
    sock = tcp.connect(target, timeout)
    try:
        tcp.greeting(sock, target, timeout)
        wire = Wire(sock, kind)
        with contextlib.closing(wire):
            wire.start_client(timeout=timeout)
            return of(wire.get_remote_server_key())
    except tcp.Busy as error:
        raise Unreachable("ssh.too_busy", where=target.place) from error
    except IncompatiblePeer as error:
        raise Refused("ssh.too_old", where=target.place, shown=str(error)) from error
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise Unreachable("ssh.no_handshake", where=target.place, reason=str(error)) from error
    finally:
        sock.close()
