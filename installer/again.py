"""A machine that is met: is it one of the fleet's, one that moved, or another computer with the disk of one?

`installer.detect.again` judges; here is what is done about it. A copy's agents run from its first boot on, beside those
of the machine that it was copied from. So when a copy is noticed, what runs on the one at the new place is stopped, and
proven stopped, at once; then both are left alone until a person says which one is the machine (`machine claim`).
"""

from contextlib import closing
from dataclasses import dataclass

from fleet import observe, twins
from fleet.api import Fleet
from fleet.base.errors import ActionFailed, ClawrackError, Refused
from fleet.base.event import Event, Listener
from fleet.machine import hostkey
from fleet.machine.guard import GUARD, GuardAbsent, parse
from fleet.machine.port import Port
from fleet.model import Machine, Wish
from fleet.site import held
from fleet.twins import place_of
from installer.bootstrap import KeyTwice
from installer.detect.again import Again, Marks, hardware_ids, recognise
from installer.facts import Facts
from installer.reach import Reached


def check_identity(there: Reached, facts: Facts, noticed: "Noticed") -> None:
    """See that a machine that was met is who its name says, and no copy of another; a copy is stopped.

    Raises:
        Refused: it is a copy, or the fleet knows it by another name.
    """
    if there.host_key is None:
        return
    machines = noticed.fleet.wish().machines
    if there.name in machines:
        twins.check(noticed.fleet.folder, there.name, machines[there.name])
    seen = Marks(
        id=own_id(there.port, facts),
        host_key=there.host_key.fingerprint,
        hardware=hardware_ids(facts),
        address=place_of(there.machine),
    )
    again = recognise(known(noticed.fleet.wish(), noticed.fleet), seen)
    if is_copy(again, there.name):
        raise noticed.of(again.name, there.machine, str(there.host_key), there.port)
    if again.name not in {"", there.name} and "hardware" in again.because:  # a known computer with another system
        noticed.listen(Event(kind="note", subject=there.name, step="again.hardware", params={"machine": again.name}))


def is_copy(again: Again, name: str) -> bool:
    """Return whether what was met as ``name`` carries the disk of a machine that it is not."""
    if again.answer == "cloned":
        return True
    return again.name not in {"", name} and bool({"id", "host_key"} & {*again.because})


def known(wish: Wish, fleet: Fleet) -> dict[str, Marks]:
    """Return what the fleet's machines are known by; this computer is known as it is."""
    return {name: _marks(name, machine, fleet) for name, machine in wish.machines.items() if not machine.local}


def _marks(name: str, machine: Machine, fleet: Fleet) -> Marks:
    try:
        key = fleet.graves.key_of(name, machine)
    except Refused:  # at two places: that is known already
        key = ""
    return Marks(
        id=machine.id,
        host_key=hostkey.parse(key).fingerprint if key else "",
        hardware=dict(pair.split("=", 1) for pair in machine.hardware_ids if "=" in pair),
        address=place_of(machine),
    )


def kept(facts: Facts) -> tuple[str, ...]:
    """Return the numbers of a machine's hardware as its file keeps them."""
    return tuple(f"{name}={number}" for name, number in sorted(hardware_ids(facts).items()))


def own_id(port: Port, facts: Facts) -> str:
    """Return the id of ours that is kept on a machine; empty where there is none, or nobody may read it unasked."""
    words = (GUARD, "look") if facts.get("sudo") == "root" else ("sudo", "-n", "--", GUARD, "look")
    try:
        ran = port.run(words, timeout=30)
    except ActionFailed:
        return ""
    return parse(ran.out).get("id", "") if ran.code == 0 else ""


@dataclass(frozen=True)
class Noticed:
    """What is done when a copy is noticed.

    Attributes:
        fleet: whose machine was copied.
        listen: told of what is stopped.
        stops: whether what runs on the copy is stopped; not where only a plan was asked for.
    """

    fleet: Fleet
    listen: Listener
    stops: bool = True

    def by_key(self, twice: KeyTwice) -> Refused:
        """Return the refusal of a machine that shows another's host key, while that one is alive; stop it first."""
        wish = self.fleet.wish()
        if twice.name not in wish.machines:
            return twice
        twins.check(self.fleet.folder, twice.name, wish.machines[twice.name])
        target = twice.visit.target
        there = Machine(address=target.address, port=target.port, user=target.user, jump=target.via)
        with closing(twice.port()) as port:
            return self.of(twice.name, there, str(twice.host_key), port)

    def of(self, name: str, there: Machine, host_key: str, port: Port) -> Refused:
        """Stop what runs on the copy, write it down, and return the refusal; ``name`` is whose disk it has."""
        new, old = place_of(there), place_of(self.fleet.wish().machines[name])
        told = {"where": new, "machine": name, "old": old, "new": new}
        twins.note(self.fleet.folder, name, there, host_key, ())
        try:
            stopped = self._stopped(port) if self.stops else ()
        except ClawrackError as error:
            return Refused("twin.unproven", **told, why=str(error))
        twins.note(self.fleet.folder, name, there, host_key, stopped)
        return Refused("twin.noticed", **told, agents=", ".join(stopped) or "-")

    def _stopped(self, port: Port) -> tuple[str, ...]:
        """Stop every agent that runs there, proven, and return their names."""
        try:
            agents = observe.look(port).agents
        except GuardAbsent:
            return ()
        running = tuple(sorted(name for name, agent in agents.items() if not agent.on_purpose))
        if running:
            with held(port, self.fleet.hands.holder) as site:
                for agent in running:
                    site.guard.stop(site.lease, agent)
                    self.listen(Event(kind="done", subject=port.name, step="again.stopped", params={"agent": agent}))
        return running
