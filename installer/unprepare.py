"""Take everything of ours off a machine, in reverse; what was there before, or is used by others, stays."""

import time
from dataclasses import dataclass

from fleet.base.errors import ActionFailed, Refused
from fleet.base.event import Event, Kind, Listener
from fleet.machine.guard import Fate, Guard, Lease
from fleet.machine.keys import ControllerKey
from fleet.machine.port import Port
from installer import bootstrap, job, remote
from installer.steps.step import NOTES

_SAVED = "/run/clawrack-job/notes"
_LATEST = 1200.0


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to go.

    Attributes:
        fate: whether the agents' state stays on the machine.
        lease: where one is held for it.
        docker: whether Docker goes too, where we installed it and nobody else uses it; needs ``root=True`` for all.
        key: the controller's key, taken off last; None on this computer.
    """

    fate: Fate
    lease: Lease | None = None
    docker: bool = False
    key: ControllerKey | None = None


def unprepare(port: Port, removal: Removal, listener: Listener) -> None:
    """Take everything of ours off a machine. Cut off, it can be run again.

    Raises:
        Refused: another controller holds the lease.
        ActionFailed: the machine says no.
        Unreachable: the wire was cut.
    """
    told = _Teller(port.name, listener)
    if removal.docker:
        _save_notes(port)
    _guard(port, removal, told)
    if removal.docker:
        _docker(port, told)
    elif port.run(("sh", "-c", "command -v dockerd")).code == 0:
        told("note", "unprepare.docker_stays")
    if removal.key:
        told("begun", "unprepare.key")
        bootstrap.withdraw(port, removal.key)
        told("done", "unprepare.key")


class _Teller:
    """Sends events with the seconds since the last began."""

    def __init__(self, machine: str, listener: Listener) -> None:
        self._machine = machine
        self._listener = listener
        self._started = time.monotonic()

    def __call__(self, kind: Kind, step: str, **params: object) -> None:
        if kind == "begun":
            self._started = time.monotonic()
        elapsed = time.monotonic() - self._started
        self._listener(Event(kind=kind, subject=self._machine, step=step, params=params, elapsed=elapsed))


def _guard(port: Port, removal: Removal, told: _Teller) -> None:
    told("begun", "unprepare.guard")
    try:
        said = Guard(port).uninstall(removal.fate, removal.lease)
    except Refused as error:
        if error.key != "guard.absent":
            raise
        # a machine that was half prepared, or is half removed
        port.run(("rm", "-rf", NOTES, "/run/clawrack-job"), root=True)
        port.run(("rmdir", "/var/lib/clawrack"), root=True)
        said = {"already": "1"}
    told("already" if said.get("already") else "done", "unprepare.guard")


def _save_notes(port: Port) -> None:
    """Keep the notes where the guard's going does not take them, for a removal that is cut off."""
    notes = remote.run(port, "notes.sh", "show", NOTES, _SAVED).out
    if notes:
        remote.put(port, _SAVED, notes)


def _docker(port: Port, told: _Teller) -> None:
    told("begun", "unprepare.docker")
    ended = job.run(port, job.Job("undocker", "undocker.sh", (_SAVED,), _LATEST), lambda _: None)
    said = next((words for words in ended.told if words[0] in {"kept", "removed"}), ())
    if ended.code or not said:
        raise ActionFailed("unprepare.docker_failed", where=port.name, reason=ended.log[-1] if ended.log else "-")
    port.run(("rm", "-rf", "/run/clawrack-job"), root=True)
    if said[0] == "kept":
        told("note", f"unprepare.docker_{said[1]}", packages=" ".join(said[2:]))
    else:
        told("done", "unprepare.docker")
