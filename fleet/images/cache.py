"""Images on this computer's disk, by the hash of what went into them.

~/.cache/clawrack/images/
  HASH/            image.json and one file per layer; made under another name and renamed, so it is whole or not there
  asked/KEY        the HASH that a recipe last led to; KEY is the hash of the recipe before packages were resolved
  apt/ARCH/        apt's lists
  lock-KEY         held by whoever builds
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleet.base import formats
from fleet.base.errors import Refused, StateDamaged
from fleet.images.archive import Built

DESCRIPTION = "image.json"
_PART = "part-"


def default_home() -> Path:
    """Return the cache's place for this person."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "clawrack" / "images"


@dataclass(frozen=True, slots=True)
class Cache:
    """The cache in one folder."""

    home: Path

    @contextmanager
    def locked(self, key: str) -> Generator[None]:
        """Hold the builder's lock of a recipe; whoever comes second waits."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / f"lock-{key[:32]}").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def asked(self, key: str) -> Built | None:
        """Return what a recipe last led to, unverified, or None.

        Raises:
            StateDamaged: it is there, but its description cannot be read.
        """
        note = self.home / "asked" / key
        return self.get(note.read_text().strip()) if note.is_file() else None

    def readable(self, key: str) -> Built | None:
        """Return the same, None also where its description cannot be read: it is then made anew."""
        try:
            return self.asked(key)
        except StateDamaged:
            return None

    def get(self, made_from: str) -> Built | None:
        """Return the image of a hash, unverified, or None.

        Raises:
            StateDamaged: its description cannot be read.
            Refused: a newer clawrack wrote it.
        """
        folder = self.home / made_from
        try:
            text = (folder / DESCRIPTION).read_bytes()
            formats.check("image", formats.in_json(text, "format"), str(folder / DESCRIPTION))
            built = msgspec.json.decode(text, type=Built)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise StateDamaged("image.cache_damaged", where=str(folder)) from error
        return msgspec.structs.replace(built, folder=str(folder))

    @contextmanager
    def part(self) -> Generator[Path]:
        """Give a folder to build in; it is gone afterwards unless `keep` took it."""
        self.home.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_PART, dir=self.home))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, built: Built, key: str, folder: Path) -> Built:
        """Take a folder with the layers into the cache, by one rename; return the image as it lies there."""
        (folder / DESCRIPTION).write_bytes(msgspec.json.encode(msgspec.structs.replace(built, folder="")))
        for file in folder.iterdir():
            _durable(file)
        where = self.home / built.recipe
        self.drop(built.recipe)
        folder.rename(where)
        self.note(key, built.recipe)
        return msgspec.structs.replace(built, folder=str(where))

    def note(self, key: str, made_from: str) -> None:
        """Remember what a recipe led to."""
        notes = self.home / "asked"
        notes.mkdir(exist_ok=True)
        new = notes / f".{key}"
        new.write_text(made_from + "\n")
        new.rename(notes / key)

    def drop(self, made_from: str) -> None:
        """Remove an image; under another name first, so that nobody finds half of it."""
        folder = self.home / made_from
        if folder.exists():
            gone = Path(tempfile.mkdtemp(prefix=_PART, dir=self.home))
            folder.rename(gone / made_from)
            shutil.rmtree(gone, ignore_errors=True)

    def listed(self) -> list[Built]:
        """Return the images that are there and readable, by name."""
        found: list[Built] = []
        for file in self.home.glob(f"*/{DESCRIPTION}"):
            try:
                built = self.get(file.parent.name) if not file.parent.name.startswith(_PART) else None
            except (StateDamaged, Refused):
                continue
            found += [built] if built else []
        return sorted(found, key=lambda built: built.name)

    def prune(self, keep: Collection[str]) -> int:
        """Remove what is not kept (hashes), and what cut-off builds left behind; return the bytes that became free."""
        before = _size(self.home)
        for folder in self.home.iterdir() if self.home.is_dir() else ():
            if folder.is_dir() and folder.name not in {*keep, "asked", "apt"} and not _in_use(self.home, folder):
                self.drop(folder.name)
        for note in self.home.glob("asked/*"):
            if not (self.home / note.read_text().strip()).exists():
                note.unlink()
        return before - _size(self.home)


def _in_use(home: Path, folder: Path) -> bool:
    """Tell whether somebody is building: parts are then left alone."""
    if not folder.name.startswith(_PART):
        return False
    for file in home.glob("lock-*"):
        with file.open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def whole(built: Built) -> bool:
    """Tell whether every layer on the disk is what it was when it was built."""
    for layer in built.layers:
        file = Path(built.folder) / layer.name
        if not file.is_file() or file.stat().st_size != layer.size or _sum(file) != layer.digest:
            return False
    return True


def _sum(file: Path) -> str:
    with file.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"


def _durable(file: Path) -> None:
    with file.open("rb") as content:
        os.fsync(content.fileno())


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir()) if folder.is_dir() else 0
