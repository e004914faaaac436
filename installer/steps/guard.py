"""The guard is on the machine, the one we carry, and has made its own ground: folders, units, firewall."""

import hashlib
import io
import tarfile
from importlib.metadata import version
from pathlib import Path

import templates
from fleet.base.errors import ActionFailed, Refused
from fleet.machine.guard import Guard as Calls
from fleet.machine.guard import GuardAbsent
from installer import remote
from installer.detect import detect
from installer.makers import ground
from installer.steps import carried
from installer.steps.step import BROUGHT, NOTES, Always, Machine, Removal, Say, Tell

_LONGEST = 10  # digits of one number of a version
_TAR = "/run/clawrack-job/guard.tar"


class Guard(Always):
    """The guard is installed."""

    name = "step.guard"

    def check(self, machine: Machine) -> bool:
        """Return whether what we carry is what is there, untouched.

        Raises:
            Refused: a newer clawrack brought another one; it is not replaced by ours (``guard.newer``).
        """
        said = remote.ask(machine.port, "guard.sh", "look", root=False)
        if said.get("brought") == _digest(packed()):
            return True
        by, ours = said.get("by", ""), version("clawrack")
        if numbers(by) > numbers(ours):
            raise Refused("guard.newer", where=machine.name, by=by, ours=ours)
        return False

    def verify(self, machine: Machine) -> bool:
        """Return whether what we carry is what is there, and answers."""
        return self.check(machine) and bool(Calls(machine.port).look())

    def apply(self, machine: Machine, say: Say) -> None:
        """Bring it by standard input, compare checksums, let it install itself.

        Raises:
            ActionFailed: it arrived damaged, or would not install (``guard.not_installed``).
        """
        del say
        content = packed()
        remote.put(machine.port, _TAR, content)
        settings = ground(machine.facts, detect(machine.facts)).settings
        words = ("install", _digest(content), version("clawrack"), *settings)
        ran = remote.run(machine.port, "guard.sh", *words, timeout=120)
        if ran.code:
            raise ActionFailed("guard.not_installed", where=machine.name, reason=remote.why(ran))

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Take off agents, guard and everything that it made.

        Raises:
            Refused: another controller holds the lease.
            ActionFailed: the guard failed.
        """
        tell("begun", "unprepare.guard", {})
        try:
            said = Calls(machine.port).uninstall(removal.fate, removal.lease)
        except GuardAbsent:
            # a machine that was half prepared, or is half removed: its clock comes before its guard
            carried.run(machine.port, "host", "undo")
            machine.port.run(("rm", "-rf", NOTES, BROUGHT), root=True)
            machine.port.run(("rmdir", "/var/lib/clawrack"), root=True)
            said = {"already": "1"}
        tell("already" if said.get("already") else "done", "unprepare.guard", {})
        if said.get("kept"):
            tell("note", "nas.kept", {"path": said["kept"]})
        if said.get("stays"):
            tell("note", "unprepare.stays", {"path": said["stays"]})


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, to tell which of two is newer; nothing for what is no version."""
    parts = version.split(".")
    plain = all(part.isascii() and part.isdigit() and len(part) < _LONGEST for part in parts)
    return tuple(map(int, parts)) if plain else ()


def packed() -> bytes:
    """Return a tar of the guard's files, always the same for the same files."""
    root = templates.path("machine")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            if path.is_file() and not {"__pycache__"} & set(path.parts):
                _add(tar, path, root)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: Path, root: Path) -> None:
    content = path.read_bytes()
    entry = tarfile.TarInfo(path.relative_to(root).as_posix())
    entry.size = len(content)
    entry.mode = 0o755 if path.name == "guard.sh" else 0o644
    tar.addfile(entry, io.BytesIO(content))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
