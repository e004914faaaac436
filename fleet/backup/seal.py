"""Encrypting for the recovery key and opening with it, piece by piece: never more than a piece in memory.

The format is age's (`fleet.vault.age`). Each 64 KiB are authenticated,
and so is the end: what was changed or cut off is noticed, at the latest at its last byte.
"""

from collections.abc import Callable, Iterator, Sequence

from fleet.base.errors import BadInput, Refused, StateDamaged
from fleet.base.secret import Secret
from fleet.vault import age

Sink = Callable[[bytes], None]
Source = Callable[[int], bytes]
"""Returns up to so many bytes, none at the end."""
_CHUNK = 1 << 16
_HEAD = 1 << 12
_OVERHEAD = 16  # bytes that each chunk has more


def most(plain: int) -> int:
    """Return how many bytes so many become at most."""
    return plain + (plain // _CHUNK + 2) * _OVERHEAD + _HEAD


def new_key() -> tuple[Secret, str]:
    """Return a new recovery key, and its public half."""
    made = age.new_identity()
    return made, age.recipient_of(made)


def public_of(key: Secret) -> str:
    """Return the public half of a recovery key.

    Raises:
        BadInput: it is none; a letter that is mistyped is noticed.
    """
    try:
        return age.recipient_of(key)
    except age.NotThisKey as error:
        raise BadInput("backup.no_key_this") from error


class _Reader:
    """Pieces as a file; what goes wrong inside of it is kept, for age makes its own errors of it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")
        self.trouble: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except BaseException as error:
            self.trouble = error
            raise
        taken = self._rest[: size if size >= 0 else len(self._rest)]
        self._rest = self._rest[len(taken) :]
        return bytes(taken)


class _Writer:
    """A sink as a file."""

    def __init__(self, to: Sink) -> None:
        self._to = to
        self.trouble: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._to(data)
        except BaseException as error:
            self.trouble = error
            raise
        return len(data)

    def flush(self) -> None:
        """Do nothing: a sink keeps nothing back."""


def seal(pieces: Iterator[bytes], to: Sink, recipient: str) -> None:
    """Encrypt all the pieces for a recovery key.

    Raises:
        Whatever the pieces, or the sink, raise.
    """
    reader, writer = _Reader(pieces), _Writer(to)
    try:
        age.encrypt(reader, writer, recipient)
    except age.NotAge as error:
        raise reader.trouble or writer.trouble or error from None


def unseal(source: Source, to: Sink, keys: Sequence[Secret], where: str) -> None:
    """Decrypt all of a source; what was given to the sink before an error is worth nothing.

    Raises:
        Refused: none of the keys opens it.
        StateDamaged: it is no such file, or not whole.
        Whatever the source, or the sink, raises.
    """
    reader, writer = _Reader(iter(lambda: source(_CHUNK), b"")), _Writer(to)
    try:
        age.decrypt(reader, writer, keys)
    except age.NotThisKey:
        raise Refused("backup.other_key", where=where) from None
    except age.NotAge:
        raise reader.trouble or writer.trouble or StateDamaged("backup.damaged", where=where) from None
    if reader.read(1):
        raise StateDamaged("backup.damaged", where=where)
