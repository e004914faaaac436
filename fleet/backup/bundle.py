"""The inside of a backup: packed as it is sent, unpacked and judged as it comes."""

import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator

import msgspec

from fleet.backup.form import Manifest, manifest_of
from fleet.backup.walk import BLOCK, Entry, StateRules, Walk, unsafe
from fleet.base.errors import StateDamaged
from fleet.base.secret import Secret

MANIFEST, SECRETS, RELEASE, STATE = "backup.json", "secrets.json", "release.tar", "state.tar"
ORDER = (MANIFEST, SECRETS, RELEASE, STATE)
MOST = {MANIFEST: 1 << 20, SECRETS: 1 << 20, RELEASE: 1 << 25}
"""Bytes that each may have; of a state its manifest says how many there are."""


class Parts(msgspec.Struct, frozen=True):
    """What is packed besides the state: what a backup says of itself, the agent's secrets, its release."""

    manifest: Manifest
    secrets: Secret
    release: bytes


def packed(parts: Parts, state: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a backup, not encrypted yet.

    Raises:
        StateDamaged: the state has not the size, or the checksum, that the manifest says.
    """
    told = parts.manifest.state
    yield from _member(MANIFEST, msgspec.json.encode(parts.manifest))
    yield from _member(SECRETS, parts.secrets.reveal().encode())
    yield from _member(RELEASE, parts.release)
    yield _head(STATE, told.bytes)
    digest, size = hashlib.sha256(), 0
    for piece in state:
        digest.update(piece)
        size += len(piece)
        yield piece
    if size != told.bytes or digest.hexdigest() != told.sha256:
        raise StateDamaged("backup.state_differs", where=parts.manifest.machine, agent=parts.manifest.agent)
    yield bytes(-size % BLOCK + 2 * BLOCK)


def size_of(parts: Parts) -> int:
    """Return how many bytes `packed` yields."""
    sizes = (len(msgspec.json.encode(parts.manifest)), len(parts.secrets.reveal().encode()), len(parts.release))
    return sum(BLOCK + -(-size // BLOCK) * BLOCK for size in (*sizes, parts.manifest.state.bytes)) + 2 * BLOCK


def _member(name: str, content: bytes) -> Iterator[bytes]:
    yield _head(name, len(content))
    yield content
    yield bytes(-len(content) % BLOCK)


def _head(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


class Opened:
    """Reads a backup piece by piece and judges all of it.

    Args:
        where: names it in errors.
        most: bytes that its state may take unpacked.
        begin: told of the manifest, before the state.
        state: told of the state, in pieces.

    Attributes:
        manifest, secrets, release: what came before the state; whole once the state begins.
        rules: what the state's entries came to.
    """

    def __init__(
        self,
        where: str,
        most: int,
        begin: Callable[["Opened"], None] | None = None,
        state: Callable[[bytes], None] | None = None,
    ) -> None:
        self._where = where
        self._begin = begin
        self._to = state
        self._outer = Walk(self._entry, self._data)
        self.rules = StateRules(most)
        self._inner = Walk(self.rules)
        self._digest = hashlib.sha256()
        self._held: dict[str, bytearray] = {}
        self._now = ""
        self._manifest: Manifest | None = None

    @property
    def manifest(self) -> Manifest:
        """What it says of itself."""
        assert self._manifest  # noqa: S101 - nobody asks before the state
        return self._manifest

    @property
    def secrets(self) -> bytes:
        """The agent's secrets, JSON."""
        return bytes(self._held[SECRETS])

    @property
    def release(self) -> bytes:
        """A tar of spec and configuration."""
        return bytes(self._held[RELEASE])

    def feed(self, piece: bytes) -> None:
        """Read on.

        Raises:
            Refused: it could do harm, or is of a newer format.
            BadInput: it is no backup of ours.
        """
        self._outer.feed(piece)

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            StateDamaged: it is not whole.
        """
        self._outer.end()
        if self._now != STATE:
            raise unsafe("cut")
        self._inner.end()
        if self._digest.hexdigest() != self.manifest.state.sha256:
            raise StateDamaged("backup.damaged", where=self._where)

    def _entry(self, entry: Entry) -> None:
        after = ORDER.index(self._now) + 1 if self._now else 0
        if after == len(ORDER) or entry.name != ORDER[after] or entry.kind != "file":
            raise unsafe("name", entry.name)
        if self._now == MANIFEST:
            self._manifest = manifest_of(bytes(self._held[MANIFEST]), self._where)
        self._now = entry.name
        if entry.name == STATE:
            self._begin_state(entry)
        elif entry.size > MOST[entry.name]:
            raise unsafe("room", entry.name)
        self._held[entry.name] = bytearray()

    def _begin_state(self, entry: Entry) -> None:
        if entry.size != self.manifest.state.bytes:
            raise unsafe("size", entry.name)
        _release_names(self.release)
        if self._begin:
            self._begin(self)

    def _data(self, piece: bytes) -> None:
        if self._now != STATE:
            self._held[self._now] += piece
            return
        self._digest.update(piece)
        self._inner.feed(piece)
        if self._to:
            self._to(piece)


def _release_names(content: bytes) -> None:
    """See that a release holds plain files alone; nobody unpacks it here.

    Raises:
        Refused: it does not.
    """

    def plain(entry: Entry) -> None:
        parts = entry.name.split("/")
        known = entry.name == "spec" or parts[0] == "config"
        if not known or entry.kind not in {"file", "folder"} or any(part in {"", ".", ".."} for part in parts):
            raise unsafe("name", entry.name)

    walk = Walk(plain)
    walk.feed(content)
    walk.end()
