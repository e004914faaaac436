"""The fleet's folder, read and written.

fleet.yaml belongs to the person and no command rewrites it. machines/NAME.yaml and agents/NAME.yaml belong to clawrack:
one small file each, replaced whole by a rename, so that a change is a small diff and a torn file cannot be. What an
agent's file does not say comes from its group, and then from the defaults, both in fleet.yaml (`fleet.groups`).
"""

import itertools
import os
from pathlib import Path
from typing import Any, cast

import msgspec

from fleet import twins
from fleet.base import formats
from fleet.base.disk import replace
from fleet.base.errors import BadInput
from fleet.base.names import agent_name, machine_name
from fleet.base.yaml import content, place, plain, read, shaped
from fleet.base.yaml_wrong import KEY, nearest
from fleet.groups_file import FLEET, FleetFile, is_beyond, members, settings
from fleet.model import FIRST_PAGE, Agent, Machine, Wish

_LAST_PORT = 65535


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
    file = settings(folder)
    known = members(folder, file)
    machines: dict[str, Machine] = {machine_name(p.stem, str(p)): _machine(p) for p in _files(folder / "machines")}
    written: dict[str, Agent] = {agent_name(p.stem, str(p)): _agent(p, file) for p in _files(folder / "agents")}
    beyond = {n: agent for n, agent in written.items() if is_beyond(folder, file, known, n, agent.group)}
    lacking = {name: _unwritten(folder, file, group) for name, group in known.items() if name not in written}
    agents = {name: agent for name, agent in (written | lacking).items() if name not in beyond}
    agents = _paged(dict(sorted(agents.items())), {agent.page_port for agent in beyond.values()})
    for name, agent in (agents | beyond).items():
        if agent.machine and agent.machine not in machines:
            raise BadInput("fleet.no_machine", where=origin(folder, name, agent, "machine"), machine=agent.machine)
    return Wish(machines=machines, agents=agents, policy=file.policy, groups=file.groups, beyond=beyond)


def origin(folder: Path, name: str, agent: Agent, field: str, *within: str | int) -> str:
    """Return where a value of an agent is written, as file:line:column: in its own file, its group, or the defaults."""
    own, path = folder / "agents" / f"{name}.yaml", folder / FLEET
    if own.exists() and field in plain(content(own), str(own)):
        return place(own, field, *within)
    found = settings(folder)
    if agent.group in found.groups and field in found.groups[agent.group].said():
        return place(path, "groups", agent.group, field, *within)
    return place(path, *(("defaults",) if field in found.defaults.said() else ()), field, *within)


def save_machine(folder: Path, name: str, machine: Machine) -> None:
    """Write machines/NAME.yaml.

    Raises:
        BadInput: that is no name of a machine; it would be the path of another file.
    """
    _save(folder / "machines" / f"{machine_name(name)}.yaml", msgspec.to_builtins(machine))


def save_agent(folder: Path, name: str, agent: Agent) -> None:
    """Write agents/NAME.yaml: what differs from its group's values, and from the defaults.

    Raises:
        BadInput: that is no name of an agent; it would be the path of another file.
    """
    path = folder / "agents" / f"{agent_name(name)}.yaml"
    usual = {field.name: field.default for field in msgspec.structs.fields(Agent)}
    usual |= settings(folder).inherited(agent.group)
    values = {name: getattr(agent, name) for name in usual}
    _save(path, {key: value for key, value in values.items() if value != usual[key]})


def forget_machine(folder: Path, name: str, wish: Wish) -> None:
    """Remove machines/NAME.yaml, the files of its agents as the wish has them, and what was noticed of a copy."""
    for agent, found in wish.everyone.items():
        if found.machine == name:
            forget_agent(folder, agent)
    (folder / "machines" / f"{name}.yaml").unlink(missing_ok=True)
    twins.drop(folder, name)


def forget_agent(folder: Path, name: str) -> None:
    """Remove agents/NAME.yaml."""
    (folder / "agents" / f"{name}.yaml").unlink(missing_ok=True)


def _machine(path: Path) -> Machine:
    try:
        found = read(path, Machine)
    except BadInput:  # what a newer clawrack wrote is not a mistake of the person's
        formats.check("machine", formats.in_yaml(path, "format"), str(path))
        raise
    formats.check("machine", formats.Said(found.format), str(path))
    return found


def _agent(path: Path, file: FleetFile) -> Agent:
    """Return an agent as its file says, and its group, and the defaults."""
    try:
        found = _inheriting(path, file)
    except BadInput:
        formats.check("agent", formats.in_yaml(path, "format"), str(path))
        raise
    formats.check("agent", formats.Said(found.format), str(path))
    return found


def _inheriting(path: Path, file: FleetFile) -> Agent:
    text, where = content(path), str(path)
    own = plain(text, where)
    if not isinstance(own, dict):
        return shaped(own, Agent, text, where)
    said = cast("dict[str, Any]", own)
    group = said.get("group", "")
    if isinstance(group, str) and group and group not in file.groups:
        near = nearest(group, list(file.groups))
        raise BadInput("fleet.no_group", where=place(path, "group"), group=group, near=near, agent=path.stem)
    return shaped({**file.inherited(str(group)), **_resolved(said)}, Agent, text, where)


def _resolved(own: dict[str, Any]) -> dict[str, Any]:
    """Return what a file says; its image is of its own version, where an earlier clawrack did not say of which."""
    return {"image_of": own.get("version", ""), **own} if own.get("image") else own


def _unwritten(folder: Path, file: FleetFile, group: str) -> Agent:
    """Return a member of a group that has no file of its own."""
    values = file.inherited(group)
    if "kind" not in values:
        raise BadInput("fleet.no_kind", where=place(folder / FLEET, "groups", group, KEY), group=group)
    return Agent(group=group, **values)


def _paged(agents: dict[str, Agent], taken: set[int]) -> dict[str, Agent]:
    """Return the agents; a member of a group whose file names no port for its page has the next one that is free."""
    lacking = [name for name, agent in agents.items() if agent.group and not agent.page]
    used = taken | {agent.page_port for agent in agents.values() if agent.page or not agent.group}
    free = (port for port in itertools.count(FIRST_PAGE) if port not in used)
    pages = {name: port for name, port in zip(lacking, free, strict=False) if port <= _LAST_PORT}
    return {n: msgspec.structs.replace(a, page=pages[n]) if n in pages else a for n, a in agents.items()}


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml")) if folder.is_dir() else []


def _save(path: Path, values: dict[str, Any]) -> None:
    lines = [f"{key}: {msgspec.json.encode(value).decode()}\n" for key, value in values.items()]
    replace(path, "".join(lines or ["{}\n"]).encode())
