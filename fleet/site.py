"""A machine while it is being changed: its port, its guard, and our lease on it."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from fleet.base import places
from fleet.base.disk import locked
from fleet.base.errors import ClawrackError, Refused
from fleet.machine.guard import Guard, Lease
from fleet.machine.port import Port

LEASE = 1800  # seconds of the machine's uptime; given back at the end, renewed before each action
RENEW_EVERY = 300.0  # seconds; so that a wire that is cut now and then costs no lease
_LAST_WORD = 10.0  # seconds that a renewal under way gets at the end; one that comes later is refused by its token


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
    """Hold the lease of a machine for as long as the block lasts, be it a backup of six hours.

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
            with _renewed(site):
                yield site
        finally:
            _give_back(site)


@contextmanager
def _renewed(site: Site) -> Generator[None]:
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(site, over), daemon=True, name=f"clawrack-lease-{site.name}")
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join(_LAST_WORD)


def _keep(site: Site, over: threading.Event) -> None:
    """Renew the lease until it is over; one that is refused is lost, and who works there hears it at the next act."""
    while not over.wait(RENEW_EVERY):
        try:
            site.renew()
        except Refused:
            return
        except ClawrackError:
            continue  # the wire may be cut for a while; the term lasts longer


def _give_back(site: Site) -> None:
    """Release the lease; where that fails it ends by itself, and the error that brought us here matters more."""
    try:
        site.guard.release(site.lease)
    except ClawrackError:
        return
