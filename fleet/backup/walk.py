"""A tar archive, read as it comes: what each entry is, and its bytes, with nothing kept and nothing unpacked.

Python's tarfile reads an extended header of any size into memory before it says a word; here it may be 64 KiB. What an
archive may hold is little: the two kinds of names that GNU's and POSIX' tar write, files, folders, links, pipes, files
with holes. Everything else is refused, so that nobody's tar can understand it differently from us.
"""

import tarfile
from collections.abc import Callable
from typing import Literal

import msgspec

from fleet.base.errors import Refused
from fleet.base.words import say

BLOCK = 512
_POSIX = b"ustar\0"
_SHOWN = 200  # letters of a name that is refused for its length
_META = 1 << 16  # bytes of a long name or an extended header
_NAME = 4096  # bytes of a name: no system opens a longer one
_PARTS = 256  # folders on the way to a file
_MOST_LINKS = 500_000
_LINK_NAMES = 1 << 25  # bytes of all their names, which are held until the end
Kind = Literal["file", "folder", "link", "hardlink", "pipe"]
_KINDS: dict[bytes, Kind] = {
    tarfile.REGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "link",
    tarfile.DIRTYPE: "folder",
    tarfile.FIFOTYPE: "pipe",
}
_PLAIN_PAX = frozenset({"path", "linkpath", "size", "mtime", "atime", "ctime", "uid", "gid", "uname", "gname"})


class Entry(msgspec.Struct, frozen=True):
    """One entry: its name and kind, its size once it is unpacked (bytes), its rights, and where a link leads."""

    name: str
    kind: Kind
    size: int
    mode: int = 0o600
    target: str = ""


def unsafe(what: str, name: str = "") -> Refused:
    """Return the refusal of an archive that could do harm; ``what`` is the key of the harm."""
    return Refused("backup.unsafe", harm=say(f"backup.harm.{what}"), name=name or "-")


