"""Where backups rest: a folder of this computer, or another machine of the fleet."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from fleet.backup.calls import BackupGuard
from fleet.backup.form import SUFFIX, Where, parse_id
from fleet.backup.seal import Sink, Source
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused
from fleet.machine.port import Port
from fleet.site import Site, held

SLACK = 1 << 26  # bytes that stay free
_RENEW = 300.0  # seconds


class Counted:
    """A sink that counts and sums up what goes through it."""

    def __init__(self, to: Sink) -> None:
        self._to = to
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """The checksum of what went through."""
        return self._digest.hexdigest()

    def __call__(self, data: bytes) -> None:
        """Pass it on."""
        self._digest.update(data)
        self.bytes += len(data)
        self._to(data)


class Shelf(Protocol):
    """A place where backups rest."""

    @property
    def where(self) -> Where:
        """What sort of place."""
        ...

    @property
    def place(self) -> str:
        """Its name, or the folder."""
        ...

    def room(self) -> int:
        """Return the bytes that are free there."""
        ...

    def put(self, backup: str, most: int, fill: Callable[[Sink], None]) -> Counted:
        """Put a backup there: all of it, or nothing."""
        ...

    def sizes(self) -> dict[str, int]:
        """Return what rests there, and its bytes."""
        ...

    def source(self, backup: str) -> AbstractContextManager[Source]:
        """Read a backup, in a ``with``."""
        ...

    def drop(self, backup: str) -> bool:
        """Take a backup away; whether it was there."""
        ...


class FolderShelf:
    """A folder of this computer."""

    def __init__(self, folder: Path, where: Where = "folder") -> None:
        self.folder = folder
        self.where: Where = where

    @property
    def place(self) -> str:
        """The folder; the controller's own needs none."""
        return "" if self.where == "controller" else str(self.folder)

    def room(self) -> int:
        """Return the bytes that are free there.

        Raises:
            ActionFailed: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            return shutil.disk_usage(self.folder).free
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def put(self, backup: str, most: int, fill: Callable[[Sink], None]) -> Counted:
        """Put a backup there, by a rename once all of it is on the disk.

        Raises:
            ActionFailed: the disk is full, or may not be written.
        """
        del most
        part, whole = self.folder / f".{backup}.part", self.folder / f"{backup}{SUFFIX}"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                counted = Counted(lambda data: _write(file, data))
                fill(counted)
                file.flush()
                os.fsync(handle)
            part.rename(whole)
            _sync(self.folder)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        finally:
            part.unlink(missing_ok=True)
        return counted

    def sizes(self) -> dict[str, int]:
        """Return what rests there, and its bytes."""
        found = sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else []
        return {path.stem: path.stat().st_size for path in found if _is_backup(path.stem)}

    @contextmanager
    def source(self, backup: str) -> Generator[Source]:
        """Read a backup.

        Raises:
            BadInput: it is not there.
        """
        with open_file(self.folder / f"{backup}{SUFFIX}") as source:
            yield source

    def drop(self, backup: str) -> bool:
        """Take a backup away; whether it was there."""
        path = self.folder / f"{backup}{SUFFIX}"
        there = path.exists()
        path.unlink(missing_ok=True)
        return there


class MachineShelf:
    """Another machine of the fleet; what rests there is encrypted, and it cannot read it."""

    where: Where = "machine"

    def __init__(self, port: Port, holder: str) -> None:
        self._port = port
        self._holder = holder

    @property
    def place(self) -> str:
        """The machine's name."""
        return self._port.name

    def room(self) -> int:
        """Return the bytes that are free there."""
        told = dict(BackupGuard(self._port).look())
        return int(told.get("disk_free", "0")) if told.get("disk_free", "0").isdigit() else 0

    def put(self, backup: str, most: int, fill: Callable[[Sink], None]) -> Counted:
        """Put a backup there; it counts once its checksum is the one of what was sent.

        Raises:
            ActionFailed: something else came, or there is no room.
        """
        guard = BackupGuard(self._port)
        with held(self._port, self._holder) as site:
            sent: list[Counted] = []

            def feed(push: Sink) -> None:
                sent.append(Counted(renewing(site, push)))
                fill(sent[0])

            said = guard.hold(site.lease, backup, most)(feed)
            if said.get("sha256") != sent[0].sha256:
                raise ActionFailed("backup.came_other", where=self.place, machine=self.place)
            guard.held(site.lease, backup, sent[0].sha256)
        return sent[0]

    def sizes(self) -> dict[str, int]:
        """Return what rests there, and its bytes."""
        return {name: size for name, size in BackupGuard(self._port).holdings().items() if _is_backup(name)}

    @contextmanager
    def source(self, backup: str) -> Generator[Source]:
        """Read a backup.

        Raises:
            BadInput: it is not there.
        """
        guard = BackupGuard(self._port)
        size = guard.holdings().get(backup)
        if size is None:
            raise BadInput("backup.not_there", where=self.place, id=backup)
        pieces = guard.hand(backup, size)
        yield lambda _: next(pieces, b"")

    def drop(self, backup: str) -> bool:
        """Take a backup away; whether it was there."""
        with held(self._port, self._holder) as site:
            return BackupGuard(self._port).unhold(site.lease, backup)


def renewing(site: Site, to: Sink) -> Sink:
    """Return a sink that holds the lease while it is fed, however long that takes."""
    last = [time.monotonic()]

    def sink(data: bytes) -> None:
        if time.monotonic() - last[0] > _RENEW:
            site.renew()
            last[0] = time.monotonic()
        to(data)

    return sink


@contextmanager
def open_file(path: Path) -> Generator[Source]:
    """Read a backup of a file.

    Raises:
        BadInput: it cannot be read, or is no plain file.
    """
    try:
        if not path.is_file():
            raise BadInput("backup.not_there", where=str(path), id=path.name)
        with path.open("rb") as file:
            yield file.read
    except OSError as error:
        raise BadInput("file.unreadable", where=str(path), reason=error.strerror) from error


def leave_room(shelf: Shelf, needed: int) -> None:
    """See that a place has room for a backup.

    Raises:
        ActionFailed: it has not.
    """
    free = shelf.room()
    if free < needed + SLACK:
        mib = 1 << 20
        place = shelf.place or "controller"
        raise ActionFailed("backup.no_room", where=place, needed=(needed + SLACK) // mib, free=free // mib)


def same_disk(folder: Path, state: Path) -> bool:
    """Tell whether a folder is on the file system on which a state lies, both on this computer."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    return state.exists() and there.stat().st_dev == state.stat().st_dev


def checked_folder(text: str) -> Path:
    """Return a folder that a person named.

    Raises:
        Refused: there is something else.
    """
    folder = Path(text).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise Refused("backup.no_folder", where=str(folder))
    return folder


def _is_backup(name: str) -> bool:
    try:
        parse_id(name)
    except ClawrackError:
        return False
    return True


def _write(file: IO[bytes], data: bytes) -> None:
    file.write(data)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(folder: Path, error: OSError) -> ActionFailed:
    return ActionFailed("disk.not_written", where=str(folder), reason=error.strerror or str(error))
