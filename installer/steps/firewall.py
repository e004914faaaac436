"""A firewall that keeps SSH, where a person asked for one.

It is armed with its own way back before it is closed, proven by a second connection, and then kept
(templates/machine/guard.d/96-door.sh).
"""

from fleet.base.clean import number
from fleet.base.errors import ActionFailed, Refused, Unreachable
from fleet.machine.guard import Guard
from installer.facts import Facts
from installer.steps.host import seen
from installer.steps.step import Machine, Removal, Say, Tell

TRIAL = 60
"""Seconds after which the machine opens the door again by itself, unless it was proven."""
_WORDS = 4  # of SSH_CONNECTION: the client's address and port, the machine's


class Firewall:
    """The door is as the person wants it; nobody else's firewall is touched."""

    name = "step.door"

    def wanted(self, machine: Machine) -> bool:
        """Return whether a person said anything of it."""
        return machine.firewall != "keep"

    def check(self, machine: Machine) -> bool:
        """Return whether nothing was asked for, or it is so already.

        Raises:
            Refused: another firewall is at work (``door.another``), or it is not known how we came in
                (``door.no_port``).
        """
        if not self.wanted(machine):
            return True
        shut = seen(machine).get("door", "")
        if machine.firewall == "off":
            return not shut
        return shut == str(_port(machine))

    def verify(self, machine: Machine) -> bool:
        """Return whether it is so now."""
        wanted = "" if machine.firewall == "off" else str(_port(machine))
        return Guard(machine.port).host("look").get("door", "") == wanted

    def apply(self, machine: Machine, say: Say) -> None:
        """Shut it on trial and come in once more; or open it.

        Raises:
            ActionFailed: nobody came in (``door.locked``).
        """
        guard = Guard(machine.port)
        if machine.firewall == "off":
            guard.host("door_open")
            return
        port = _port(machine)
        guard.host("door", str(port), str(TRIAL), machine.facts.get("ssh_conn").split()[-2])
        say("step.door.trying", {"seconds": TRIAL, "port": port})
        machine.port.close()  # what is established stays open in any case: only a new connection proves something
        try:
            guard.host("door_commit")
        except Unreachable as error:
            raise ActionFailed("door.locked", where=machine.name, seconds=TRIAL) from error

    def undo(self, machine: Machine, removal: Removal, tell: Tell) -> None:
        """Do nothing: it goes with the guard, in its uninstall."""


def _port(machine: Machine) -> int:
    """Return the machine's port that our connection came to."""
    if machine.facts.get("firewall").strip():
        raise Refused("door.another", where=machine.name, firewall=machine.facts.get("firewall").strip())
    port = ssh_port(machine.facts)
    if port is None:
        raise Refused("door.no_port", where=machine.name)
    return port


def ssh_port(facts: Facts) -> int | None:
    """Return the port on the machine through which it was looked at; None where that was not by SSH."""
    words = facts.get("ssh_conn").split()
    return number(words[-1]) if len(words) == _WORDS else None
