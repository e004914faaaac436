"""How each family of systems gets Docker and the tools that the guard needs: data, and who is of which family.

Pure but for reading the table, once.

One file a family, beside this one. A file says where its facts come from, and whether anybody has seen them work: what
was only read is ``seen: false``, and people are told so before anything is changed.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from fleet.base.yaml import read
from installer.detect.system import base
from installer.facts import Facts

Manager = Literal["apt", "dnf", "zypper", "apk", "pacman"]
KEY = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"
"""Docker's key for rpm packages, as docs.docker.com prints it. A mirror's copy of it counts only if it is this one."""
_CPU = {"amd64": "x86_64", "arm64": "aarch64"}
# Systems whose programs are one image that is replaced whole: packages are not installed there.
_WHOLE_IDS = frozenset(
    {"opensuse-microos", "opensuse-leap-micro", "opensuse-aeon", "sle-micro", "sl-micro", "steamos", "flatcar"}
)
_WHOLE_VARIANTS = frozenset({"coreos", "silverblue", "kinoite", "iot", "sericea", "onyx", "budgie-atomic", "bootc"})
# Derivatives without systemd are others' handiwork.
_LEFT_OUT = {"nixos": "preflight.nixos", "artix": "preflight.system"}


class Family(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One family.

    Attributes:
        ids: the names that its systems call themselves (``ID`` in os-release).
        manager: of packages.
        packages: program to the packages that bring it; ``?`` at the end: only where the release has it.
        seen: whether it was seen to work on a machine.
        sources: where the facts come from.
        like: what derivatives say that they are like.
        branch: of Docker's own repository; empty where the distribution's own packages are used.
        branches: where it is another one for one of the ids.
        releases: the system's release to the branch's number; others are refused. Empty: each as it is.
        service: who starts services.
        absent: the end of the words' key where there is no such package; empty for the usual ones.
    """

    ids: tuple[str, ...]
    manager: Manager
    packages: dict[str, tuple[str, ...]]
    seen: bool
    sources: tuple[str, ...]
    like: tuple[str, ...] = ()
    branch: str = ""
    branches: dict[str, str] = {}
    releases: dict[str, str] = {}
    service: Literal["systemd", "openrc"] = "systemd"
    absent: str = ""

    def wanted(self, programs: Iterable[str]) -> tuple[str, ...]:
        """Return the packages for the programs, each once."""
        return tuple(dict.fromkeys(package for program in programs for package in self.packages.get(program, ())))


@functools.cache
def families() -> dict[str, Family]:
    """Return the families that clawrack knows, by name."""
    return {path.stem: read(path, Family) for path in sorted(Path(__file__).parent.glob("*.yaml"))}


def of(facts: Facts) -> Family | None:
    """Return a machine's family; None where clawrack has no way for it."""
    if refused(facts):
        return None
    name = _name(facts)
    own = next((family for family in families().values() if name in family.ids), None)
    return own or (families()["debian"] if base(facts) else None)


def refused(facts: Facts) -> str:
    """Return the words for why a machine of another family gets no Docker from us; empty where it may."""
    name = _name(facts)
    if name in _WHOLE_IDS or facts.get("os.VARIANT_ID").lower() in _WHOLE_VARIANTS:
        return "preflight.immutable"
    if name in _LEFT_OUT:
        return _LEFT_OUT[name]
    own = next((family for family in families().values() if name in family.ids), None)
    return "preflight.release" if own and own.releases and release(facts) not in own.releases else ""


def release(facts: Facts) -> str:
    """Return the first part of the system's own number: ``9`` of 9.4, ``V10`` of Kylin's V10."""
    return facts.get("os.VERSION_ID").partition(".")[0]


def branch(family: Family, facts: Facts, architecture: str) -> dict[str, str]:
    """Return what names a machine's part of Docker's own repository: branch, number and cpu.

    Args:
        family: of the machine.
        facts: of the machine.
        architecture: in Docker's words.
    """
    own = release(facts)
    return {
        "branch": family.branches.get(_name(facts), family.branch),
        "number": family.releases.get(own, own),
        "cpu": _CPU.get(architecture, architecture),
    }


def _name(facts: Facts) -> str:
    return facts.get("os.ID").lower()
