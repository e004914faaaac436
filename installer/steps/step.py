"""The form of a step: one idempotent change to a machine."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fleet.base.event import Kind
from fleet.machine.guard import Fate, Lease
from fleet.machine.keys import ControllerKey
from fleet.machine.port import Port
from installer.answers import Firewall
from installer.facts import Facts

NOTES = "/var/lib/clawrack/prepare"
"""On the machine: ``key=value`` lines that tell what was there before us. Root's alone; goes with the guard."""

SAVED_NOTES = "/run/clawrack-job/notes"
"""Where the notes wait while the guard goes and Docker after it, should that be cut off."""

BROUGHT = "/var/lib/clawrack/packages"
"""Where packages that were brought along wait on the machine, until the job that installs them takes them away."""

Say = Callable[[str, dict[str, object]], None]
"""Called with the key of a text in the words, and its values, while a step is at work."""


class Brought(Protocol):
    """Packages that were brought along, for a machine that shall reach no mirror."""

    def place(self, machine: "Machine", say: Say) -> str:
        """Have them on the machine, with apt's list of them; return the folder (the SOURCE of apt.sh)."""
        ...


@dataclass(frozen=True, slots=True)
class Machine:
    """What a step works on.

    Attributes:
        port: the machine; its ``root=True`` may ask a person for a password, so looking does without where it can.
        facts: what was seen there before anything was changed.
        brought: where packages come from instead of the distribution's mirrors; None for the mirrors.
        firewall: what a person wants of it; ``keep`` is as it is.
    """

    port: Port
    facts: Facts
    brought: Brought | None = None
    firewall: Firewall = "keep"

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.port.name


@dataclass(frozen=True, slots=True)
class Removal:
    """What is to go.

    Attributes:
        fate: whether the agents' state stays on the machine.
        lease: where one is held for it.
        docker: whether Docker goes too, where we installed it and nobody else uses it.
        key: the controller's key, taken off last; None on this computer.
        notes: what was there before us, as the machine has it noted; ``unprepare`` reads it.
    """

    fate: Fate
    lease: Lease | None = None
    docker: bool = False
    key: ControllerKey | None = None
    notes: frozenset[tuple[str, str]] = frozenset()


Tell = Callable[[Kind, str, dict[str, object]], None]
"""Called with the kind of an event, the key of a text, and its values."""


class Step(Protocol):
    """One idempotent change.

    Every method may raise Unreachable; apply and verify raise ActionFailed or Refused where the machine says no.
    ``name`` names the step in the words; ``NAME.would`` tells what it would change.
    """

    @property
    def name(self) -> str:
        """The key of the step in the words."""
        ...

    def wanted(self, machine: Machine) -> bool:
        """Return whether it concerns this machine at all, so far as the facts tell; what does not is not told."""
        ...

    def check(self, machine: Machine) -> bool:
        """Return whether the machine is so already; changes nothing."""
        ...

    def apply(self, machine: Machine, say: Say) -> None:
        """Make it so."""
        ...

    def verify(self, machine: Machine) -> bool:
        """Return whether it is so now; changes nothing."""
        ...

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Take back what apply made, and tell; what was there before stays."""
        ...


class Always:
    """Of a step that concerns every machine."""

    def wanted(self, machine: Machine) -> bool:
        """Return that it does."""
        del machine
        return True
