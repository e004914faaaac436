"""Where a backup says that its agent lived, checked, and as it is shown before anything is done about that place."""

from collections.abc import Mapping
from typing import Any

import msgspec

from fleet.base.errors import BadInput
from fleet.machine.target import hops_of, parse
from fleet.model import Machine

PLACE = frozenset({"address", "user", "port", "jump"})
"""What a backup tells of how its machine is reached; nothing else that a machine's file may hold is taken from it."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """Where an agent lived, as its backup says: whoever made the backup chose it, so a person is to look at it first.

    Attributes:
        name: of the machine, then.
        machine: how it was reached.
        host_key: by which it is to prove itself; empty where it never did.
        fingerprint: of that key, as ``ssh-keygen -lf`` prints it.
    """

    name: str
    machine: Machine
    host_key: str = ""
    fingerprint: str = ""

    @property
    def shown(self) -> str:
        """``user@address:port``, and the jump hosts on the way."""
        at = f"{self.machine.user}@{self.machine.address}:{self.machine.port}"
        return f"{at} --jump {self.machine.jump}" if self.machine.jump else at


def home(name: str, number: str, place: Mapping[str, Any], host_key: str, where: str) -> Home | None:
    """Return where a backup says that its agent lived; None where it does not say.

    Args:
        name: of the machine.
        number: the id of ours that is kept on it.
        place: how it was reached, of `PLACE`.
        host_key: of it, or empty.
        where: names the backup in errors.

    Raises:
        BadInput: it is no address, or no host key, that could exist.
    """
    from fleet.machine import hostkey  # noqa: PLC0415 - what only lists backups does not wait for SSH

    fingerprint = hostkey.parse(host_key).fingerprint if host_key else ""
    if "\n" in host_key or not place.keys() <= PLACE:
        raise BadInput("backup.not_one", where=where)
    if not place:
        return None
    try:
        machine = msgspec.convert({**place, "id": number}, Machine)
    except msgspec.ValidationError as error:
        raise BadInput("backup.not_one", where=where) from error
    parse(f"{machine.user}@[{machine.address}]:{machine.port}", where)
    hops_of(machine.jump, where)
    return Home(name=name, machine=machine, host_key=host_key, fingerprint=fingerprint)
