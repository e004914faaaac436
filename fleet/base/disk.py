"""Files of ours on this computer: replaced whole or not at all, and private."""

import fcntl
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fleet.base.errors import ActionFailed, Refused


def replace(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file by a temporary one beside it, fsync and rename; its folder is made (0700) where it is missing.

    Raises:
        ActionFailed: the disk is full, or may not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            _write(handle, content, mode)
            os.replace(name, path)  # noqa: PTH105 - the temporary file has a name, not a Path
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise ActionFailed("disk.not_written", where=str(path), reason=error.strerror or str(error)) from error


def append(path: Path, line: bytes) -> None:
    """Add one line to a file and wait until it is on the disk.

    Raises:
        ActionFailed: the disk is full, or may not be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb", buffering=0) as file:
            file.write(line.rstrip(b"\n") + b"\n")
            os.fsync(handle)
    except OSError as error:
        raise ActionFailed("disk.not_written", where=str(path), reason=error.strerror or str(error)) from error


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold a lock file for as long as the block lasts; it is free again when its holder dies.

    Raises:
        Refused: another clawrack holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Refused("disk.locked", where=str(path)) from error
        yield


def _write(handle: int, content: bytes, mode: int) -> None:
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(content)
        file.flush()
        os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
