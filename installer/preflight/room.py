"""Is there room on the right disks, and are they sound?"""

import shlex
from dataclasses import dataclass

from installer.detect import Verdict
from installer.facts import Facts
from installer.preflight.problem import KIB, MIB, Need, Problem, Problems

_FIELDS = 3  # device, size, room; where it is mounted and whether it may be written follow in newer probes


@dataclass(frozen=True, slots=True)
class _Disk:
    """The file system under a path: bytes of room, and where it is mounted."""

    room: int
    mount: str
    read_only: bool


def disks(facts: Facts, _verdict: Verdict, need: Need) -> Problems:
    """Room for state and for images, added up where both are on one file system."""
    data = _disk(facts, ("/var/lib/clawrack", "/var/lib", "/"))
    root = facts.get("docker.root") or facts.get("docker.data")
    engine = _disk(facts, (root, "/var/lib/docker", "/var/lib", "/"))
    same = data is not None and engine is not None and data.mount == engine.mount
    wants = [(data, need.data + need.engine)] if same else [(data, need.data), (engine, need.engine)]
    for disk, bytes_needed in wants:
        if disk is None:
            continue
        if disk.read_only:
            yield Problem("fix", "preflight.read_only", {"path": shlex.quote(disk.mount)})
        elif disk.room < bytes_needed:
            mib = {"path": shlex.quote(disk.mount), "have": disk.room // MIB, "need": bytes_needed // MIB}
            yield Problem("fix", "preflight.disk", mib)
    guard = _disk(facts, ("/usr/local", "/"))
    if guard and guard.read_only and not (data and data.read_only and data.mount == guard.mount):
        yield Problem("fix", "preflight.read_only", {"path": "/usr/local"})


def errors(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """The file system has met errors: the disk may be dying, and second-hand ones do."""
    if facts.get("fs_errors"):
        yield Problem("warn", "preflight.disk_errors", {"disks": facts.get("fs_errors")})


def untold(facts: Facts, _verdict: Verdict, need: Need) -> Problems:
    """A saved probe may leave out what would decide: nobody is told that it fits."""
    lacking = [] if facts.get("mem.MemTotal") or not need.memory else ["mem.MemTotal"]
    if need.data and not _disk(facts, ("/var/lib/clawrack", "/var/lib", "/")):
        lacking.append("df./var/lib")
    if lacking:
        yield Problem("warn", "preflight.untold", {"keys": ", ".join(lacking)})


def _disk(facts: Facts, paths: tuple[str, ...]) -> _Disk | None:
    """Return the file system under the first of the paths that the probe saw (``device sizeK roomK mount rw``)."""
    for path in paths:
        parts = facts.get(f"df.{path}").split(" ")
        room = parts[2].removesuffix("K") if len(parts) >= _FIELDS else ""
        if path and room.isascii() and room.isdigit():
            mount, state = (parts[3], parts[4]) if len(parts) == _FIELDS + 2 else (path, "rw")
            return _Disk(int(room) * KIB, mount, state == "ro")
    return None
