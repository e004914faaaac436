"""On a NAS: the maker's own engine answers. It is never installed, started or set by us: that is a person's click."""

from fleet.base.errors import Refused
from fleet.machine.guard import parse
from installer import remote
from installer.detect import detect
from installer.makers import ground, root_only, vendor
from installer.steps.step import Always, Machine, Removal, Say, Tell


class Vendor(Always):
    """The maker's engine answers."""

    name = "step.vendor"

    def check(self, machine: Machine) -> bool:
        """Return whether the engine answers.

        Raises:
            Refused: it does not; the words say what to click.
        """
        verdict = detect(machine.facts)
        maker, stands = vendor(verdict), ground(machine.facts, verdict)
        ran = remote.run(machine.port, "vendor.sh", stands.docker or "docker")
        if ran.code == 0:
            return True
        name = maker.name if maker else ""
        said = parse(ran.out).get("said", "-")
        key = f"nas.engine.{name}" if ran.code == _ABSENT else "nas.engine_down"
        title, app = (maker.title, maker.engine) if maker else ("", "")
        raise Refused(key, where=machine.name, system=title, app=app, reason=said)

    def verify(self, machine: Machine) -> bool:
        """Return whether the engine answers."""
        return self.check(machine)

    def apply(self, machine: Machine, say: Say) -> None:
        """Do nothing: a check that returns has found all well."""

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: it was there before us, and stays."""


class RootKey(Always):
    """Our key opens root; that is done when we stay, so here it only tells."""

    name = "step.root_key"

    def check(self, machine: Machine) -> bool:
        """Return whether we come as root."""
        return not root_only(machine.facts, detect(machine.facts))

    def verify(self, machine: Machine) -> bool:
        """Return whether we come as root."""
        return self.check(machine)

    def apply(self, machine: Machine, say: Say) -> None:
        """Do nothing: see ``installer.rootkey``."""

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: our key is taken off last, whoever it opens."""


_ABSENT = 20
