"""Is there room on the right disks, and are they sound?"""

import shlex
from dataclasses import dataclass

from installer.detect import Verdict
from installer.facts import Facts
from installer.makers import DATA, ground, vendor
from installer.preflight.problem import KIB, MIB, Need, Problem, Problems

_IN_MEMORY = frozenset({"tmpfs", "ramfs", "rootfs"})
_FIELDS = 3  # device, size, room; where it is mounted and whether it may be written follow in newer probes


@dataclass(frozen=True, slots=True)
class _Disk:
    """The file system under a path: bytes of room, and where it is mounted."""

    room: int
    mount: str
    read_only: bool


def disks(facts: Facts, verdict: Verdict, need: Need) -> Problems:
    """Room for state and for images, added up where both are on one file system."""
    data = _disk(facts, _data_paths(facts, verdict))
    root = facts.get("docker.root") or facts.get("docker.data")
    usual = _data_paths(facts, verdict) if vendor(verdict) else ("/var/lib/docker", "/var/lib", "/")
    engine = _disk(facts, (root, *usual))
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
        maker = vendor(verdict)
        yield (
            Problem("stop", "nas.read_only", {"system": maker.title})
            if maker
            else Problem("fix", "preflight.read_only", {"path": "/usr/local"})
        )


def _data_paths(facts: Facts, verdict: Verdict) -> tuple[str, ...]:
    """Return where to look for the room of our folder: itself, what is above it."""
    if vendor(verdict):  # its root file system tells nothing: often it is memory
        return (ground(facts, verdict).data.rpartition("/")[0],)
    return (DATA, "/var/lib", "/")


def lasting(facts: Facts, verdict: Verdict, _need: Need) -> Problems:
    """The disk is one: a system that lives in memory forgets its agents."""
    if not vendor(verdict) and facts.get("data_fs") in _IN_MEMORY:
        data = _disk(facts, ("/var/lib/clawrack", "/var/lib", "/"))
        yield Problem("fix", "preflight.memory_disk", {"path": shlex.quote(data.mount if data else "/var/lib")})


def errors(facts: Facts, _verdict: Verdict, _need: Need) -> Problems:
    """The file system has met errors: the disk may be dying, and second-hand ones do."""
    if facts.get("fs_errors"):
        yield Problem("warn", "preflight.disk_errors", {"disks": facts.get("fs_errors")})


def untold(facts: Facts, verdict: Verdict, need: Need) -> Problems:
    """A saved probe may leave out what would decide: nobody is told that it fits."""
    lacking = [] if facts.get("mem.MemTotal") or not need.memory else ["mem.MemTotal"]
    if need.data and not vendor(verdict) and not _disk(facts, _data_paths(facts, verdict)):
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
