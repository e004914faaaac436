"""A layer before it is written: path → entry, with the rules that keep it whole. Contents stay where they are.

Paths have no leading slash and no dots. A path whose parent is a symbolic link is put where the link leads, as dpkg
does it; one that leads out of the tree, or through a file, is refused.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fleet.base.errors import Refused

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32")
"""Top directories that are links into /usr on a merged system. Source: usrmerge, file-hierarchy(7)."""
_MAX_LINKS = 16


@dataclass(frozen=True, slots=True)
class Blob:
    """The content of a file: ``size`` bytes at ``offset`` in a file, or ``content`` itself where there is no path."""

    size: int
    path: Path | None = None
    offset: int = 0
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory, a file (two with one blob are hard links) or a symbolic link to ``target``."""

    kind: Literal["dir", "file", "link"]
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    target: str = ""
    blob: Blob | None = None


def text(content: str | bytes, mode: int = 0o644) -> Entry:
    """Return a file of root's with this content."""
    raw = content.encode() if isinstance(content, str) else content
    return Entry("file", mode, blob=Blob(len(raw), content=raw))


def link(target: str) -> Entry:
    """Return a symbolic link."""
    return Entry("link", 0o777, target=target)


def plain(path: str) -> str:
    """Return a path without its leading ``./`` or ``/``; empty for the root.

    Raises:
        Refused: it climbs (``..``) or holds what no path of a package holds.
    """
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts or any(char < " " or char == "\x7f" for char in path):
        raise Refused("image.hostile_path", path=path)
    return "/".join(parts)


def merged(path: str) -> str:
    """Return where a path lies on a system with a merged /usr: ``lib/x`` is ``usr/lib/x``."""
    return f"usr/{path}" if path.split("/", 1)[0] in MERGED else path


@dataclass(slots=True)
class Tree:
    """The entries of one layer, by path."""

    entries: dict[str, Entry] = field(default_factory=dict[str, Entry])

    def add(self, path: str, entry: Entry) -> None:
        """Put an entry at a path, every link on the way there followed; a directory never replaces a link.

        Raises:
            Refused: the path is hostile, or what is there is of another kind.
        """
        bare = plain(path)
        where = self._resolved(merged(bare))
        before = self.entries.get(where)
        is_merge_itself = entry.kind == "link" and bare in MERGED
        if not where or is_merge_itself or (entry.kind == "dir" and before and before.kind == "link"):
            return
        if before and "dir" in {before.kind, entry.kind} and before.kind != entry.kind:
            raise Refused("image.hostile_path", path=path)
        self.entries[where] = entry

    def _resolved(self, path: str) -> str:
        """Return the path with the links among its parents followed."""
        for _ in range(_MAX_LINKS):
            at = next((p for p in _parents(path) if self._kind(p) == "link"), None)
            if at is None:
                return path
            path = _joined(at, self.entries[at].target, path[len(at) + 1 :])
        raise Refused("image.hostile_path", path=path)

    def _kind(self, path: str) -> str:
        entry = self.entries.get(path)
        return entry.kind if entry else ""

    def find(self, path: str) -> Entry | None:
        """Return what is at a path once all links are followed, or None."""
        for _ in range(_MAX_LINKS):
            path = self._resolved(merged(plain(path)))
            entry = self.entries.get(path)
            if entry is None or entry.kind != "link":
                return entry
            path = _joined(path, entry.target, "")
        return None

    def prune(self, leave_out: Iterable[str], keep: Iterable[str] = ()) -> None:
        """Leave out what matches one pattern of the first and none of the second kind."""
        out, stay = matcher(leave_out), matcher(keep)
        self.entries = {path: entry for path, entry in self.entries.items() if stay(path) or not out(path)}

    def complete(self) -> None:
        """Add the parents that are missing, root's and 0755.

        Raises:
            Refused: a parent is not a directory.
        """
        for path in list(self.entries):
            for parent in _parents(path):
                if self.entries.setdefault(parent, Entry("dir")).kind != "dir":
                    raise Refused("image.hostile_path", path=path)

    def sorted(self) -> list[tuple[str, Entry]]:
        """Return the entries, parents before children."""
        return sorted(self.entries.items())


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _joined(at: str, target: str, rest: str) -> str:
    """Return where ``rest`` under the link ``at`` → ``target`` lies; nothing is above the root, as on a real system."""
    start = [] if target.startswith("/") else at.split("/")[:-1]
    for part in [*target.split("/"), *rest.split("/")]:
        if part == "..":
            start = start[:-1]
        elif part not in {"", "."}:
            start.append(part)
    return merged("/".join(start))


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return a test for paths: ``*`` stays within one name, ``**`` crosses slashes, ``**/`` may be nothing."""
    wanted = re.compile("|".join(_expression(pattern) for pattern in patterns) or r"(?!)")
    return lambda path: wanted.fullmatch(path) is not None


def _expression(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    wild: Mapping[str, str] = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(part, re.escape(part)) for part in parts)


def from_folder(folder: Path, prefix: str) -> Tree:
    """Return a tree of what lies in a folder, all of it root's, modes reduced to 0755 and 0644, links kept as they are.

    Raises:
        Refused: a link leads out of the folder, or there is something that is no file, directory or link.
    """
    tree = Tree({prefix: Entry("dir")})
    for path in folder.rglob("*"):
        tree.entries[f"{prefix}/{path.relative_to(folder).as_posix()}"] = _from_disk(path, folder)
    return tree


def _from_disk(path: Path, folder: Path) -> Entry:
    if path.is_symlink():
        inside = path.resolve().is_relative_to(folder.resolve()) and not path.readlink().is_absolute()
        if not inside:
            raise Refused("image.hostile_path", path=str(path))
        return link(str(path.readlink()))
    if path.is_dir():
        return Entry("dir")
    if not path.is_file():
        raise Refused("image.hostile_path", path=str(path))
    status = path.stat()
    return Entry("file", 0o755 if status.st_mode & 0o100 else 0o644, blob=Blob(status.st_size, path))
