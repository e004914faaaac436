"""What a booth keeps: a private folder for each ticket that is not over, and a row of the day sheet for each that is.

Tickets' folders lie in memory (tmpfs) where this computer has such a place that outlives a logout: XDG_RUNTIME_DIR,
else /dev/shm. A folder is a whole controller's home (key pair, pins, fleet, journals), which no other ticket sees; it
goes at the hand-over.
"""

import hashlib
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fleet.base.disk import append, replace
from fleet.base.errors import ActionFailed, Refused, StateDamaged
from fleet.base.places import state
from installer.booth.order import Order
from installer.booth.sheet import FORMAT as ROW_FORMAT
from installer.booth.sheet import Row
from installer.booth.ticket import Ticket

FORMAT = 1
MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it is ours alone, see `_private`
SYSTEMD = Path("/run/systemd/system")
"""Where it is, systemd runs this computer (sd_booted(3))."""
LOGINS = Path("/run/user")


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket that is not over, as it lies in its folder."""

    version: int = FORMAT
    ticket: Ticket
    order: Order


class Keep:
    """The booth's own memory.

    Args:
        folder: of tickets; ``days`` of day sheets.
        on_disk: whether the folder lies on a disk, for want of memory that lasts.
    """

    def __init__(self, folder: Path, days: Path, *, on_disk: bool = False) -> None:
        self.folder = folder
        self.on_disk = on_disk
        self._days = days

    def home(self, number: int) -> Path:
        """Return the folder of a ticket, made private where it is not there."""
        path = _private(_private(self.folder) / f"{number}")
        for name in ("state", "config"):
            (path / name).mkdir(mode=0o700, exist_ok=True)
        return path

    def write(self, ticket: Ticket, order: Order) -> None:
        """Write a ticket down as it is now; its receipt is not kept."""
        kept = Kept(ticket=msgspec.structs.replace(ticket, receipt="", wanted=None), order=order)
        replace(self.home(ticket.number) / "ticket.json", msgspec.json.encode(kept) + b"\n")

    def tickets(self) -> Iterator[Kept]:
        """Yield every ticket that is not over, in the order in which they came.

        Raises:
            StateDamaged: one is not whole.
            Refused: a newer clawrack wrote it.
        """
        if not self.folder.is_dir():
            return
        for folder in sorted(_private(self.folder).iterdir(), key=lambda path: (len(path.name), path.name)):
            file = folder / "ticket.json"
            if file.exists():
                yield _read(file)
            else:
                shutil.rmtree(folder)  # begun, and killed before it was a ticket

    def wipe(self, number: int) -> None:
        """Remove a ticket's folder and see that it is gone.

        Raises:
            ActionFailed: it is still there (``booth.stays``).
        """
        path = self.folder / f"{number}"
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():
            raise ActionFailed("booth.stays", where=str(path), ticket=number)

    def report(self, number: int) -> str:
        """Bring the report of a bug out of a ticket's folder, which goes, and return its path; a dash where none is."""
        found = sorted((self.folder / f"{number}" / "state" / "clawrack" / "reports").glob("*.txt"))
        if not found:
            return "-"
        path = state() / "reports" / found[-1].name
        replace(path, found[-1].read_bytes())
        return str(path)

    def number(self) -> int:
        """Return the next ticket's number; none is given twice."""
        file = self._days / "number"
        last = int(file.read_text()) if file.exists() else 0
        replace(file, f"{last + 1}\n".encode())
        return last + 1

    def book(self, row: Row) -> None:
        """Add a row to today's sheet, once."""
        if all(one.id != row.id for one in self.rows(today())):
            append(self._day(today()), msgspec.json.encode(row))

    def rows(self, day: str) -> list[Row]:
        """Return the rows of a day; a last line that a power cut tore is left out.

        Raises:
            StateDamaged: another line is not whole.
            Refused: a newer clawrack wrote it.
        """
        file = self._day(day)
        lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []
        return [_row(line, file) for line in lines]

    def days(self) -> list[str]:
        """Return the days of which there are sheets."""
        return sorted(path.stem for path in self._days.glob("????-??-??.jsonl"))

    def _day(self, day: str) -> Path:
        return self._days / f"{day}.jsonl"


def usual() -> Keep:
    """Return the keep of this computer's user."""
    days = state() / "booth"
    mark = hashlib.sha256(str(days.absolute()).encode()).hexdigest()[:8]
    on_disk = days / "tickets"
    if not (on_disk.is_dir() and any(on_disk.iterdir())):  # tickets stay where they were begun
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        if runtime and os.access(runtime, os.W_OK) and _lasts(Path(runtime)):
            return Keep(Path(runtime) / f"clawrack-booth-{mark}", days)
        if os.access(MEMORY, os.W_OK) and _lasts(MEMORY):
            return Keep(MEMORY / f"clawrack-booth-{os.getuid()}-{mark}", days)
    return Keep(on_disk, days, on_disk=True)


def _lasts(memory: Path) -> bool:
    """Return whether what lies there is there still when this login's last session has ended.

    Of a login that does not linger, logind then removes /run/user/UID, and what it has in /dev/shm but root's
    (RemoveIPC= in logind.conf(5)).
    """
    emptied = [LOGINS / str(os.getuid()), *([MEMORY] if os.getuid() else [])]
    if not SYSTEMD.is_dir() or memory not in emptied:
        return True
    words = ("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
    try:
        said = subprocess.run(words, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return said.stdout.strip() == "yes"


def today() -> str:
    """Return the date, by this computer's clock."""
    return time.strftime("%Y-%m-%d")


def _private(path: Path) -> Path:
    """Return a folder that is ours alone, made where it is not there.

    Raises:
        Refused: somebody else's is there, or others may look into it.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise Refused("booth.not_private", where=str(path))
    return path


def _read(file: Path) -> Kept:
    try:
        version = msgspec.json.decode(file.read_bytes(), type=dict[str, object]).get("version")
        if isinstance(version, int) and version > FORMAT:
            raise Refused("booth.newer", where=str(file), version=version)
        return msgspec.json.decode(file.read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError) as error:
        raise StateDamaged("booth.damaged", where=str(file), path=file) from error


def _row(line: bytes, file: Path) -> Row:
    try:
        found = msgspec.json.decode(line, type=Row)
    except msgspec.MsgspecError as error:
        raise StateDamaged("booth.damaged", where=str(file), path=file) from error
    if found.version > ROW_FORMAT:
        raise Refused("booth.newer", where=str(file), version=found.version)
    return found
