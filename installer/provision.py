"""Make a machine ready: the steps in order, each looked at first, with a journal; a second run changes nothing."""

import time
from collections.abc import Sequence
from pathlib import Path

from fleet.base.errors import ActionFailed, ClawrackError, Unreachable
from fleet.base.event import Event, Kind, Listener
from fleet.machine.port import Port
from installer import remote
from installer.answers import Firewall
from installer.facts import Facts
from installer.journal import Journal
from installer.steps import Brought, Machine, Step, steps_of


def prepare(  # noqa: PLR0913 - two say what, four say how, and the last of those by name
    port: Port,
    facts: Facts,
    journals: Path,
    listener: Listener,
    *,
    plan_only: bool = False,
    brought: Brought | None = None,
    firewall: Firewall = "keep",
) -> list[str]:
    """Make a machine ready for agents. Steps that do not concern it are passed over, and not told.

    Args:
        port: the machine.
        facts: what was seen there.
        journals: the folder of journals on this computer.
        listener: told of every step.
        plan_only: look at everything for real, change nothing.
        brought: packages for a machine that shall reach no mirror.
        firewall: what a person wants of it.

    Returns:
        The names of the steps that were done, or with ``plan_only`` would be; none where it was all so already, and
        then nothing was changed.

    Raises:
        Refused, ActionFailed: the machine says no; running it again carries on there.
        Unreachable: the wire was cut; likewise.
    """
    machine = Machine(port, facts, brought, firewall)
    steps = [step for step in steps_of(facts) if step.wanted(machine)]
    if plan_only:
        return [step.name for step in steps if _would(machine, step, listener)]
    return carry_out(machine, steps, journals, listener)


def carry_out(machine: Machine, steps: Sequence[Step], journals: Path, listener: Listener) -> list[str]:
    """Do those of the steps that are needed, in order, and return their names; see ``prepare``."""
    with Journal(journals, machine.name) as journal:
        cut = journal.interrupted()
        if cut:
            listener(Event(kind="note", subject=machine.name, step="prepare.resumed", params={"step": cut}))
        done = [step.name for step in steps if _Run(step, journal, listener, machine).done()]
    if done:
        remote.run(machine.port, "notes.sh", "clear")
    return done


def _would(machine: Machine, step: Step, listener: Listener) -> bool:
    """Return whether a step would change something, and say so."""
    started = time.monotonic()
    true = step.check(machine)
    kind: Kind = "already" if true else "note"
    name = step.name if true else f"{step.name}.would"
    listener(Event(kind=kind, subject=machine.name, step=name, elapsed=time.monotonic() - started))
    return not true


class _Run:
    """One step of one run: what it does is told and written down."""

    def __init__(self, step: Step, journal: Journal, listener: Listener, machine: Machine) -> None:
        self._step = step
        self._journal = journal
        self._listener = listener
        self._machine = machine
        self._started = time.monotonic()

    def done(self) -> bool:
        """Do the step where it is needed; return whether it was."""
        name = self._step.name
        try:
            if self._step.check(self._machine):
                self._tell("already", name, {})
                return False
            self._make_so()
        except ClawrackError as error:
            kind: Kind = "unknown" if isinstance(error, Unreachable) else "failed"
            self._journal.write(name, kind, error=error.key)
            self._tell(kind, name, {"reason": str(error)})
            raise
        self._journal.write(name, "done")
        self._tell("done", name, {})
        return True

    def _make_so(self) -> None:
        name = self._step.name
        self._journal.write(name, "begun")
        self._tell("begun", name, {})
        self._step.apply(self._machine, lambda key, params: self._tell("progress", key, params))
        if not self._step.verify(self._machine):
            raise ActionFailed("step.not_so", where=self._machine.name, step=name)

    def _tell(self, kind: Kind, key: str, params: dict[str, object]) -> None:
        elapsed = time.monotonic() - self._started
        self._listener(Event(kind=kind, subject=self._machine.name, step=key, params=params, elapsed=elapsed))
