"""The machine's clock is right, before anything is downloaded: to a wrong one every signature looks false."""

import time

from fleet.base.clean import number
from fleet.base.errors import ActionFailed
from installer import remote
from installer.detect import detect
from installer.preflight import mends
from installer.steps import carried
from installer.steps.step import Machine, Removal, Say, Tell


class Clock:
    """The clock is right."""

    name = "step.clock"

    def wanted(self, machine: Machine) -> bool:
        """Return whether it is known how wrong it is, and it is the machine's own."""
        choice = mends.clock(machine.facts, detect(machine.facts))
        return choice.wanted or (choice.why == "right" and mends.clock_off(machine.facts) is not None)

    def check(self, machine: Machine) -> bool:
        """Return whether it was right when the machine was looked at, or cannot be set from inside it."""
        return not mends.clock(machine.facts, detect(machine.facts)).wanted

    def verify(self, machine: Machine) -> bool:
        """Return whether it is right now."""
        before = time.time()
        there = number(machine.port.run(("date", "-u", "+%s")).out.decode(errors="replace").strip())
        return there is not None and before - mends.CLOCK_OFF <= there <= time.time() + mends.CLOCK_OFF

    def apply(self, machine: Machine, say: Say) -> None:
        """Have a time server keep it, where the machine knows one; else set it to this computer's.

        Raises:
            ActionFailed: it cannot be set, or a time server says that it is this computer's that is wrong
                (``clock.not_set``).
        """
        del say
        ran, _ = carried.run(machine.port, "host", "clock", str(round(time.time())))
        if ran.code:
            raise ActionFailed("clock.not_set", where=machine.name, reason=remote.why(ran))

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: a time server that was switched on goes with the guard, in its uninstall; the time stays."""
