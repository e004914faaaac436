"""A tree as a layer: a tar that is always the same for the same tree, compressed on its way to the disk."""

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleet.images.squeeze import Squeezer
from fleet.images.tree import Blob, Entry, Tree

_READ = 1 << 20
_TYPES = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "link": tarfile.SYMTYPE}


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One layer on this computer's disk.

    Attributes:
        name: of its file, beside the description of the image.
        diff_id: ``sha256:…`` of the tar.
        digest: ``sha256:…`` of the compressed tar.
        size: bytes, compressed.
        full_size: bytes of the tar.
    """

    name: str
    diff_id: str
    digest: str
    size: int
    full_size: int


class _Sums:
    """What is known of a stream after it has passed."""

    def __init__(self) -> None:
        self.size = 0
        self._sum = hashlib.sha256()

    def add(self, data: bytes) -> None:
        self._sum.update(data)
        self.size += len(data)

    def name(self) -> str:
        return f"sha256:{self._sum.hexdigest()}"


def unheard(done: int, total: int) -> None:
    """Hear how far it is, and do nothing."""
    del done, total


def write(tree: Tree, path: Path, epoch: int, moved: Callable[[int, int], None] = unheard) -> Layer:
    """Write the tree as a compressed tar.

    Args:
        tree: complete: every parent is in it.
        path: of the new file.
        epoch: the time of every entry, in seconds since 1970.
        moved: hears bytes done and bytes in all, uncompressed contents alone.

    Raises:
        OSError: the disk is full, or a content is not there any more.
    """
    full, small = _Sums(), _Sums()
    total = sum(entry.blob.size for entry in tree.entries.values() if entry.blob)
    with path.open("xb") as raw:
        counted = _Counted(raw.write, small)
        squeezer = Squeezer(counted)  # pyright: ignore[reportArgumentType]
        for data in stream(tree, epoch):
            full.add(data)
            squeezer.write(data)
            moved(min(full.size, total), total)
        squeezer.close()
    return Layer(name=path.name, diff_id=full.name(), digest=small.name(), size=small.size, full_size=full.size)


@dataclass(slots=True)
class _Counted:
    """Somewhere to write to, with the sum of what was written."""

    to: Callable[[bytes], int]
    sums: _Sums

    def write(self, data: bytes) -> int:
        self.sums.add(data)
        return self.to(data)


def stream(tree: Tree, epoch: int) -> Iterator[bytes]:
    """Yield the tar of a tree: sorted, one time for all, owners as numbers, hard links to the first of their kind."""
    first: dict[Blob, str] = {}
    for path, entry in tree.sorted():
        original = first.setdefault(entry.blob, path) if entry.blob and entry.blob.path else path
        yield _header(path, entry, epoch, original)
        if entry.blob and original == path:
            yield from contents(entry.blob)
            yield bytes(-entry.blob.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(path: str, entry: Entry, epoch: int, original: str) -> bytes:
    info = tarfile.TarInfo(path)
    info.type = _TYPES[entry.kind] if original == path else tarfile.LNKTYPE
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, epoch
    info.linkname = entry.target if original == path else original
    info.size = entry.blob.size if entry.blob and original == path else 0
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def contents(blob: Blob) -> Iterator[bytes]:
    """Yield the content of a file.

    Raises:
        OSError: it is shorter than it was when the tree was made.
    """
    if blob.path is None:
        yield blob.content
        return
    with blob.path.open("rb") as file:
        file.seek(blob.offset)
        left = blob.size
        while left:
            data = file.read(min(_READ, left))
            if not data:
                raise OSError(f"{blob.path} became shorter")
            left -= len(data)
            yield data
