"""The file itself: a plain tar, so that anybody can look into it, of which every byte follows from the manifest.

Its headers are made anew when it is read and compared, the ends of members must be zeros, contents have checksums: no
bit could change without being found.
"""

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, StateDamaged
from installer.offline import form
from installer.offline.form import MANIFEST, MOST_MANIFEST, SEAL, Item, Manifest

_BLOCK = tarfile.BLOCKSIZE
_READ = 1 << 20
_END = 2 * _BLOCK


@dataclass(frozen=True, slots=True)
class Member:
    """A member's place in the file: where its header begins."""

    item: Item
    at: int

    @property
    def content(self) -> int:
        """Where its content begins."""
        return self.at + _BLOCK

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.content + self.item.bytes + -self.item.bytes % _BLOCK


@dataclass(frozen=True, slots=True)
class Tarball:
    """A bundle whose manifest is whole and whose length is right."""

    path: Path
    manifest: Manifest
    seal: str
    members: dict[str, Member]

    def verify(self, name: str) -> Iterator[bytes]:
        """Yield a member's content; where it is damaged, what was yielded must be thrown away.

        Raises:
            StateDamaged: it is not what the manifest says; raised before the end.
        """
        member = self.members[name]
        try:
            with self.path.open("rb") as file:
                yield from _checked(file, member, self.path)
        except OSError as error:
            raise StateDamaged("offline.unreadable", where=str(self.path), reason=error.strerror or "-") from error

    def read(self, name: str) -> bytes:
        """Return a small member's content."""
        return b"".join(self.verify(name))


def opened(path: Path) -> Tarball:
    """Return the bundle in a file, its manifest read, its length compared; members are verified when they are read.

    Raises:
        BadInput: there is no such file, or it is something else.
        Refused: its format is not ours.
        StateDamaged: it is cut short, or its beginning is damaged.
    """
    try:
        with path.open("rb") as file:
            manifest, seal, at = _beginning(file, path)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise BadInput("offline.unreadable", where=str(path), reason=error.strerror or "-") from error
    members: dict[str, Member] = {}
    for item in manifest.items:
        members[item.name] = Member(item, at)
        at = members[item.name].end
    if size < at + _END:
        raise StateDamaged("offline.truncated", where=str(path), have=size, want=at + _END)
    if size > at + _END:
        raise StateDamaged("offline.damaged", where=str(path), part="-")
    return Tarball(path, manifest, seal, members)


def check(bundle: Tarball) -> None:
    """Read all of it.

    Raises:
        StateDamaged: a bit of it is not what it was.
    """
    for name in bundle.members:
        for _ in bundle.verify(name):
            pass
    with bundle.path.open("rb") as file:
        file.seek(-_END, os.SEEK_END)
        if file.read(_END) != bytes(_END):
            raise StateDamaged("offline.damaged", where=str(bundle.path), part="-")


def _beginning(file: BinaryIO, path: Path) -> tuple[Manifest, str, int]:
    """Return the manifest, its checksum, and where the members begin."""
    head = file.read(_BLOCK)
    size = _size(head)
    if size is None:
        raise BadInput("offline.no_bundle", where=str(path))
    text = file.read(size)
    seal = hashlib.sha256(text).hexdigest()
    second = f"{seal}  {MANIFEST}\n".encode()
    pad = bytes(-size % _BLOCK)
    wanted = pad + _header(SEAL, len(second)) + second + bytes(-len(second) % _BLOCK)
    rest = file.read(len(wanted))
    if len(rest) < len(wanted):
        have, want = (_BLOCK + len(text) + len(rest), _BLOCK + size + len(wanted))
        raise StateDamaged("offline.truncated", where=str(path), have=have, want=want)
    if head != _header(MANIFEST, size) or rest != wanted:
        raise StateDamaged("offline.damaged", where=str(path), part=MANIFEST)
    return form.read(text, str(path)), seal, file.tell()


def _size(head: bytes) -> int | None:
    """Return how long the manifest says it is; None where this is not the beginning of a bundle."""
    if not head.startswith(MANIFEST.encode() + b"\0"):
        return None
    digits = head[124:135]  # POSIX.1-1988 ustar: the size, in octal digits
    try:
        size = int(digits, 8)
    except ValueError:
        return None
    return size if 0 < size <= MOST_MANIFEST else None


def _checked(file: BinaryIO, member: Member, path: Path) -> Iterator[bytes]:
    item = member.item
    file.seek(member.at)
    damaged = StateDamaged("offline.damaged", where=str(path), part=item.name)
    if file.read(_BLOCK) != _header(item.name, item.bytes):
        raise damaged
    left, total = item.bytes, hashlib.sha256()
    while left:
        piece = file.read(min(_READ, left))
        if not piece:
            raise damaged
        left -= len(piece)
        total.update(piece)
        if not left and (total.hexdigest() != item.sha256 or any(file.read(-item.bytes % _BLOCK))):
            raise damaged
        yield piece


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT)


def size(manifest: Manifest) -> int:
    """Return how many bytes the file will have."""
    text = manifest.encoded()
    sizes = [len(text), 66 + len(MANIFEST) + 1, *(item.bytes for item in manifest.items)]
    return sum(_BLOCK + bytes_ + -bytes_ % _BLOCK for bytes_ in sizes) + _END


def write(path: Path, manifest: Manifest, contents: dict[str, Path]) -> None:
    """Write a bundle, under another name first; the members' contents are where ``contents`` says, by name.

    Raises:
        Refused: something has that name already.
        ActionFailed: the disk is full or fails; nothing is left.
        StateDamaged: a content is not what the manifest says; nothing is left.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as out:
            for piece in _pieces(manifest, contents):
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        os.link(part, path)  # unlike a rename, never over somebody else's file
    except FileExistsError as error:
        raise Refused("offline.exists", where=str(path)) from error
    except OSError as error:
        raise no_room(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def no_room(where: Path, error: OSError) -> ClawrackError:
    """Return the error for a disk that does not take what is written."""
    return ActionFailed("offline.not_written", where=str(where), reason=error.strerror or str(error))


def _pieces(manifest: Manifest, contents: dict[str, Path]) -> Iterator[bytes]:
    text = manifest.encoded()
    seal = f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n".encode()
    for name, content in ((MANIFEST, text), (SEAL, seal)):
        yield _header(name, len(content)) + content + bytes(-len(content) % _BLOCK)
    for item in manifest.items:
        yield _header(item.name, item.bytes)
        yield from _content(item, contents[item.name])
        yield bytes(-item.bytes % _BLOCK)
    yield bytes(_END)


def _content(item: Item, file: Path) -> Iterator[bytes]:
    total, moved = hashlib.sha256(), 0
    with file.open("rb") as source:
        while piece := source.read(_READ):
            moved += len(piece)
            total.update(piece)
            yield piece
    if moved != item.bytes or total.hexdigest() != item.sha256:
        raise StateDamaged("offline.damaged", where=str(file), part=item.name)
