"""What agents need of the machine around them: swap where memory is short, no sleep, a journal that ends.

Whether it is wanted is decided from the facts (`installer.preflight.mends`); the guard makes it, notes it, and takes it
back when it is removed.
"""

from collections.abc import Callable

from fleet.base.errors import OurBug, Refused
from fleet.machine.guard import GUARD, Guard, Said
from installer.detect import Verdict, detect
from installer.facts import Facts
from installer.preflight import mends
from installer.preflight.mends import Choice
from installer.steps.step import Machine, Removal, Say, Tell

_LONG = 300.0  # seconds: two GiB may have to be written on an old disk


class Swap:
    """There is swap beside a small memory, or the reason why not is known."""

    name = "step.swap"

    def wanted(self, machine: Machine) -> bool:
        """Return whether memory is short, and it is made or there is enough of it."""
        choice = _choice(mends.swap, machine)
        short = (machine.facts.number("mem.MemTotal") or mends.COMFORT) * mends.KIB < mends.COMFORT
        return choice.wanted or (short and choice.why == "enough")

    def check(self, machine: Machine) -> bool:
        """Return whether none is wanted, there is some, or it was found out that there cannot be."""
        return not _choice(mends.swap, machine).wanted or seen(machine).get("swap", "off") != "off"

    def verify(self, machine: Machine) -> bool:
        """Return whether there is swap, or a reason why not is noted."""
        return Guard(machine.port).host("look").get("swap") != "off"

    def apply(self, machine: Machine, say: Say) -> None:
        """Make it; where the machine cannot, say so and go on: agents run without."""
        try:
            Guard(machine.port).host("swap", str(mends.SWAP // mends.MIB), timeout=_LONG)
        except Refused as error:
            if error.key != "guard.refused":
                raise
            say("step.swap.not", {"reason": str(error.params.get("reason", "-"))})

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: it goes with the guard, in its uninstall."""


class Awake:
    """Nothing puts the machine to sleep."""

    name = "step.awake"

    def wanted(self, machine: Machine) -> bool:
        """Return whether something would put it to sleep, or that was switched off."""
        return _choice(mends.awake, machine).wanted or bool(machine.facts.get("sleep_off"))

    def check(self, machine: Machine) -> bool:
        """Return whether nothing would put it to sleep."""
        return not _choice(mends.awake, machine).wanted or seen(machine).get("awake") == "yes"

    def verify(self, machine: Machine) -> bool:
        """Return whether nothing puts it to sleep now."""
        return Guard(machine.port).host("look").get("awake") == "yes"

    def apply(self, machine: Machine, say: Say) -> None:
        """Mask what is not masked, and have lid and idleness mean nothing; a person's own unit stays, and is told."""
        said = Guard(machine.port).host("awake")
        if said.get("own"):
            say("step.awake.own", {"path": said["own"]})

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: it goes with the guard, in its uninstall."""


class Journal:
    """The system's journal leaves room for agents. What agents print is limited by their cages (guard.d/40-box.sh)."""

    name = "step.journal"

    def wanted(self, machine: Machine) -> bool:
        """Return whether it would take too much, or somebody has said how far it may grow."""
        return _choice(mends.journal, machine).wanted or bool(machine.facts.get("journal_max"))

    def check(self, machine: Machine) -> bool:
        """Return whether it has a limit, or room enough without one of ours."""
        return not _choice(mends.journal, machine).wanted or "journal" in seen(machine)

    def verify(self, machine: Machine) -> bool:
        """Return whether it has our limit now."""
        return "journal" in Guard(machine.port).host("look")

    def apply(self, machine: Machine, say: Say) -> None:
        """Limit it; a journal that is larger already keeps what it has."""
        del say
        Guard(machine.port).host("journal", str(mends.JOURNAL))

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: it goes with the guard, in its uninstall."""


def _choice(of: Callable[[Facts, Verdict], Choice], machine: Machine) -> Choice:
    return of(machine.facts, detect(machine.facts))


def seen(machine: Machine) -> Said:
    """Return what the guard says of the host; nothing where there was none, or an older one that cannot say."""
    if not machine.facts.has(GUARD):
        return {}
    try:
        return Guard(machine.port).host("look")
    except OurBug:
        return {}
