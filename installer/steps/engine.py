"""Docker is started, will be at every boot, and answers."""

from fleet.base.clean import line, pairs
from fleet.base.errors import ActionFailed
from installer import remote
from installer.steps.step import NOTES, Always, Machine, Removal, Say, Tell

_SECONDS = 45


class Engine(Always):
    """Docker answers."""

    name = "step.engine"

    def check(self, machine: Machine) -> bool:
        """Return whether the engine answers; on a machine that is ready this takes no password."""
        return _answers(machine, root=False) or _answers(machine, root=True)

    def verify(self, machine: Machine) -> bool:
        """Return whether the engine answers."""
        return _answers(machine, root=True)

    def apply(self, machine: Machine, say: Say) -> None:
        """Start it and wait until it answers.

        Raises:
            ActionFailed: it does not start; its own last words are the reason (``docker.not_starting``).
        """
        del say
        ran = remote.run(machine.port, "engine.sh", "up", NOTES, str(_SECONDS), timeout=_SECONDS * 3.0)
        if ran.code:
            reasons = [value for key, value in pairs(ran.out) if key == "reason"]
            raise ActionFailed("docker.not_starting", where=machine.name, reason=line(" ".join(reasons), 600) or "-")

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:  # noqa: ARG002 - the form of a step
        """Disable it again where it was disabled before us; it keeps running for whoever uses it."""
        if ("enabled", "docker.service") in removal.notes:
            machine.port.run(("systemctl", "--quiet", "disable", "docker.service"), root=True)
        if ("enabled", "docker.openrc") in removal.notes:
            machine.port.run(("rc-update", "-q", "del", "docker", "default"), root=True)


def _answers(machine: Machine, *, root: bool) -> bool:
    return remote.run(machine.port, "engine.sh", "look", root=root).code == 0
