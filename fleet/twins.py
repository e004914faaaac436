"""Twins: another computer with a machine's disk, or a copy of it. Both stop until a person says which one it is.

A copied disk takes our id, the agents and mostly the host key along, so two live copies of one agent may run from the
copy's first boot on. What is noticed stands in the fleet's folder, where every controller sees it: twins/NAME.yaml.
While it is there, nobody opens the machine NAME. `clawrack machine claim` ends it.
"""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fleet.base import formats
from fleet.base.disk import replace
from fleet.base.errors import BadInput, Refused
from fleet.base.names import agent_name, machine_name
from fleet.base.yaml import read
from fleet.machine.target import Target, hops_of, parse
from fleet.model import Machine

FORMAT = formats.FORMATS["twin"]


class Twin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where another computer with a machine's disk was seen (twins/NAME.yaml).

    Attributes:
        version: of the file's format.
        name: of the machine that the fleet knows.
        address, user, port, jump: where the other one was seen; it may be the machine's own place.
        host_key: that it showed.
        stopped: the agents that were stopped on it when it was noticed.
        noticed: when (RFC 3339, UTC).
    """

    version: int = FORMAT
    name: str
    address: str
    user: str = "root"
    port: int = 22
    jump: str = ""
    host_key: str
    stopped: tuple[str, ...] = ()
    noticed: str = ""

    @property
    def machine(self) -> Machine:
        """How it is reached."""
        return Machine(address=self.address, user=self.user, port=self.port, jump=self.jump)


def place_of(machine: Machine) -> str:
    """Return where a machine is, as people are told: ``address``, its port where it is another, its jump hosts."""
    return Target(machine.address, machine.port, machine.user, via=machine.jump).place


def note(folder: Path, name: str, there: Machine, host_key: str, stopped: tuple[str, ...]) -> Twin:
    """Write down that another computer with a machine's disk was seen."""
    twin = Twin(
        name=name, address=there.address, user=there.user, port=there.port, jump=there.jump, host_key=host_key,
        stopped=stopped, noticed=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    rows = [f"{key}: {msgspec.json.encode(value).decode()}\n" for key, value in msgspec.to_builtins(twin).items()]
    replace(_path(folder, name), "".join(rows).encode())
    return twin


def find(folder: Path, name: str) -> Twin | None:
    """Return what was noticed of a machine, or None.

    Raises:
        BadInput: the file is not as it should be.
        Refused: it is of a newer format.
    """
    path = _path(folder, name)
    if not path.exists():
        return None
    try:
        found = read(path, Twin)
    except BadInput:
        formats.check("twin", formats.in_yaml(path, "version"), str(path))
        raise
    formats.check("twin", formats.Said(found.version), str(path))
    machine_name(found.name, str(path))
    for agent in found.stopped:
        agent_name(agent, str(path))
    parse(f"{found.user}@[{found.address}]:{found.port}", str(path))
    hops_of(found.jump, str(path))
    return found


def drop(folder: Path, name: str) -> None:
    """Forget what was noticed."""
    _path(folder, name).unlink(missing_ok=True)


def check(folder: Path, name: str, machine: Machine) -> None:
    """See that nobody has to say first which of two machines this is.

    Raises:
        Refused: somebody has.
    """
    twin = find(folder, name)
    if twin:
        raise Refused("twin.stopped", where=name, machine=name, old=place_of(machine), new=place_of(twin.machine))


def _path(folder: Path, name: str) -> Path:
    return folder / "twins" / f"{name}.yaml"
