"""Which of two machines is the fleet's own; the other, a copy of its disk, becomes one of its own, without agents.

Two live copies of one agent are never the result: what the fleet goes on with is opened again only once the copy has
been proven to run none, or a person vouches that it is gone for good.
"""

from dataclasses import dataclass

from msgspec import structs

from fleet import load, near, twins
from fleet.api import Fleet
from fleet.base.errors import BadInput, Unreachable
from fleet.base.event import Event, Listener
from fleet.machine import hostkey
from fleet.machine.guard import GuardAbsent
from fleet.machine.hostkey import HostKey
from fleet.machine.login import KeyLogin
from fleet.machine.refusals import HostKeyTwice
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from fleet.model import Machine
from fleet.site import held
from fleet.twins import Twin, place_of
from installer.reach import Identity


@dataclass(frozen=True, slots=True)
class Tools:
    """What a claim works with.

    Attributes:
        fleet: whose machine it is.
        identity: of this controller.
        holder: of leases.
        listen: told of everything.
    """

    fleet: Fleet
    identity: Identity
    holder: str
    listen: Listener


@dataclass(frozen=True, slots=True)
class One:
    """One of the two: where it is, and the host key that it shows."""

    machine: Machine
    host_key: HostKey


def claim(name: str, at: str, tools: Tools, *, gone: bool) -> None:
    """Have the machine be the one at a place; the other becomes a machine of its own.

    Args:
        name: of the machine.
        at: the address or place of the real one.
        tools: what to work with.
        gone: a person vouches that the other one is gone for good; it is not asked for.

    Raises:
        BadInput: there is no such machine or twin, or the place is neither's.
        Unreachable: the other one does not answer, so nothing is known of what runs there.
        ActionFailed: all that is done, but an agent that was started again is not ready in its time.
    """
    folder, wish = tools.fleet.folder, tools.fleet.wish()
    if name not in wish.machines:
        raise near.no_machine(name, wish)
    twin = twins.find(folder, name)
    if twin is None:
        raise BadInput("twin.none", machine=name)
    before = wish.machines[name]
    real, other = _sides(name, at, before, twin, tools)
    if not gone:
        _parted(name, other, tools, same_key=real.host_key == other.host_key)
    moved = {part: getattr(real.machine, part) for part in ("address", "port", "user", "jump")}
    tools.identity.pins.pin(name, _target(real.machine, tools), real.host_key)
    load.save_machine(folder, name, structs.replace(before, **moved, hardware_ids=()))
    twins.drop(folder, name)
    if real.machine == twin.machine:
        _awake(name, twin, tools)


def _sides(name: str, at: str, before: Machine, twin: Twin, tools: Tools) -> tuple[One, One]:
    """Return the real one and the other; where both are at one place, what is there now is the real one."""
    shown = hostkey.parse(twin.host_key)
    try:
        pinned = tools.fleet.graves.key_of(name, before)
    except HostKeyTwice:  # the same key at both
        pinned = ""
    old, new = One(before, hostkey.parse(pinned) if pinned else shown), One(twin.machine, shown)
    for real, other in ((new, old), (old, new)):
        if at in {real.machine.address, place_of(real.machine)}:
            return real, other
    raise BadInput("twin.elsewhere", where=name, at=at, old=place_of(before), new=place_of(twin.machine))


def _parted(name: str, other: One, tools: Tools, *, same_key: bool) -> None:
    """Make the other one a machine of its own; its agents are stopped, proven, and taken off."""
    target = _target(other.machine, tools)
    port = SshPort(f"{name}-copy", target, KeyLogin(tools.identity.key), other.host_key)
    tools.listen(Event(kind="begun", subject=name, step="twin.parted", params={"place": target.place}))
    try:
        with held(port, tools.holder) as site:
            said = site.guard.anew(site.lease, keys=same_key)
    except GuardAbsent:
        said = {}  # clawrack was never on it, or is not any more: it runs none of our agents
    except Unreachable as error:
        raise Unreachable("twin.silent", where=name, machine=name, place=target.place, why=str(error)) from error
    finally:
        port.close()
    agents = said.get("removed", "") or "-"
    told = {"place": target.place, "agents": agents}
    tools.listen(Event(kind="done", subject=name, step="twin.parted", params=told))


def _awake(name: str, twin: Twin, tools: Tools) -> None:
    """Start again what was stopped on the real one when it was taken for the copy; wait until it can be asked."""
    wish = tools.fleet.wish()
    with held(tools.fleet.open(name, wish.machines[name]), tools.holder) as site:
        for agent in twin.stopped:
            site.guard.start(site.lease, agent)
            tools.listen(Event(kind="done", subject=name, step="twin.started", params={"agent": agent}))
    for agent in twin.stopped:
        if agent in wish.agents:  # another one, nobody here can ask
            tools.fleet.ready(agent, tools.listen)


def _target(machine: Machine, tools: Tools) -> Target:
    return tools.identity.gates.target(machine.address, machine.port, machine.user, machine.jump)
