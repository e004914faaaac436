"""Make a machine ready: the steps in order, each looked at first, with a journal; a second run changes nothing."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fleet.base.errors import ActionFailed, ClawrackError, Unreachable
from fleet.base.event import Event, Kind, Listener
from fleet.machine.port import Port
from installer.facts import Facts
from installer.journal import Journal
from installer.steps import STEPS, Machine, Step


def prepare(
    port: Port,
    facts: Facts,
    journals: Path,
    listener: Listener,
    *,
    plan_only: bool = False,
) -> list[str]:
    """Make a machine ready for agents.

    Args:
        port: the machine; its ``root=True`` must work (see ``installer.sudo.become_root``).
        facts: what was seen there.
        journals: the folder of journals on this computer.
        listener: told of every step.
        plan_only: look at everything for real, change nothing.

    Returns:
        The names of the steps that were done, or with ``plan_only`` would be; none where it was all so already.

    Raises:
        Refused, ActionFailed: the machine says no; running it again carries on there.
        Unreachable: the wire was cut; likewise.
    """
    machine = Machine(port, facts)
    if plan_only:
        return [step.name for step in STEPS if _would(machine, step, listener)]
    return carry_out(machine, STEPS, journals, listener)


def carry_out(machine: Machine, steps: Sequence[Step], journals: Path, listener: Listener) -> list[str]:
    """Do those of the steps that are needed, in order, and return their names; see ``prepare``."""
    with Journal(journals, machine.name) as journal:
        cut = journal.interrupted()
        if cut:
            listener(Event(kind="note", subject=machine.name, step="prepare.resumed", params={"step": cut}))
        return [step.name for step in steps if _run(machine, step, journal, listener)]


def _would(machine: Machine, step: Step, listener: Listener) -> bool:
    """Return whether a step would change something, and say so."""
    started = time.monotonic()
    true = step.check(machine)
    kind: Kind = "already" if true else "note"
    name = step.name if true else f"{step.name}.would"
    listener(Event(kind=kind, subject=machine.name, step=name, elapsed=time.monotonic() - started))
    return not true


def _run(machine: Machine, step: Step, journal: Journal, listener: Listener) -> bool:
    """Do one step where it is needed; return whether it was."""
    tell = _teller(machine.name, step.name, listener)
    try:
        if step.check(machine):
            tell("already", step.name, {})
            return False
        journal.write(step.name, "begun")
        tell("begun", step.name, {})
        step.apply(machine, lambda key, params: tell("progress", key, params))
        if not step.verify(machine):
            raise ActionFailed("step.not_so", where=machine.name, step=step.name)
    except ClawrackError as error:
        kind: Kind = "unknown" if isinstance(error, Unreachable) else "failed"
        journal.write(step.name, kind, error=error.key)
        tell(kind, step.name, {"reason": str(error)})
        raise
    journal.write(step.name, "done")
    tell("done", step.name, {})
    return True


def _teller(machine: str, step: str, listener: Listener) -> Callable[[Kind, str, dict[str, object]], None]:
    """Return what sends the events of one step, with the seconds since it began."""
    started = time.monotonic()

    def tell(kind: Kind, key: str, params: dict[str, object]) -> None:
        elapsed = time.monotonic() - started
        listener(Event(kind=kind, subject=machine, step=key or step, params=params, elapsed=elapsed))

    return tell
