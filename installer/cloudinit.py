"""User-data with which a new cloud machine prepares itself at its first boot: text out of answers, no machine.

Metadata can be read by every program on a machine, so nothing secret ever goes into it: no password, no private key, no
host key made beforehand, no provider's key. What goes in is the controller's public key, and the same scripts that
`clawrack setup` runs; it finds everything as it would have left it. The guard is 58 KB compressed, user-data 16 KB.
"""

import base64
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import templates
from fleet.base.errors import BadInput
from fleet.base.yaml import read
from fleet.machine.target import parse
from fleet.model import HERE
from fleet.render import environment
from installer import engines, remote
from installer.answers import FORMAT, AnswersFile, Entry, SecretFrom
from installer.steps.packages import MADE

MOST_BYTES = 16 << 10
"""What user-data may be long on the clouds that allow the least (AWS: 16 KB before base64)."""
_FOLDER = "/run/clawrack-first-boot"
_DOCKER = "https://download.docker.com/linux"
_USUAL = "debian"
# Whom cloud images make by themselves: their keys are given in one word, and nobody is made twice.
OWN = frozenset(
    {"admin", "alma", "almalinux", "alpine", "arch", "azureuser", "centos", "cloud-user", "core", "debian", "ec2-user"}
    | {"fedora", "lighthouse", "opc", "opensuse", "oracle", "rocky", "sles", "ubuntu"}
)
_SECRET = frozenset({"key"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the answers say that user-data can say too.

    Attributes:
        user: the login; empty for the image's own.
        system: what the image is, one of the names that `engines` knows.
        left_out: what else the answers hold that is secret, by key.
    """

    user: str = ""
    system: str = _USUAL
    left_out: tuple[str, ...] = ()


def wanted(path: Path) -> Wanted:
    """Return what an answers file says; no secret that it names is looked at.

    Raises:
        BadInput: it is not as it should be; its machines are to be different; there is no such system.
    """
    found = read(path, AnswersFile)
    if found.version > FORMAT:
        raise BadInput("answers.newer", where=str(path), version=found.version, known=FORMAT)
    rows = found.machines or (found,)
    users = {_user(row.machine or found.machine, str(path)) for row in rows}
    systems = {(row.os or found.os or _USUAL).lower() for row in rows}
    if len(users) > 1 or len(systems) > 1:
        raise BadInput("cloudinit.differ", where=str(path), logins=_said(users), systems=_said(systems))
    (user,), (system,) = users, systems
    _family(system, str(path))
    return Wanted(user, system, _secrets((found, *rows)))


def _said(words: set[str]) -> str:
    return ", ".join(sorted(words - {""})) or "-"


def _user(machine: str, where: str) -> str:
    """Return the login that a machine's answer names; the address need not be known yet."""
    if "@" not in machine or machine == HERE:
        return ""
    user, _, address = machine.partition("@")
    return parse(f"{user}@{address or 'address'}", where).user


def _secrets(rows: Sequence[Entry]) -> tuple[str, ...]:
    """Return the names of the fields that hold or name a secret."""
    given = {name for row in rows for name in row.__struct_fields__ if isinstance(getattr(row, name), SecretFrom)}
    given |= {name for row in rows for name in _SECRET if getattr(row, name)}
    return tuple(sorted(given))


def _family(system: str, where: str = "") -> engines.Family:
    known = engines.families()
    family = known.get(system) or next((one for one in known.values() if system in one.ids), None)
    if not family:
        raise BadInput("cloudinit.unknown_system", where=where, system=system, known=", ".join(sorted(known)))
    return family


def user_data(told: Wanted, public_key: str, version: str) -> str:
    """Return the user-data.

    Args:
        told: what the answers say.
        public_key: the controller's, as a line of authorized_keys.
        version: of this clawrack.
    """
    family = _family(told.system)
    scripts = ("apt.sh" if family.manager == "apt" else "others.sh", "notes.sh", "engine.sh")
    texts = {
        "first-boot.sh": templates.text("cloud-init", "first-boot.sh"),
        **{name: remote.text(name) for name in scripts},
    }
    values: Mapping[str, Any] = {
        "version": version,
        "user": told.user,
        "made": told.user not in OWN | {"", "root"},
        "key": public_key,
        "folder": _FOLDER,
        "files": [(name, _packed(text)) for name, text in texts.items()],
        "command": ["sh", f"{_FOLDER}/first-boot.sh", told.user, *_words(family, told.system)],
    }
    return environment().from_string(templates.text("cloud-init", "user-data.yaml.j2")).render(values)


def _words(family: engines.Family, system: str) -> list[str]:
    """Return the manager, its source, the numbers that it calls otherwise, what an engine makes, and the packages."""
    branch = family.branches.get(system, family.branch)
    source = f"{_DOCKER}/{branch},@RELEASE@,{engines.KEY}" if branch else "-"
    numbers = ",".join(f"{own}={theirs}" for own, theirs in family.releases.items() if own != theirs) or "-"
    return [family.manager, source, numbers, *MADE, "--", *family.wanted(family.packages)]


def _packed(text: str) -> str:
    """Return a text compressed, always the same for the same text."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """User-data, as it is shown.

    Attributes:
        path: the file that it was written to; empty where it was only printed.
        user_data: the text.
        size: of it, in bytes.
        login: that the controller's key opens; empty for the image's own.
        system: that it is for.
        left_out: what the answers hold that is secret, by key.
    """

    path: str = ""
    user_data: str
    size: int
    login: str
    system: str
    left_out: tuple[str, ...]


def made(told: Wanted, public_key: str, version: str, path: str = "") -> Made:
    """Return the user-data with what is shown of it; see `user_data`."""
    text = user_data(told, public_key, version)
    size = len(text.encode())
    return Made(path=path, user_data=text, size=size, login=told.user, system=told.system, left_out=told.left_out)
