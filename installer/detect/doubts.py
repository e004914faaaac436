"""What a person is asked because the evidence does not settle it, and what becomes of the answer. Pure.

Only what changes what is done is asked: which system it is, and what sort of computer. The answer counts as a fact of
its own (``told.os``), which no probe can claim.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

from fleet.base.errors import BadInput
from installer.detect.verdict import Finding, Verdict
from installer.facts import TOLD, Facts

Part = Literal["os", "hardware"]
PARTS: tuple[Part, ...] = get_args(Part)
OTHER = "unknown"
_APPLIANCES = (
    "dsm", "qts", "quts_hero", "unraid", "truenas", "fnos", "ugos", "zimaos", "omv", "proxmox_ve", "haos", "openwrt",
)  # fmt: skip
_DISTRIBUTIONS = (
    "debian", "ubuntu", "rpi_os", "armbian", "dietpi", "rhel-like", "openeuler-like", "suse", "alpine", "arch", "nixos",
)  # fmt: skip
_COMPUTERS = ("nas", "mini_pc", "desktop", "laptop", "server", "sbc", "thin_client")
VALUES: Mapping[Part, tuple[str, ...]] = MappingProxyType(
    {"os": (*_APPLIANCES, *_DISTRIBUTIONS, OTHER), "hardware": (*_COMPUTERS, OTHER)}
)
"""What can be answered."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One thing that the evidence does not settle.

    Attributes:
        part: of the verdict.
        found: what it looks like.
        options: what it may be, the likeliest first; `OTHER` last.
    """

    part: Part
    found: Finding
    options: tuple[str, ...]


def doubts(verdict: Verdict) -> tuple[Doubt, ...]:
    """Return what a person should be asked; nothing about hardware where somebody else's lies below."""
    asked: list[Doubt] = []
    if not verdict.os.sure:
        asked.append(_doubt("os", verdict.os, _alike(verdict.os.value)))
    own = verdict.vm.value == "none" and verdict.container.value == "none"
    if own and not verdict.hardware.sure:
        asked.append(_doubt("hardware", verdict.hardware, _COMPUTERS))
    return tuple(asked)


def told(facts: Facts, answers: Mapping[str, str]) -> Facts:
    """Return the facts with what a person said of the machine.

    Args:
        facts: of a probe.
        answers: by part; empty ones say nothing.

    Raises:
        BadInput: a value that there is not (``detect.no_such``).
    """
    given: dict[Part, str] = {part: answers[part] for part in PARTS if answers.get(part)}
    for part, value in given.items():
        if value not in VALUES[part]:
            raise BadInput("detect.no_such", part=part, value=value, values=", ".join(VALUES[part]))
    return replace(facts, values=MappingProxyType({**facts.values, **{TOLD + part: v for part, v in given.items()}}))


def said(facts: Facts) -> dict[str, str]:
    """Return what a person said of the machine, by part."""
    return {part: facts.get(TOLD + part) for part in PARTS if facts.get(TOLD + part)}


def unless_told(facts: Facts, part: Part, found: Finding) -> Finding:
    """Return what a person said, else what was found."""
    answer = facts.get(TOLD + part)
    return Finding(answer, 1.0, (TOLD + part,)) if answer else found


def _doubt(part: Part, found: Finding, likely: tuple[str, ...]) -> Doubt:
    first = () if found.value in {OTHER, "vm"} else (found.value,)
    return Doubt(part, found, (*first, *(value for value in likely if value not in first), OTHER))


def _alike(value: str) -> tuple[str, ...]:
    """Return what a system may be taken for: an appliance for the Debian below it, a distribution for another."""
    if value in _APPLIANCES:
        return ("debian",)
    return _DISTRIBUTIONS if value in _DISTRIBUTIONS else (*_DISTRIBUTIONS, *_APPLIANCES)
