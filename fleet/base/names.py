"""Names that people give. They reach paths, units and labels, so only plain ones exist."""

import re
from typing import NewType

from fleet.base.errors import BadInput

AgentName = NewType("AgentName", str)
MachineName = NewType("MachineName", str)
MachineTag = NewType("MachineTag", str)
_PLAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_TAKEN = frozenset({"meter", "all", "boot", "tick", "firewall", "watch", "changed", "clawrack"})


def agent_name(text: str, where: str = "") -> AgentName:
    """Return the text as an agent's name.

    Raises:
        BadInput: it is not 1 to 40 of a-z, 0-9 and inner hyphens, or it is a word that clawrack uses itself.
    """
    if not _PLAIN.fullmatch(text) or text in _TAKEN:
        raise BadInput("name.agent", where=where, name=text)
    return AgentName(text)


def machine_name(text: str, where: str = "") -> MachineName:
    """Return the text as a machine's name.

    Raises:
        BadInput: it is not 1 to 40 of a-z, 0-9 and inner hyphens, or it is a word that clawrack uses itself.
    """
    if not _PLAIN.fullmatch(text) or text in _TAKEN:
        raise BadInput("name.machine", where=where, name=text)
    return MachineName(text)


def machine_tag(text: str, where: str = "") -> MachineTag:
    """Return the text as a tag of machines.

    Raises:
        BadInput: it is not 1 to 40 of a-z, 0-9 and inner hyphens.
    """
    if not _PLAIN.fullmatch(text):
        raise BadInput("name.tag", where=where, name=text)
    return MachineTag(text)
