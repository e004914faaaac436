"""What a machine is, concluded from facts. Pure: the same facts, the same verdict."""

from installer.detect.architecture import architecture
from installer.detect.isolation import container, vm
from installer.detect.system import system, version
from installer.detect.verdict import SURE, Finding, Verdict
from installer.facts import Facts

__all__ = ["SURE", "Finding", "Verdict", "detect"]


def detect(facts: Facts) -> Verdict:
    """Return what the machine is, with confidence and evidence for each part."""
    return Verdict(
        os=system(facts),
        version=version(facts),
        architecture=architecture(facts),
        vm=vm(facts),
        container=container(facts),
    )
