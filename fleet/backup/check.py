"""Reading a backup to its end: whole, opened by the key, and nothing in it that could do harm."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from fleet.backup.bundle import Opened
from fleet.backup.form import ID, SUFFIX
from fleet.backup.seal import Source, unseal
from fleet.base.errors import StateDamaged
from fleet.base.secret import Secret

Opens = Callable[[], AbstractContextManager[Source]]
MOST = 1 << 44  # bytes that a state may take unpacked where nobody knows of how much room there is


def check(opens: Opens, keys: Sequence[Secret], where: str, *, most: int = MOST, sha256: str = "") -> Opened:
    """Read a backup to its end and return what is in it, but the state.

    Args:
        opens: opens it for reading.
        keys: one of them opens it.
        where: names it in errors.
        most: bytes that its state may take unpacked.
        sha256: that it must have; empty where nobody knows.

    Raises:
        Refused: none of the keys opens it, it could do harm, or a newer clawrack wrote it.
        BadInput: it is no backup of ours.
        StateDamaged: it is not whole, or lies under the name of another.
    """
    digest = hashlib.sha256()
    opened = Opened(where, most)
    with opens() as source:

        def read(size: int) -> bytes:
            piece = source(size)
            digest.update(piece)
            return piece

        unseal(read, opened.feed, keys, where)
    opened.end()
    _named(opened.manifest.id, where)
    if sha256 and digest.hexdigest() != sha256:
        raise StateDamaged("backup.damaged", where=where)
    return opened


def _named(told: str, where: str) -> None:
    """See that a backup whose file, or note, has a backup's name is the one of that name.

    Raises:
        StateDamaged: it is another, under a name that makes it newer or older than it is.
    """
    name = where.removesuffix(SUFFIX)
    if ID.fullmatch(name) and name != told:
        raise StateDamaged("backup.other_name", where=where, id=told)
