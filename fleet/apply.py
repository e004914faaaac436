"""The one interpreter of plans: action by action, through the guard, with the journal written before each.

Machines are independent of each other; on one machine the actions go in the plan's order, and the first that fails ends
that machine's part. The error tells what, where and why; what was done stays done, and the next plan starts from there.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fleet.actions import AnyAction, Deploy, Mend, PlaceImage, PlaceMeter, Remove, Restart, Rollback, Start, Stop
from fleet.base.errors import ClawrackError, Unreachable
from fleet.base.event import Event, Kind, Listener, ignore
from fleet.deploy import Bounds, Order, deploy, go_back
from fleet.gate import Who
from fleet.journal import Journal
from fleet.kinds import Kind as AgentKind
from fleet.machine.port import Port
from fleet.mending import mend
from fleet.meter import place_meter
from fleet.model import Target
from fleet.plan import Plan
from fleet.site import Site, held

PlacesImages = Callable[[Port, PlaceImage, Listener], bool]
"""Has an image on a machine; returns whether it had to be brought."""


@dataclass(frozen=True)
class Hands:
    """What applying a plan needs from outside.

    Attributes:
        port: opens a machine, by name.
        images: brings an image to a machine.
        journal: written before and after each action.
        holder: who we are, for the machines' leases.
        targets: of every agent, by name.
        kinds: of every agent, by name.
        versions: of every agent's program, by name.
    """

    port: Callable[[str], Port]
    images: PlacesImages
    journal: Journal
    holder: str
    targets: dict[str, Target] = field(default_factory=dict[str, Target])
    kinds: dict[str, AgentKind] = field(default_factory=dict[str, AgentKind])
    versions: dict[str, str] = field(default_factory=dict[str, str])

    def who(self, agent: str) -> Who:
        """Return what an agent must say that it is."""
        return Who(agent, self.kinds[agent], self.versions[agent])


def apply(plan: Plan, hands: Hands, listen: Listener = ignore) -> None:
    """Carry the plan out, machine by machine.

    Raises:
        ClawrackError: the first thing that went wrong, after the other machines had their turn.
    """
    troubles: list[ClawrackError] = []
    for machine in dict.fromkeys(action.machine for action in plan.actions):
        mine = [action for action in plan.actions if action.machine == machine]
        try:
            _machine(mine, hands, listen)
        except ClawrackError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]


def _machine(actions: list[AnyAction], hands: Hands, listen: Listener) -> None:
    with held(hands.port(actions[0].machine), hands.holder) as site:
        for action in actions:
            site.renew()
            with hands.journal.action(action):
                perform(action, site, hands, listen)


def perform(action: AnyAction, site: Site, hands: Hands, listen: Listener, bounds: Bounds | None = None) -> None:
    """Do one action and tell how it went; ``bounds`` are those of a rollout's gate.

    Raises:
        ClawrackError: it failed, or its outcome is unknown.
    """
    begun = time.monotonic()
    params = {key: str(getattr(action, key)) for key in ("agent", "of", "machine", "reason") if hasattr(action, key)}

    def tell(kind: Kind) -> None:
        elapsed = time.monotonic() - begun
        listen(Event(kind=kind, subject=action.subject, step=action.step, params=params, elapsed=elapsed))

    tell("begun")
    try:
        changed = _do(action, site, hands, listen, bounds)
    except Unreachable:
        tell("unknown")
        raise
    except ClawrackError:
        tell("failed")
        raise
    tell("done" if changed else "already")


def _do(action: AnyAction, site: Site, hands: Hands, listen: Listener, bounds: Bounds | None) -> bool:
    guard, lease = site.guard, site.lease
    match action:
        case PlaceImage(image=image):
            changed = hands.images(site.port, action, listen)
            guard.image(lease, image)
        case PlaceMeter(image=image):
            changed = place_meter(site, image)
        case Deploy(agent=agent):
            deploy(site, Order(action, hands.targets[agent], hands.who(agent), bounds))
            changed = True
        case Rollback(agent=agent):
            changed = go_back(site, action, hands.who(agent))
        case Mend(agent=agent):
            changed = mend(site, action, hands.targets[agent], hands.who(agent))
        case Start(agent=agent):
            changed = guard.start(lease, agent)
        case Stop(agent=agent):
            changed = guard.stop(lease, agent)
        case Restart(agent=agent):
            guard.restart(lease, agent)
            changed = True
        case Remove(agent=agent, keep=keep):
            guard.remove(lease, agent, "keep" if keep else "erase")
            changed = True
    return changed
