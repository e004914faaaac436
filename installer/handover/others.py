"""The other keys that may log in, by their fingerprints: whoever has the receipt can tell whose they are."""

import base64
import binascii
import hashlib

from fleet.base.errors import ActionFailed
from fleet.machine.port import Port

_FILE = ".ssh/authorized_keys"
_MOST = 20


def fingerprints(port: Port, public: str) -> tuple[str, ...]:
    """Return the fingerprints of the keys in the login's own file, without ours; empty where it cannot be read.

    Where sshd is told to look elsewhere too, the guard's count is larger.

    Raises:
        Unreachable: the wire was cut.
    """
    try:
        ran = port.run(("cat", _FILE), timeout=20)
    except ActionFailed:
        return ()
    return found(ran.out.decode(errors="replace"), public) if ran.code == 0 else ()


def found(text: str, public: str) -> tuple[str, ...]:
    """Return the fingerprints of the keys in a file, each once, at most twenty of them; ours is left out."""
    ours = public.split()[1]
    lines = (line.strip() for line in text.splitlines())
    blobs = (_blob(line) for line in lines if not line.startswith("#"))
    return tuple(dict.fromkeys(_fingerprint(blob) for blob in blobs if blob and blob != ours))[:_MOST]


def _blob(line: str) -> str:
    """Return the key of a line, its options, type and comment left away; empty where there is none."""
    for word in line.split():
        if word.startswith("AAAA"):
            try:
                base64.b64decode(word, validate=True)
            except binascii.Error:
                continue
            return word
    return ""


def _fingerprint(blob: str) -> str:
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
