"""Take everything of ours off a machine, in reverse; what was there before, or is used by others, stays."""

import dataclasses
import time

from fleet.base.clean import pairs
from fleet.base.errors import ClawrackError
from fleet.base.event import Event, Kind, Listener
from fleet.machine.port import Port
from installer import bootstrap, remote
from installer.facts import Facts
from installer.steps import STEPS, Machine, Removal
from installer.steps.step import NOTES, SAVED_NOTES

__all__ = ["Removal", "unprepare"]


def unprepare(port: Port, removal: Removal, listener: Listener) -> None:
    """Take everything of ours off a machine. Cut off, it can be run again.

    Args:
        port: the machine; removing Docker needs a ``root=True`` that works for everything.
        removal: what is to go.
        listener: told of everything.

    Raises:
        Refused: another controller holds the lease.
        ActionFailed: the machine says no.
        Unreachable: the wire was cut.
    """
    removal = dataclasses.replace(removal, notes=_notes(port, keep=removal.docker))
    machine = Machine(port, Facts({}))
    tell = _Teller(port.name, listener)
    for step in reversed(STEPS):
        step.undo(machine, removal, tell)
    if removal.docker:
        port.run(("rm", "-rf", "/run/clawrack-job"), root=True)
    if removal.key:
        tell("begun", "unprepare.key", {})
        bootstrap.withdraw(port, removal.key)
        tell("done", "unprepare.key", {})


def _notes(port: Port, *, keep: bool) -> frozenset[tuple[str, str]]:
    """Return what was there before us; with ``keep`` also where the guard's going does not take it."""
    try:
        notes = remote.run(port, "notes.sh", "show", NOTES, SAVED_NOTES).out
    except ClawrackError as error:
        if keep or not error.key.startswith("sudo."):
            raise
        return frozenset()  # a login that sudo allows the guard alone
    if keep and notes:
        remote.put(port, SAVED_NOTES, notes)
    return frozenset(pairs(notes))


class _Teller:
    """Sends events with the seconds since the last began."""

    def __init__(self, machine: str, listener: Listener) -> None:
        self._machine = machine
        self._listener = listener
        self._started = time.monotonic()

    def __call__(self, kind: Kind, step: str, params: dict[str, object]) -> None:
        if kind == "begun":
            self._started = time.monotonic()
        elapsed = time.monotonic() - self._started
        self._listener(Event(kind=kind, subject=self._machine, step=step, params=params, elapsed=elapsed))
