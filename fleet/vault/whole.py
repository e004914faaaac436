"""Files that are known to be whole: a first line with the SHA-256 of all that follows, and then the content.

Whatever bit is flipped and wherever it is cut off, that line and the rest do not fit any more.
"""

import hashlib
from pathlib import Path

from fleet.base.disk import replace
from fleet.base.errors import StateDamaged

_DIGITS = 64


def write(path: Path, content: bytes) -> None:
    """Replace a file by this content, sealed.

    Raises:
        ActionFailed: it cannot be written.
    """
    replace(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content)


def read(path: Path) -> bytes | None:
    """Return the content of a file, or None where there is no such file.

    Raises:
        StateDamaged: it is not whole; it is left as it is.
    """
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateDamaged("vault.unreadable", where=str(path), file=path, reason=error.strerror) from error
    line, content = held[: _DIGITS + 1], held[_DIGITS + 1 :]
    if line != hashlib.sha256(content).hexdigest().encode() + b"\n":
        raise StateDamaged("vault.damaged", where=str(path), file=path)
    return content
