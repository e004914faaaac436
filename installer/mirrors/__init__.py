"""Where packages come from: known mirrors as data, a test of each on the machine itself, and a choice by that test.

Never by geography: services that tell countries by address are blocked, slow, or wrong about a VPN. `choose` is pure;
`measure` is the shell around it.
"""

import functools
from pathlib import Path
from typing import Literal

import msgspec

from fleet.base.yaml import read
from installer.detect.system import base
from installer.facts import Facts

_DATA = Path(__file__).with_name("mirrors.yaml")
_PC = frozenset({"amd64", "i386"})


class Mirror(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server that holds a copy; see mirrors.yaml for what the fields mean."""

    url: str
    updates: str = ""
    cloud: str = ""


class Archive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is copied, and how a copy of it is told from something else."""

    test: str
    mark: str
    mirrors: tuple[Mirror, ...]
    keyring: str = ""
    components: str = ""
    updates: str = ""


class Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that we know of."""

    archives: dict[str, Archive]
    format: Literal[1] = 1


@functools.cache
def known() -> Known:
    """Return the mirrors that clawrack knows."""
    return read(_DATA, Known)


def name_of(facts: Facts) -> str:
    """Return which archive a machine of the Debian family is made from; empty for other families."""
    origin = base(facts)
    if origin == "ubuntu" and facts.get("dpkg_arch") not in {"", *_PC}:
        return "ubuntu-ports"
    return origin


def codename(facts: Facts) -> str:
    """Return the release's name in that archive, as the system itself says it; derivatives name their base's."""
    own = f"os.{base(facts).upper()}_CODENAME"
    plain = "" if facts.get("os.ID").lower() not in {"debian", "ubuntu", "raspbian"} else "os.VERSION_CODENAME"
    return facts.get(own) or facts.get(plain)
