"""The fleet's folder, read and written.

fleet.yaml belongs to the person and no command rewrites it. machines/NAME.yaml and agents/NAME.yaml belong to clawrack:
one small file each, replaced whole by a rename, so that a change is a small diff and a torn file cannot be.
"""

import os
from pathlib import Path
from typing import TypeVar

import msgspec

from fleet import twins
from fleet.base import formats
from fleet.base.disk import replace
from fleet.base.errors import BadInput
from fleet.base.names import agent_name, machine_name
from fleet.base.yaml import read
from fleet.model import Agent, Machine, Wish

FORMAT = formats.FORMATS["fleet"]
Entry = TypeVar("Entry", Machine, Agent)
Read = TypeVar("Read")


class FleetFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """fleet.yaml: the format's version, and the defaults for new agents."""

    version: int = FORMAT
    kind: str = "openclaw"


def default_folder() -> Path:
    """Return the fleet's folder: ``CLAWRACK_FLEET``, else the person's configuration folder."""
    told = os.environ.get("CLAWRACK_FLEET")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(told) if told else config / "clawrack" / "fleet"


def load(folder: Path) -> Wish:
    """Return the fleet that the folder describes; an absent folder is an empty fleet.

    Raises:
        BadInput: a file is not as it should be; `where` is file:line:column.
        Refused: a newer clawrack wrote one.
    """
    settings(folder)
    machines: dict[str, Machine] = {
        machine_name(p.stem, str(p)): _entry(p, Machine, "machine") for p in _files(folder / "machines")
    }
    agents: dict[str, Agent] = {
        agent_name(p.stem, str(p)): _entry(p, Agent, "agent") for p in _files(folder / "agents")
    }
    for name, agent in agents.items():
        if agent.machine not in machines:
            raise BadInput("fleet.no_machine", where=str(folder / "agents" / f"{name}.yaml"), machine=agent.machine)
    return Wish(machines=machines, agents=agents)


def settings(folder: Path) -> FleetFile:
    """Return fleet.yaml, or the defaults where there is none.

    Raises:
        BadInput: it is not as it should be.
        Refused: it is of a newer format.
    """
    path = folder / "fleet.yaml"
    if not path.exists():
        return FleetFile()
    found = _known(path, FleetFile, "fleet", "version")
    formats.check("fleet", formats.Said(found.version), str(path))
    return found


def save_machine(folder: Path, name: str, machine: Machine) -> None:
    """Write machines/NAME.yaml."""
    _save(folder / "machines" / f"{name}.yaml", machine)


def save_agent(folder: Path, name: str, agent: Agent) -> None:
    """Write agents/NAME.yaml."""
    _save(folder / "agents" / f"{name}.yaml", agent)


def forget_machine(folder: Path, name: str, wish: Wish) -> None:
    """Remove machines/NAME.yaml, the files of its agents as the wish has them, and what was noticed of a copy."""
    for agent, found in wish.agents.items():
        if found.machine == name:
            forget_agent(folder, agent)
    (folder / "machines" / f"{name}.yaml").unlink(missing_ok=True)
    twins.drop(folder, name)


def forget_agent(folder: Path, name: str) -> None:
    """Remove agents/NAME.yaml."""
    (folder / "agents" / f"{name}.yaml").unlink(missing_ok=True)


def _entry(path: Path, shape: type[Entry], name: str) -> Entry:
    found = _known(path, shape, name, "format")
    formats.check(name, formats.Said(found.format), str(path))
    return found


def _known(path: Path, shape: type[Read], name: str, key: str) -> Read:
    """Return the file's content; what a newer clawrack wrote is not a mistake of the person's."""
    try:
        return read(path, shape)
    except BadInput:
        formats.check(name, formats.in_yaml(path, key), str(path))
        raise


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []


def _save(path: Path, entry: Machine | Agent) -> None:
    lines = [f"{key}: {msgspec.json.encode(value).decode()}\n" for key, value in msgspec.to_builtins(entry).items()]
    replace(path, "".join(lines).encode())
