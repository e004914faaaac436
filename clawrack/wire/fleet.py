"""The fleet, with all that its hands need."""

import hashlib
import secrets
from functools import cache
from pathlib import Path

from clawrack.wire.identity import controller, controller_key, pins
from clawrack.wire.images import known_image, place_image, resolved
from clawrack.wire.leaving import leave_machine
from clawrack.wire.ports import Ports, target_of
from fleet.api import Fleet
from fleet.apply import Hands
from fleet.base import places
from fleet.journal import Journal
from fleet.load import default_folder
from fleet.machine.port import Port
from fleet.model import Machine
from fleet.tombs import Keeper, Tomb


def open_fleet(folder: Path | None = None) -> Fleet:
    """Return the fleet of the folder, or of the usual one.

    Raises:
        ActionFailed: our own folder cannot be written.
    """
    folder = folder or default_folder()
    return _fleet(folder, Ports(folder))


def _fleet(folder: Path, ports: Ports) -> Fleet:
    journal = Journal(places.state() / "journal.jsonl", run=secrets.token_hex(6))
    hands = Hands(port=_nowhere, images=place_image, journal=journal, holder=controller())
    return Fleet(
        folder=folder,
        open=ports,
        hands=hands,
        leave=leave_machine,
        graves=_graves(),
        carried=_carried,
        resolve=resolved,
        knows=known_image,
    )


def _graves() -> Keeper:
    """Return what reaches machines that were given up."""

    def key_of(name: str, machine: Machine) -> str:
        if machine.local:
            return ""
        found = pins().key_of(name, target_of(machine))
        return str(found) if found else ""

    def trust(tomb: Tomb) -> None:
        from fleet.machine import hostkey  # noqa: PLC0415 - see port_of
        from fleet.machine.pins import Unknown, refusal  # noqa: PLC0415 - likewise

        if not tomb.host_key:
            return
        known, key = pins(), hostkey.parse(tomb.host_key)
        target = target_of(tomb)
        verdict = known.judge(tomb.stem, target, key)
        if isinstance(verdict, Unknown):
            known.pin(tomb.stem, target, key)
        elif error := refusal(
            verdict, target, key
        ):  # a tombstone is from the folder: it takes no other machine's place
            raise error

    return Keeper(key_of, lambda name: pins().forget(name), trust, _visit)


def _visit(tomb: Tomb) -> Port:
    """Return a port to the machine of a tombstone, by the key that stands on it."""
    from fleet.machine import hostkey  # noqa: PLC0415 - see port_of
    from fleet.machine.login import KeyLogin  # noqa: PLC0415 - likewise
    from fleet.machine.ssh import SshPort  # noqa: PLC0415 - likewise

    target = target_of(tomb)
    key = hostkey.parse(tomb.host_key) if tomb.host_key else None
    return SshPort(tomb.stem, target, KeyLogin(controller_key()), key)


@cache
def _carried() -> str:
    """Return the sha256 of the guard's archive that we carry; a machine notes that of the one that it was brought."""
    from installer.steps.guard import packed  # noqa: PLC0415 - only the doctor compares them

    return hashlib.sha256(packed()).hexdigest()


def _nowhere(name: str) -> Port:
    raise LookupError(name)
