"""What a machine is, concluded from facts. Pure: the same facts, the same verdict."""

from installer.detect.architecture import architecture
from installer.detect.clouds import cloud
from installer.detect.container import container
from installer.detect.doubts import unless_told
from installer.detect.hardware import hardware
from installer.detect.system import system, version
from installer.detect.traits import traits
from installer.detect.verdict import PARTIAL, SURE, Finding, Recognised, Verdict
from installer.detect.vm import vm
from installer.facts import Facts

__all__ = ["SURE", "Finding", "Recognised", "Verdict", "detect", "recognised"]


def detect(facts: Facts) -> Verdict:
    """Return what the machine is, with confidence and evidence for each part."""
    inside, virtual = container(facts), vm(facts)
    os = unless_told(facts, "os", system(facts, inside))
    return Verdict(
        os=_settled(facts, os),
        version=version(facts),
        architecture=architecture(facts),
        hardware=_settled(facts, unless_told(facts, "hardware", hardware(facts, os, virtual, inside))),
        vm=_settled(facts, virtual),
        container=_settled(facts, inside),
        cloud=_settled(facts, _below(cloud(facts, virtual, inside), inside)),
        traits=traits(facts, os),
    )


def recognised(verdict: Verdict) -> Recognised:
    """Return the part of a verdict that says what the machine is."""
    return Recognised(
        os=verdict.os,
        hardware=verdict.hardware,
        vm=verdict.vm,
        container=verdict.container,
        cloud=verdict.cloud,
        traits=verdict.traits,
    )


def _below(found: Finding, inside: Finding) -> Finding:
    """In a container the firmware is that of the machine below: cloud-init refuses to look at it there."""
    return found if inside.value in {"none", "wsl"} else found.at_most(PARTIAL, *inside.evidence)


def _settled(facts: Facts, found: Finding) -> Finding:
    """Keep only evidence that is there, each once; half a probe makes half a verdict."""
    evidence = tuple(dict.fromkeys(key for key in found.evidence if key in facts.values))
    confidence = found.confidence if facts.whole else min(found.confidence, PARTIAL)
    return Finding(found.value, round(confidence, 2), evidence)
