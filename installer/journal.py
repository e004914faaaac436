"""What was done to one machine, one line of JSON each, on the disk before we go on.

It is memory, not truth: whether a step is needed is asked of the machine. The journal tells what a run that was cut off
had begun, and keeps two runs on this controller off one machine.
"""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import msgspec

from fleet.base import formats
from fleet.base.errors import Refused

_VERSION = formats.FORMATS["machine-journal"]


class Journal:
    """The journal of one machine, held while the context lasts.

    Args:
        folder: where journals are kept; made, for its owner only, where it is not there.
        machine: the machine's name.
    """

    def __init__(self, folder: Path, machine: str) -> None:
        self.path = folder / f"{quote(machine, safe='')}.jsonl"
        self._machine = machine
        self._fd = -1

    def __enter__(self) -> Self:
        """Take the journal.

        Raises:
            Refused: another run on this controller has it (``prepare.busy``), or a newer clawrack has written it.
        """
        formats.check("machine-journal", formats.in_last_line(self.path, "version"), str(self.path))
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise Refused("prepare.busy", where=self._machine, machine=self._machine) from error
        self._end_torn_line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def write(self, step: str, kind: str, **more: str) -> None:
        """Append one record, durably."""
        record = {"version": _VERSION, "at": round(time.time(), 3), "step": step, "kind": kind, **more}
        os.write(self._fd, msgspec.json.encode(record) + b"\n")
        os.fsync(self._fd)

    def interrupted(self) -> str:
        """Return the step that the last run had begun and not ended, empty where there is none."""
        last = ""
        for text in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            record = _record(text)
            if record.get("kind") == "begun":
                last = str(record.get("step", ""))
            elif record.get("step") == last:
                last = ""
        return last

    def _end_torn_line(self) -> None:
        """Give the last line its end, where a power cut took it: what follows stays readable."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            os.write(self._fd, b"\n")


def _record(text: str) -> dict[str, str | float]:
    """Return the record of a line, empty where it was torn."""
    try:
        return msgspec.json.decode(text, type=dict[str, str | float], strict=True)
    except msgspec.DecodeError:
        return {}
