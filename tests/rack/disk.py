"""A small disk for a machine: an ext4 of a given size in a file, mounted by loop, so that "disk full" is real."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.rack.places import home


class Disk:
    """`megabytes` of ext4, mounted on the box at `mount`, to be bound into a machine. Needs root and loop devices."""

    def __init__(self, name: str, megabytes: int) -> None:
        base = _base()
        base.mkdir(parents=True, exist_ok=True)
        self.file, self.mount = base / f"{name}.ext4", base / name
        self.name = name
        with self.file.open("wb") as file:
            file.truncate(megabytes << 20)
        self.mount.mkdir()
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-F", str(self.file)], check=True)
        subprocess.run(["mount", "-o", "loop", str(self.file), str(self.mount)], check=True)

    def fill(self, leave: int = 0) -> None:
        """Write a filler until at most `leave` megabytes are free."""
        with (self.mount / "filler").open("ab", buffering=0) as file, suppress(OSError):
            while (excess := self.free() - (leave << 20)) > 0:
                file.write(bytes(min(excess, 1 << 20)))

    def relieve(self) -> None:
        """Take the filler away."""
        (self.mount / "filler").unlink(missing_ok=True)

    def free(self) -> int:
        """Bytes that root can still write."""
        seen = os.statvfs(self.mount)
        return seen.f_bavail * seen.f_frsize

    def remove(self) -> None:
        """Unmount it and delete its file."""
        Disk.forget(self.name)

    @staticmethod
    def forget(name: str) -> None:
        """Unmount and delete the disk of that name, if there is one."""
        file, mount = _base() / f"{name}.ext4", _base() / name
        if mount.is_mount():
            subprocess.run(["umount", "-l", str(mount)], check=True)
        if mount.exists():
            mount.rmdir()
        file.unlink(missing_ok=True)


def _base() -> Path:
    return home() / "disks"
