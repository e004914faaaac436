"""The one key that this controller shows to machines."""

import functools
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fleet.base.errors import BadInput, StateDamaged


@dataclass(frozen=True)
class ControllerKey:
    """An ed25519 key pair in a file that only its owner can read.

    Attributes:
        path: the private key, in OpenSSH's format.
        controller: the id of this controller; part of the public line's comment.
    """

    path: Path
    controller: str

    @functools.cached_property
    def private(self) -> paramiko.Ed25519Key:
        """The key as paramiko uses it.

        Raises:
            StateDamaged: the file is not a key, or others may read it.
        """
        try:
            if self.path.stat().st_mode & 0o077:
                raise StateDamaged("key.open", where=str(self.path), path=self.path)
            return paramiko.Ed25519Key.from_private_key_file(str(self.path))
        except (OSError, ValueError, IndexError, paramiko.SSHException) as error:
            raise StateDamaged("key.damaged", where=str(self.path), path=self.path) from error

    @property
    def public(self) -> str:
        """The line for authorized_keys, without a newline."""
        return f"ssh-ed25519 {self.private.get_base64()} clawrack-{self.controller}"


@dataclass(frozen=True)
class PersonKey:
    """A private key of the person's own, of any type that OpenSSH writes; read once, used once, never kept."""

    path: Path

    @functools.cached_property
    def private(self) -> paramiko.PKey:
        """The key as paramiko uses it.

        Raises:
            BadInput: there is no such file, it is locked by a passphrase, or it is no private key.
        """
        where = str(self.path)
        try:
            return paramiko.PKey.from_path(self.path)
        except FileNotFoundError as error:
            raise BadInput("login_key.missing", where=where) from error
        except (paramiko.PasswordRequiredException, TypeError) as error:
            raise BadInput("login_key.locked", where=where) from error
        except (OSError, ValueError, paramiko.SSHException) as error:
            raise BadInput("login_key.unreadable", where=where) from error


def ensure(path: Path, controller: str) -> ControllerKey:
    """Return the key in the file, made first where there is none; two processes at once end up with one key.

    Raises:
        StateDamaged: what is there is not a key of ours.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        try:
            _write(fresh)
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink(missing_ok=True)
    key = ControllerKey(path, controller)
    _ = key.private
    return key


def _write(path: Path) -> None:
    text = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
