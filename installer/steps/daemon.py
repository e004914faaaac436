"""Docker's settings: agents can run with them, and a new engine's bridge harms no network."""

import hashlib

from fleet.base.errors import Refused
from installer import remote
from installer.engines import daemon
from installer.engines.daemon import PLACE, Settings
from installer.steps.packages import note_first
from installer.steps.step import NOTES, Always, Machine, Removal, Say, Tell

_NEW = "/run/clawrack-job/daemon.json"
_MOST = 1 << 20
_OTHERS = 2


class Daemon(Always):
    """Docker's settings hold what is needed, and nothing that agents cannot run with."""

    name = "step.daemon"

    def check(self, machine: Machine) -> bool:
        """Return whether nothing has to be added.

        Raises:
            BadInput: Docker could not read its settings (``daemon.broken`` with line and column).
            Refused: agents cannot run on an engine that is set so.
        """
        return not daemon.needed(machine.facts, _there(machine))

    def verify(self, machine: Machine) -> bool:
        """Return whether nothing has to be added."""
        return self.check(machine)

    def apply(self, machine: Machine, say: Say) -> None:
        """Add what is needed, keep everything else, keep the old file beside; no engine runs yet that would notice.

        Raises:
            Refused: Docker would not take the result, or somebody changed the file meanwhile.
        """
        note_first(machine)
        settings = _there(machine)
        keys = daemon.needed(machine.facts, settings)
        remote.put(machine.port, _NEW, daemon.merged(settings, keys).encode())
        was = hashlib.sha256(settings.content).hexdigest() if settings.content is not None else "-"
        ran = remote.run(machine.port, "daemon.sh", NOTES, was)
        if ran.code:
            key = "daemon.changed" if ran.code == _OTHERS else "daemon.not_valid"
            raise Refused(key, where=machine.name, reason=remote.why(ran))
        params: dict[str, object] = {"keys": ", ".join(keys)}
        say("step.daemon.written" if settings.content is None else "step.daemon.merged", params)

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: they stay with Docker, and where Docker goes, undocker.sh puts the old ones back."""


def _there(machine: Machine) -> Settings:
    """Return the settings that are there; what only root may read is left to an engine that runs with it."""
    ran = machine.port.run(("cat", PLACE), cap=_MOST)
    if ran.code and b"ermission denied" in ran.err:
        if machine.facts.get("docker.sock") or machine.facts.tool("dockerd"):
            return Settings(None, "", {})
        ran = machine.port.run(("cat", PLACE), cap=_MOST, root=True)
    settings = daemon.read(None if ran.code else ran.out, f"{machine.name}:{PLACE}")
    if error := daemon.against(settings, machine.name):
        raise error
    return settings
