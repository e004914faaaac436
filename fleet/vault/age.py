"""age, the file encryption (https://age-encryption.org/v1), by pyrage, the Rust implementation's Python face.

The one place that imports it: it has no types of its own, and few commands need it.
"""

import functools
import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from fleet.base.secret import Secret


class Readable(Protocol):
    """What is read in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to so many bytes, none at the end."""
        ...


class Writable(Protocol):
    """What is written in pieces."""

    def write(self, data: bytes, /) -> int:
        """Take the bytes and return how many they were."""
        ...

    def flush(self) -> None:
        """Keep nothing back."""
        ...


class NotThisKey(Exception):
    """It opens nothing here: another key, another passphrase."""


class NotAge(Exception):
    """It is not whole, or never was what it should be."""


@functools.cache
def _pyrage() -> Any:  # noqa: ANN401 - it has no types
    return importlib.import_module("pyrage")


def new_identity() -> Secret:
    """Return a new key: 74 letters and digits with a checksum, ``AGE-SECRET-KEY-1…``."""
    return Secret(str(_pyrage().x25519.Identity.generate()))


def recipient_of(identity: Secret) -> str:
    """Return the public half of a key, ``age1…``.

    Raises:
        NotThisKey: it is no key.
    """
    return str(_identity(identity).to_public())


def encrypt(source: Readable, to: Writable, recipient: str) -> None:
    """Encrypt all that can be read, in pieces; what reader and writer raise comes as an error of another type.

    Raises:
        NotAge: something went wrong, in the reader or writer most likely.
    """
    rage = _pyrage()
    try:
        rage.encrypt_io(source, to, [rage.x25519.Recipient.from_str(recipient)])
    except (rage.EncryptError, rage.RecipientError, OSError) as error:
        raise NotAge(str(error)) from None


def decrypt(source: Readable, to: Writable, identities: Sequence[Secret]) -> None:
    """Decrypt all that can be read, in pieces; what was written before an error is worth nothing.

    Raises:
        NotThisKey: none of the keys opens it.
        NotAge: it is not whole; or something went wrong in the reader or writer.
    """
    rage = _pyrage()
    keys = [_identity(one) for one in identities]
    try:
        rage.decrypt_io(source, to, keys)
    except (rage.DecryptError, OSError) as error:
        if "matching keys" in str(error):
            raise NotThisKey from None
        raise NotAge(str(error)) from None


def lock(plain: bytes, passphrase: Secret) -> bytes:
    """Encrypt a little under a passphrase; scrypt makes that take a second, and guessing long."""
    return bytes(_pyrage().passphrase.encrypt(plain, passphrase.reveal()))


def unlock(locked: bytes, passphrase: Secret) -> bytes:
    """Decrypt what `lock` made.

    Raises:
        NotThisKey: under another passphrase, or it is not whole.
    """
    rage = _pyrage()
    try:
        return bytes(rage.passphrase.decrypt(locked, passphrase.reveal()))
    except (rage.DecryptError, OSError):
        raise NotThisKey from None


def _identity(written: Secret) -> Any:  # noqa: ANN401 - pyrage's
    rage = _pyrage()
    try:
        return rage.x25519.Identity.from_str("".join(written.reveal().split()).upper())
    except rage.IdentityError:
        raise NotThisKey from None
