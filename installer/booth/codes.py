"""Codes that people read to each other: of a parked ticket, and of a device. Pure."""

import hashlib
import hmac
import re

from fleet.machine.hostkey import HostKey

LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""No 0 and O, no 1, I and L: heard or read, each is only one."""
_LENGTH = 6
_HALF = 4
_DEVICE = re.compile(r"[0-9a-f]{8}")
COMMAND = "cut -d' ' -f2 /etc/ssh/ssh_host_*25519_key.pub | base64 -d | sha256sum | cut -c1-8"
"""Prints a device's code on the device itself, where its SSH server has the usual key."""


def resume_code(chance: bytes) -> str:
    """Return a code such as ``K7F-3QD`` from at least six random bytes: for finding a ticket, not for guarding it."""
    text = "".join(LETTERS[byte * len(LETTERS) // 256] for byte in chance[:_LENGTH])
    return f"{text[: _LENGTH // 2]}-{text[_LENGTH // 2 :]}"


def typed_code(text: str) -> str:
    """Return a resume code as somebody typed it, in the form in which it was told."""
    bare = re.sub(r"[^A-Z0-9]", "", text.upper())
    return f"{bare[: _LENGTH // 2]}-{bare[_LENGTH // 2 :]}"


def device_code(key: HostKey) -> str:
    """Return a device's short code, ``3f9a-71c2``: the first 8 hexadecimal digits of its host key's SHA-256.

    It tells devices apart that nobody tampers with; against somebody in between only the whole fingerprint helps.
    """
    digits = hashlib.sha256(key.blob).hexdigest()
    return f"{digits[:_HALF]}-{digits[_HALF : 2 * _HALF]}"


def is_device(told: str) -> bool:
    """Return whether a text can name a device: a fingerprint, or a short code."""
    return told.startswith("SHA256:") or bool(_DEVICE.fullmatch(_bare(told)))


def same_device(told: str, key: HostKey) -> bool:
    """Return whether a device is the one of a ticket, told by fingerprint or by short code."""
    if told.startswith("SHA256:"):
        return hmac.compare_digest(told.rstrip("=").encode(), key.fingerprint.rstrip("=").encode())
    return _bare(told) == _bare(device_code(key))


def _bare(code: str) -> str:
    return re.sub(r"[\s-]", "", code.lower())
