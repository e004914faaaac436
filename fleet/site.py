"""A machine while it is being changed: its port, its guard, and our lease on it."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from fleet.base import places
from fleet.base.disk import locked
from fleet.base.errors import ClawrackError
from fleet.machine.guard import Guard, Lease
from fleet.machine.port import Port

LEASE = 1800  # seconds of the machine's uptime; given back at the end, renewed before each action


@dataclass(frozen=True)
class Site:
    """One machine under our lease."""

    port: Port
    guard: Guard
    lease: Lease

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.port.name

    def renew(self) -> None:
        """Hold the lease for a whole term from now."""
        self.guard.renew(self.lease, LEASE)


@contextmanager
def held(port: Port, holder: str) -> Generator[Site]:
    """Hold the lease of a machine for as long as the block lasts.

    Args:
        port: the machine.
        holder: who holds it; the same holder may take over from itself, so that a killed run can be run again at once.

    Raises:
        Refused: another controller holds it, or another clawrack on this computer is changing the machine.
        Unreachable: the machine does not answer.
    """
    guard = Guard(port)
    with locked(places.state() / "locks" / port.name):
        site = Site(port, guard, guard.lease(holder, LEASE))
        try:
            yield site
        finally:
            _give_back(site)


def _give_back(site: Site) -> None:
    """Release the lease; where that fails it ends by itself, and the error that brought us here matters more."""
    try:
        site.guard.release(site.lease)
    except ClawrackError:
        return
