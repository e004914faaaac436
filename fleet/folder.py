"""What a person says of the fleet's folder: a new agent, tags of a machine, a machine that takes nothing new.

Nothing here reaches a machine: the files change, and a plan says what follows.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fleet import kinds, load, near
from fleet.base.errors import BadInput, Refused
from fleet.base.names import agent_name
from fleet.base.patterns import PLAIN
from fleet.base.yaml import place
from fleet.base.yaml_wrong import nearest
from fleet.groups import Settings, number_of
from fleet.groups_file import FLEET, line_of, settings
from fleet.model import Agent, Wish, free_page

USUAL = "openclaw"


def create(folder: Path, name: str, said: Settings) -> Agent:
    """Write the file of a new agent; it is deployed by a plan.

    Args:
        folder: the fleet's.
        name: the agent's.
        said: what a person says of it; the rest comes from fleet.yaml's defaults.

    Raises:
        BadInput: no agent can be called so, or no machine, kind, version or tag is.
        Refused: there is an agent of that name, a group makes one, or its machine takes nothing new.
    """
    wish = load.load(folder)
    agent_name(name)
    _free(folder, name, wish)
    values: dict[str, Any] = {"kind": USUAL} | settings(folder).inherited("") | said.said()
    agent = Agent(**values, page=free_page(wish.everyone.values()))
    which = kinds.kind(agent.kind)
    if agent.version:
        kinds.check_version(which, agent.version, name)
    if agent.machine:
        _takes(agent, wish)
    _known(agent.tags, wish)
    load.save_agent(folder, name, agent)
    return agent


def _free(folder: Path, name: str, wish: Wish) -> None:
    if name in wish.beyond or (name in wish.agents and not wish.agents[name].group):
        raise Refused("folder.agent_is", where=name, agent=name)
    for group, found in wish.groups.items():
        if number_of(found.called(group), name):
            raise Refused("folder.of_group", where=line_of(folder, group), agent=name, group=group)


def _takes(agent: Agent, wish: Wish) -> None:
    if agent.machine not in wish.machines:
        raise near.no_machine(agent.machine, wish)
    machine = wish.machines[agent.machine]
    if machine.drained:
        raise Refused("folder.drained", where=agent.machine, machine=agent.machine)
    lacking = sorted({*agent.tags} - {*machine.tags})
    if lacking:
        raise BadInput("folder.lacks_tag", where=agent.machine, machine=agent.machine, tags=", ".join(lacking))


def _known(tags: Iterable[str], wish: Wish) -> None:
    """See that there is a machine with each of the tags."""
    known = tags_of(wish)
    for tag in tags:
        if tag not in known:
            raise near.no_tag(tag, known)


def tags_of(wish: Wish) -> list[str]:
    """Return every tag that a machine has."""
    return sorted({tag for machine in wish.machines.values() for tag in machine.tags})


def no_member(folder: Path, name: str, wish: Wish) -> None:
    """See that an agent may be removed: a member of a group stays for as long as the group has so many.

    Raises:
        Refused: it is one; `where` is the line of fleet.yaml to edit.
    """
    group = wish.agents[name].group if name in wish.agents else ""
    if group:
        line, count = line_of(folder, group), wish.groups[group].count
        last = list(wish.groups[group].members(group))[-1]
        raise Refused("folder.member", where=line, agent=name, group=group, count=count, fewer=count - 1, last=last)


def members_on(machine: str, wish: Wish) -> dict[str, list[str]]:
    """Return the members of each group that live on a machine: without it, a plan finds them another place."""
    found: dict[str, list[str]] = {}
    for name, agent in sorted(wish.agents.items()):
        if agent.machine == machine and agent.group:
            found.setdefault(agent.group, []).append(name)
    return found


def drain(folder: Path, name: str, *, drained: bool) -> bool:
    """Mark a machine as one on which nothing new is placed, or take the mark away; return whether that changed it.

    Raises:
        BadInput: there is no such machine.
    """
    return _mark(folder, name, drained=drained)


def tag(folder: Path, name: str, add: Sequence[str], remove: Sequence[str]) -> bool:
    """Give a machine tags and take others away; return whether that changed it.

    Raises:
        BadInput: there is no such machine, or that is no tag, or not one of its.
    """
    wish = load.load(folder)
    tags = wish.machines[name].tags if name in wish.machines else ()
    for one in add:
        if not re.fullmatch(PLAIN, one):
            raise BadInput("folder.tag", where=name, tag=one)
    for one in remove if name in wish.machines else ():
        if one not in tags:
            raise BadInput("folder.tag_not_there", where=name, machine=name, tag=one, near=nearest(one, tags))
    return _mark(folder, name, tags=tuple(sorted({*tags, *add} - {*remove})))


def _mark(folder: Path, name: str, **marks: object) -> bool:
    wish = load.load(folder)
    if name not in wish.machines:
        raise near.no_machine(name, wish)
    machine = msgspec.structs.replace(wish.machines[name], **marks)
    if machine == wish.machines[name]:
        return False
    load.save_machine(folder, name, machine)
    return True


def check(folder: Path) -> Wish:
    """Return the wish, once all of it has a meaning here: kinds, versions and tags too, which only a plan needs.

    Raises:
        BadInput: one has none; `where` is file:line:column.
        Refused: a newer clawrack wrote a file, or a version is older than its kind bears.
    """
    wish = load.load(folder)
    _said_kinds(folder)
    known = tags_of(wish)
    for name, agent in _different(wish.agents).items():
        if agent.kind not in kinds.homes():
            _kind(agent.kind, load.origin(folder, name, agent, "kind"))
        if agent.version:
            _version(folder, name, agent)
        lacking = next((n for n, one in enumerate(agent.tags) if one not in known), None)
        if lacking is not None and not agent.machine:
            where = load.origin(folder, name, agent, "tags", lacking)
            raise near.no_tag(agent.tags[lacking], known, where)
    return wish


def _different(agents: dict[str, Agent]) -> dict[str, Agent]:
    """Return one agent, the first by name, of all that say the same."""
    found: dict[tuple[object, ...], str] = {}
    for name, agent in agents.items():
        found.setdefault((agent.kind, agent.version, agent.tags, bool(agent.machine)), name)
    return {name: agents[name] for name in found.values()}


def _said_kinds(folder: Path) -> None:
    """See that the kinds in fleet.yaml exist, where nobody is of them too."""
    file = settings(folder)
    said: dict[tuple[str, ...], Settings] = {("defaults",): file.defaults}
    said |= {("groups", name): group for name, group in file.groups.items()}
    for path, one in said.items():
        if isinstance(one.kind, str):
            _kind(one.kind, place(folder / FLEET, *path, "kind"))


def _kind(name: str, where: str) -> None:
    known = sorted(kinds.homes())
    if name not in known:
        raise BadInput("kind.unknown", where=where, kind=name, known=", ".join(known))


def _version(folder: Path, name: str, agent: Agent) -> None:
    try:
        kinds.check_version(kinds.kind(agent.kind), agent.version)
    except (BadInput, Refused) as error:
        raise type(error)(error.key, where=load.origin(folder, name, agent, "version"), **error.params) from error
