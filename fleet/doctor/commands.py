"""The commands that findings tell to type, and findings with them: pure."""

import shlex
from collections.abc import Mapping
from types import MappingProxyType

from fleet.base.clean import line
from fleet.doctor.finding import Finding, FindingId, FixName, Severity
from fleet.doctor.symptoms import Symptoms
from fleet.model import Machine

LONGEST = 400  # characters of one value


def on(name: str, machine: Machine) -> str:
    """Return what stands before a command that must be typed on a machine, as root.

    Our own shell knows the host key and has a login; sudo asks there for the password of a login that is not root.
    """
    if machine.local:
        return "sudo"
    words = ("clawrack", "machine", "shell", name, "--")
    return shlex.join(words if machine.user == "root" else (*words, "sudo"))


def setup(symptoms: Symptoms, agent: str = "") -> str:
    """Return the setup that brings a machine, and an agent on it, to what the files say."""
    words = ["clawrack", "setup", "--machine", "here" if symptoms.machine.local else symptoms.name]
    name = agent or next(iter(sorted(symptoms.expected)), "")
    if name in symptoms.expected:
        words += ["--kind", symptoms.expected[name].agent.kind]
    return shlex.join([*words, "--name", name] if name else words)


def found(  # noqa: PLR0913 - a finding has that many sides, and most go by name
    symptoms: Symptoms,
    id_: FindingId,
    severity: Severity,
    evidence: str,
    *,
    agent: str = "",
    fix: FixName | None = None,
    diff: tuple[str, ...] = (),
    values: Mapping[str, object] = MappingProxyType({}),
) -> Finding:
    """Return a finding of a machine, or of an agent on it, with the values that its texts may name."""
    usual = {"machine": symptoms.name, "on": on(symptoms.name, symptoms.machine), "setup": setup(symptoms, agent)}
    named = {"agent": agent, "name": agent} if agent else {"name": symptoms.name}
    return Finding(
        id=id_,
        severity=severity,
        subject=symptoms.subject(agent),
        evidence=line(evidence, LONGEST),
        params=usual | named | {key: line(str(value), LONGEST) for key, value in values.items()},
        fix=fix or "",
        diff=diff,
    )