class Walk:
    """Reads an archive piece by piece.

    Args:
        entry: told of each entry, before its bytes.
        data: told of the bytes of files, in pieces.
    """

    def __init__(self, entry: Callable[[Entry], None], data: Callable[[bytes], None] | None = None) -> None:
        self._entry = entry
        self._data = data
        self._held = bytearray()
        self._wanted = BLOCK
        self._then: Callable[[bytes], None] = self._header
        self._body = 0
        self._padding = 0
        self._held_body = (0, 0)
        self._pax: dict[str, str] = {}
        self._sparse: Entry | None = None
        self._ended = False

    def feed(self, piece: bytes) -> None:
        """Read on.

        Raises:
            Refused: it holds something that no backup of ours does.
        """
        view = memoryview(piece)
        while view:
            if self._body:
                view = self._pass(view)
            elif self._padding:
                skipped = min(self._padding, len(view))
                self._padding -= skipped
                view = view[skipped:]
            else:
                view = self._collect(view)

    def end(self) -> None:
        """Say that nothing more comes.

        Raises:
            Refused: it was cut off.
        """
        if not self._ended or self._body or self._padding:
            raise unsafe("cut")

    def _pass(self, view: memoryview) -> memoryview:
        now = view[: self._body]
        self._body -= len(now)
        if self._data:
            self._data(bytes(now))
        return view[len(now) :]

    def _collect(self, view: memoryview) -> memoryview:
        lacking = self._wanted - len(self._held)
        self._held += view[:lacking]
        if len(self._held) == self._wanted:
            block, self._held = bytes(self._held), bytearray()
            self._wanted = BLOCK
            self._then(block)
        return view[lacking:]

    def _header(self, block: bytes) -> None:
        if not any(block):
            self._ended = True
            return
        if self._ended:
            raise unsafe("after_end")
        try:
            found = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise unsafe("no_tar") from error
        _one_meaning(found, block)
        if found.type in {tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}:
            self._extended(found)
        elif found.type in _KINDS:
            self._found(found, block)
        else:
            raise unsafe("type", found.name)

    def _extended(self, found: tarfile.TarInfo) -> None:
        if not 0 < found.size <= _META:
            raise unsafe("long_name", found.name)
        self._wanted = -(-found.size // BLOCK) * BLOCK
        self._then = lambda block: self._learn(found, block[: found.size])

    def _learn(self, found: tarfile.TarInfo, content: bytes) -> None:
        self._then = self._header
        if found.type == tarfile.XHDTYPE:
            self._pax |= _pax(content)
        else:
            key = "path" if found.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
            self._pax[key] = content.rstrip(b"\0").decode("utf-8", "surrogateescape")

    def _found(self, found: tarfile.TarInfo, block: bytes) -> None:
        told, self._pax = self._pax, {}
        kind = _KINDS[found.type]
        size = int(told.get("size", found.size))
        if size < 0 or (size and kind != "file"):
            raise unsafe("type", found.name)
        name, target = told.get("path", found.name), told.get("linkpath", found.linkname)
        _short(name)
        _short(target)
        entry = Entry(name.rstrip("/") if kind == "folder" else name, kind, size, found.mode, target)
        self._body, self._padding = size, -size % BLOCK
        if found.type == tarfile.GNUTYPE_SPARSE:
            self._begin_sparse(entry, block)
        else:
            self._entry(entry)

    def _begin_sparse(self, entry: Entry, block: bytes) -> None:
        """A file with holes: its whole size stands in its header, and more maps of holes may follow it."""
        entry = msgspec.structs.replace(entry, size=_number(block[483:495]))
        if not block[482]:
            self._entry(entry)
            return
        self._sparse = entry
        self._held_body = (self._body, self._padding)
        self._body = self._padding = 0
        self._then = self._more_sparse

    def _more_sparse(self, block: bytes) -> None:
        if block[504]:
            return
        self._then = self._header
        self._body, self._padding = self._held_body
        if self._sparse:
            self._entry(self._sparse)
            self._sparse = None


def _one_meaning(found: tarfile.TarInfo, block: bytes) -> None:
    """See that every tar reads a header as we do.

    GNU's format has other things where POSIX' has the first part of a name, and Python reads both as a name. A file of
    the oldest format is a folder to some tars where its name ends with a slash, and which name that is differs. A file
    with holes is GNU's alone.

    Raises:
        Refused: some tar would read it otherwise.
    """
    posix = block[257:263] == _POSIX
    holes = found.type == tarfile.GNUTYPE_SPARSE
    early = block[345:386] if holes else block[345:500]
    if (not posix and any(early)) or (posix and holes) or block[156:157] == tarfile.AREGTYPE:
        raise unsafe("no_tar", found.name)


def _short(name: str) -> None:
    if len(name) > _NAME or len(name.encode("utf-8", "surrogateescape")) > _NAME or name.count("/") > _PARTS:
        raise unsafe("long_name", name[:_SHOWN])


def _pax(content: bytes) -> dict[str, str]:
    told: dict[str, str] = {}
    while content:
        digits, _, rest = content.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 6 else 0  # noqa: PLR2004 - no header is longer
        record = content[len(digits) + 1 : length - 1]
        key, sign, value = record.partition(b"=")
        name = key.decode("ascii", "replace")
        if not rest or not sign or length > len(content) or name not in _PLAIN_PAX or b"\0" in value:
            raise unsafe("long_name")
        if name == "size" and not (value.isdigit() and len(value) < 19):  # noqa: PLR2004 - 64 bits
            raise unsafe("long_name")
        told[name] = value.decode("utf-8", "surrogateescape")
        content = content[length:]
    return told


def _number(field: bytes) -> int:
    """Return a number of a header: octal digits, or binary where the first bit is set."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise unsafe("no_tar")
    return int(digits, 8)


class StateRules:
    """Sees that the entries of a state cannot reach beyond it, wherever and by whomever they are unpacked.

    Attributes:
        room: bytes that they take unpacked.
        entries: how many there were.
    """

    def __init__(self, most: int) -> None:
        self.room = 0
        self.entries = 0
        self._most = most
        self._links: set[str] = set()
        self._link_names = 0

    def __call__(self, entry: Entry) -> None:
        """Look at the next entry.

        Raises:
            Refused: its name leads elsewhere, it goes through a link, runs as somebody else, or takes too much room.
        """
        self._place(entry.name, entry.name)
        if entry.kind == "hardlink":
            self._place(entry.target, entry.name)
        if entry.name == "state" and entry.kind != "folder":
            raise unsafe("name", entry.name)
        if entry.kind == "link":
            self._links.add(entry.name)
            self._link_names += len(entry.name.encode("utf-8", "surrogateescape"))
            if len(self._links) > _MOST_LINKS or self._link_names > _LINK_NAMES:
                raise unsafe("links", entry.name)
        if entry.kind == "file" and entry.mode & 0o6000:
            raise unsafe("setid", entry.name)
        self.entries += 1
        self.room += -(-entry.size // 4096) * 4096 + BLOCK
        if self.room > self._most:
            raise unsafe("room", entry.name)

    def _place(self, name: str, told: str) -> None:
        parts = name.split("/")
        if parts[0] != "state" or "\0" in name or any(part in {"", ".", ".."} for part in parts):
            raise unsafe("name", told)
        way = ""
        for part in parts:
            way = f"{way}/{part}" if way else part
            if way in self._links:
                raise unsafe("through_link", told)
