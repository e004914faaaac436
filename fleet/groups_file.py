"""fleet.yaml, the person's: what agents have in common, who is a member of which group, how changes go.

No command rewrites it; `inherited` is what an agent has that its own file does not say.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from fleet.base import formats
from fleet.base.errors import BadInput
from fleet.base.names import agent_name
from fleet.base.yaml import place, read
from fleet.base.yaml_wrong import KEY
from fleet.groups import Group, Settings, member, number_of, numbered
from fleet.policy import Policy, PolicyWrong

FORMAT = formats.FORMATS["fleet"]
FLEET = "fleet.yaml"


class FleetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The file fleet.yaml: what agents have in common, and how changes to them go. No command rewrites it.

    Attributes:
        version: of the file's format.
        kind: as ``defaults: {kind: …}``, for files of earlier versions.
        defaults: what agents have that neither their own files nor their groups say.
        policy: how a rollout goes, and when it stops.
        groups: agents that are alike, by the name of the group.
    """

    version: int = FORMAT
    kind: str | UnsetType = UNSET
    defaults: Settings = Settings()
    policy: Policy = Policy()
    groups: dict[str, Group] = {}

    def inherited(self, group: str) -> dict[str, Any]:
        """Return what an agent has that its own file does not say; ``group`` is its group, or empty."""
        old = {} if self.kind is UNSET else {"kind": self.kind}
        return {**old, **self.defaults.said(), **(self.groups[group].said() if group in self.groups else {})}


def settings(folder: Path) -> FleetFile:
    """Return fleet.yaml, or the defaults where there is none.

    Raises:
        BadInput: it is not as it should be, or its policy cannot be kept.
        Refused: it is of a newer format.
    """
    path = folder / FLEET
    if not path.exists():
        return FleetFile()
    try:
        found = read(path, FleetFile)
    except BadInput:  # what a newer clawrack reads is not a mistake of the person's
        formats.check("fleet", formats.in_yaml(path, "version"), str(path))
        raise
    formats.check("fleet", formats.Said(found.version), str(path))
    if UNSET not in (found.kind, found.defaults.kind):
        raise BadInput("file.twice", where=place(path, "kind", KEY), field="kind")
    try:
        found.policy.check()
    except PolicyWrong as wrong:
        raise BadInput(wrong.key, where=place(path, "policy", *wrong.at), **wrong.params) from wrong
    return found


def members(folder: Path, file: FleetFile) -> dict[str, str]:
    """Return the members of all groups, and the group of each.

    Raises:
        BadInput: what a group's members are called is no name, or a name of another group's member.
    """
    found: dict[str, str] = {}
    for name, group in file.groups.items():
        _names(folder, file, name)
        mine = dict.fromkeys(group.members(name), name)
        both = next((one for one in mine if one in found), None)
        if both is not None:
            where = where_named(folder, file, name)
            raise BadInput("fleet.groups_collide", where=where, agent=both, group=name, other=found[both])
        found |= mine
    return found


def _names(folder: Path, file: FleetFile, name: str) -> None:
    names = file.groups[name].called(name)
    if not numbered(names):
        raise BadInput("fleet.group_names", where=where_named(folder, file, name), names=names, group=name)
    try:
        for number in (1, max(1, file.groups[name].count)):
            agent_name(member(names, number))
    except BadInput as error:
        raise BadInput("fleet.group_member", where=where_named(folder, file, name), **error.params) from error


def is_beyond(folder: Path, file: FleetFile, known: dict[str, str], name: str, group: str) -> bool:
    """Return whether an agent that has a file is a member of its group beyond the group's count.

    Args:
        folder: the fleet's.
        file: its fleet.yaml.
        known: the group of every member.
        name: the agent's.
        group: that its file says; empty for none.

    Raises:
        BadInput: a group makes a member of the name of an agent that is not in it, or the agent is in a group whose
            members are called otherwise.
    """
    own = folder / "agents" / f"{name}.yaml"
    if known.get(name, group) != group:
        where = where_named(folder, file, known[name])
        raise BadInput("fleet.group_agent", where=where, agent=name, group=known[name], file=str(own))
    if not group or name in known:
        return False
    names = file.groups[group].called(group)
    if not number_of(names, name):
        raise BadInput("fleet.group_other", where=place(own, "group"), agent=name, group=group, names=names)
    return True


def where_named(folder: Path, file: FleetFile, group: str) -> str:
    """Return where it stands what a group's members are called, as file:line:column."""
    return place(folder / FLEET, "groups", group, "names" if file.groups[group].names else KEY)


def line_of(folder: Path, group: str) -> str:
    """Return the line of fleet.yaml that says how many a group has, as file:line."""
    return place(folder / FLEET, "groups", group, "count").rpartition(":")[0]
