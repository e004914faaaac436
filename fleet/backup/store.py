"""What a controller has for backups: its notes, its recovery keys, and where they come from when they are put back."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleet.backup.form import Note, Where
from fleet.backup.keys import RecoveryKeys
from fleet.backup.notes import Notes
from fleet.backup.seal import Source
from fleet.backup.shelves import FolderShelf, Shelf, open_file


@dataclass(frozen=True)
class Store:
    """The notes and keys of a controller; ``by`` is the clawrack that writes."""

    notes: Notes
    keys: RecoveryKeys
    by: str

    @property
    def own(self) -> FolderShelf:
        """The controller's own shelf."""
        return FolderShelf(self.notes.folder, "controller")


@dataclass(frozen=True)
class Found:
    """A backup that can be read: on a shelf, with its note, or a file that a person named.

    Attributes:
        name: of it, for people.
        shelf: where it rests; None for a file.
    """

    name: str
    note: Note | None = None
    shelf: Shelf | None = None
    file: Path | None = None

    def open(self) -> AbstractContextManager[Source]:
        """Open it for reading."""
        if self.file:
            return open_file(self.file)
        assert self.shelf  # noqa: S101 - one of the two is there
        return self.shelf.source(self.name)

    @property
    def sha256(self) -> str:
        """The checksum that it must have, or empty."""
        return self.note.sha256 if self.note else ""


class BackupView(msgspec.Struct, frozen=True, kw_only=True):
    """A backup as people are shown it.

    Attributes:
        id: its name.
        where: ``controller``, ``machine`` or ``folder``; ``place`` is the machine's name, or the folder.
        bytes: of the file; ``state_bytes`` of the state in it, before it was encrypted.
        snapshot: it is of a snapshot, so the state is older than the backup.
        down_ms: for how long the agent was stopped for it.
        checked: when it was last read to its end (RFC 3339), or empty.
    """

    id: str
    agent: str
    machine: str
    created: str
    kind: str
    kind_version: str
    where: Where
    place: str
    bytes: int
    state_bytes: int
    snapshot: bool
    down_ms: int
    checked: str


class RecoveryView(msgspec.Struct, frozen=True, kw_only=True):
    """The recovery key as people are shown it: never the key, but its public half.

    Attributes:
        kept: where the key itself is on this controller: ``keyring``, ``file`` or ``nowhere``.
        proven: when somebody last showed that they have it (RFC 3339), or empty.
        file: where the key was written to just now, or empty.
    """

    recipient: str
    made: str
    kept: str
    proven: str
    earlier: tuple[str, ...] = ()
    file: str = ""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that was put back.

    Attributes:
        backup: the one it came from; ``kept`` states have the name they were kept by.
        at: of when its state is (RFC 3339).
        kept: where the state that was there before stays, or empty.
        left: the machine that it was taken off, or empty.
        tomb: the tombstone that waits for the old machine, or empty.
        model: the way its calls go now.
    """

    agent: str
    machine: str
    backup: str
    at: str = ""
    kept: str = ""
    left: str = ""
    tomb: str = ""
    model: str = ""


def view(note: Note) -> BackupView:
    """Return a backup as people are shown it."""
    return BackupView(**{key: getattr(note, key) for key in BackupView.__struct_fields__})
