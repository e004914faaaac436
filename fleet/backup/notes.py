"""What this controller remembers of its backups: one small file each, known to be whole.

It is memory: lost, or on another controller, the backups are still there and name themselves (`rebuild`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from fleet.backup.form import SUFFIX, Note, note_of, parse_id
from fleet.backup.shelves import Shelf
from fleet.base.errors import BadInput, StateDamaged
from fleet.vault import whole

_NOTE = ".note"
_AHEAD = timedelta(days=1)  # that the clock of another controller may be


class Notes:
    """The notes of a controller; ``folder`` is that of its own backups, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[Note]:
        """Return every note, the newest backup first.

        Raises:
            StateDamaged: one is not whole.
            Refused: a newer clawrack wrote one.
        """
        paths = sorted(self.folder.glob(f"*{_NOTE}")) if self.folder.is_dir() else []
        return sorted((self._read(path) for path in paths), key=lambda note: (note.created, note.id), reverse=True)

    def find(self, backup: str) -> Note:
        """Return the note of a backup, by its name or its beginning.

        Raises:
            BadInput: there is none, or several begin so.
        """
        found = [note for note in self.all() if note.id.startswith(backup.removesuffix(SUFFIX))]
        exact = [note for note in found if note.id == backup]
        if len(exact or found) != 1:
            raise BadInput("backup.unknown", id=backup, known=", ".join(note.id for note in found) or "-")
        return (exact or found)[0]

    def keep(self, note: Note) -> None:
        """Write a note."""
        whole.write(self._path(note.id), msgspec.json.encode(note))

    def drop(self, backup: str) -> None:
        """Forget a backup."""
        self._path(backup).unlink(missing_ok=True)

    def rebuild(self, shelves: Iterable[Shelf]) -> list[Note]:
        """Make the notes that are lacking, or damaged, anew from what rests on the shelves; damaged ones are put aside.

        They know less: what a backup's name and size tell, which is the word of where it rests. Checking one with the
        recovery key fills in the rest; until then `policy` does not count it. A name that tells of a time that is yet
        to come is passed over.
        """
        made: list[Note] = []
        latest = f"{datetime.now(UTC) + _AHEAD:%Y-%m-%dT%H:%M:%SZ}"
        for shelf in shelves:
            for backup, size in shelf.sizes().items():
                agent, created = parse_id(backup)
                if created <= latest and self._lacking(self._path(backup)):
                    made.append(
                        Note(
                            id=backup, agent=agent, machine="", created=created, where=shelf.where, place=shelf.place,
                            bytes=size,
                        )
                    )  # fmt: skip
                    self.keep(made[-1])
        self._put_aside()
        return made

    def _lacking(self, path: Path) -> bool:
        if not path.exists():
            return True
        try:
            self._read(path)
        except StateDamaged:
            path.replace(path.with_suffix(".damaged"))
            return True
        return False

    def _put_aside(self) -> None:
        """What is damaged and belongs to no backup that was found is not looked at again."""
        for path in self.folder.glob(f"*{_NOTE}"):
            self._lacking(path)

    def _read(self, path: Path) -> Note:
        content = whole.read(path)
        if content is None:
            raise StateDamaged("backup.note_damaged", where=str(path), file=path)
        return note_of(content, str(path))

    def _path(self, backup: str) -> Path:
        parse_id(backup)
        return self.folder / f"{backup}{_NOTE}"
