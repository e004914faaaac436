"""A login that is not root may run the guard and look through Docker's socket, nothing else, without a password."""

from fleet.base.errors import ActionFailed
from fleet.machine.guard import GUARD
from installer import remote
from installer.steps.step import Machine, Removal, Say, Tell


class Sudo:
    """The login may run the guard."""

    name = "step.sudo"

    def wanted(self, machine: Machine) -> bool:
        """Return whether the login is another than root."""
        return machine.facts.get("sudo") != "root"

    def check(self, machine: Machine) -> bool:
        """Return whether the guard answers without a password; always so for root."""
        if not self.wanted(machine):
            return True
        return machine.port.run(("sudo", "-n", "--", GUARD, "look")).code == 0

    def verify(self, machine: Machine) -> bool:
        """Return whether the guard answers without a password."""
        return self.check(machine)

    def apply(self, machine: Machine, say: Say) -> None:
        """Let the guard place its drop-in, which it validates before it counts.

        Raises:
            ActionFailed: the guard refused (``sudo.drop_in``).
        """
        del say
        ran = machine.port.run((GUARD, "sudoer", machine.facts.get("user")), root=True)
        if ran.code:
            raise ActionFailed("sudo.drop_in", where=machine.name, reason=remote.why(ran))

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: the drop-in goes with the guard, in its uninstall."""
