"""Who is at the other end of a connection on this computer, and who has a port: from Linux's /proc/net (proc(5))."""

import os
import pwd
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

_LISTENS = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


class Row(msgspec.Struct, frozen=True):
    """One end of a TCP connection of this computer; addresses and ports as /proc writes them."""

    local: str
    local_port: int
    remote: str
    remote_port: int
    listens: bool
    uid: int
    inode: str


class Owner(msgspec.Struct, frozen=True):
    """Who has a port.

    Attributes:
        kind: ``clawrack`` itself, another ``program``, something of another ``user``, or ``unknown``.
        name: of the program, or of the user.
        pid: of the program; 0 where it cannot be seen.
    """

    kind: str
    name: str = ""
    pid: int = 0


def rows(text: str) -> Iterator[Row]:
    """Yield the rows of /proc/net/tcp or tcp6."""
    for line in text.splitlines()[1:]:
        words = line.split()
        local, remote = words[1].split(":"), words[2].split(":")
        yield Row(
            local[0][-8:], int(local[1], 16), remote[0][-8:], int(remote[1], 16), words[3] == _LISTENS, int(words[7]),
            words[9],
        )  # fmt: skip


def _all() -> Iterator[Row]:
    for table in _TABLES:
        if table.exists():
            yield from rows(table.read_text(encoding="ascii"))


def uid(client: tuple[str, int], port: int) -> int | None:
    """Return the user number of whoever connected from there to our port, None where it cannot be told.

    Args:
        client: the IPv4 address and port that the connection comes from.
        port: ours, on 127.0.0.1.
    """
    wanted = (_hexed(client[0]), client[1], _hexed("127.0.0.1"), port)
    return next((row.uid for row in _all() if (row.local, row.local_port, row.remote, row.remote_port) == wanted), None)


def _hexed(address: str) -> str:
    return f"{struct.unpack('=I', socket.inet_aton(address))[0]:08X}"


def ours() -> frozenset[int]:
    """Return the user numbers that are us: ours, root's, and that of whoever became us by sudo."""
    before = os.environ.get("SUDO_UID", "")
    return frozenset({0, os.geteuid(), *([int(before)] if before.isascii() and before.isdigit() else [])})


def owner(port: int) -> Owner:
    """Return who listens on a port of this computer."""
    found = next((row for row in _all() if row.listens and row.local_port == port), None)
    if found is None:
        return Owner("unknown")
    for process in Path("/proc").glob("[0-9]*"):
        if _holds(process, found.inode):
            return _named(process)
    try:
        return Owner("user", pwd.getpwuid(found.uid).pw_name)
    except KeyError:
        return Owner("user", str(found.uid))


def _holds(process: Path, inode: str) -> bool:
    try:
        return any(str(file.readlink()) == f"socket:[{inode}]" for file in (process / "fd").iterdir())
    except OSError:
        return False  # it ended, or is not ours to look at


def _named(process: Path) -> Owner:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")[:4]
        name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return Owner("unknown")
    mine = any(Path(os.fsdecode(word)).name == "clawrack" for word in words)
    return Owner("clawrack" if mine else "program", name, int(process.name))
