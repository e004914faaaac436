"""A finding: the stable form in which the doctor says what is wrong."""

from typing import Literal, get_args

import msgspec

Severity = Literal["error", "warning", "note"]
FindingId = Literal[
    "engine.down", "engine.vendor",
    "clock.ahead", "clock.behind", "clock.unsynchronised",
    "disk.state", "disk.engine", "inodes.state", "inodes.engine",
    "guard.absent", "guard.older", "guard.edited", "guard.mode",
    "lease.ours", "lease.held",
    "network.stranger",
    "firewall.missing",
    "units.missing", "units.disabled", "units.stopped",
    "secret.mode", "parent.mode",
    "meter.missing", "meter.down", "meter.killed",
    "image.missing",
    "key.refused", "key.no_credit", "route.limited", "route.failing",
    "agent.absent", "agent.stray", "agent.stopped", "agent.paused", "agent.down", "agent.gave_up", "agent.restarting",
    "agent.oom", "agent.starting", "agent.not_ready",
    "trial.left",
    "config.edited", "config.unlike",
    "machine.no_name", "machine.refused", "machine.no_answer", "machine.not_ssh", "machine.turned_away",
    "machine.key_missing", "machine.no_root", "machine.unclear",
    "hostkey.changed", "hostkey.unknown", "hostkey.twice",
    "port.taken",
]  # fmt: skip
IDS: tuple[FindingId, ...] = get_args(FindingId)
"""All that can be found. A name is kept for ever: programs read it."""
FixName = Literal["engine", "modes", "units", "firewall", "image", "meter", "start", "trial", "config"]
FIXES: tuple[FixName, ...] = get_args(FixName)
"""All that is ever mended by itself, in the order in which one needs the other."""
ASKS: frozenset[FixName] = frozenset({"config"})
"""Fixes that restart an agent: they want a yes."""
Outcome = Literal["done", "already", "declined", "failed", "unknown"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong.

    Attributes:
        id: names it, for example ``engine.down``; stable.
        severity: ``error``: something does not work. ``warning``: it will not for long. ``note``: worth knowing.
        subject: the machine, ``machine/agent``, or ``here`` for this computer.
        evidence: what was seen, in one line, as it was seen.
        params: the values of the text's placeholders.
        fix: what ``--fix`` would do; empty where a person must.
        diff: where a file was changed, how: the lines of a unified diff.
    """

    id: FindingId
    severity: Severity
    subject: str
    evidence: str = ""
    params: dict[str, str] = {}
    fix: FixName | Literal[""] = ""
    diff: tuple[str, ...] = ()

    @property
    def machine(self) -> str:
        """The machine that it is about."""
        return self.subject.partition("/")[0]

    @property
    def agent(self) -> str:
        """The agent that it is about, or empty."""
        return self.subject.partition("/")[2]


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with its texts in the language in use.

    Attributes:
        what: is wrong.
        why: that matters.
        evidence: what was seen, in one line, as it was seen.
        command: what to type, or to do.
        fix: what ``--fix`` would do; empty where a person must.
        diff: where a file was changed, how: the lines of a unified diff.
    """

    id: FindingId
    severity: Severity
    subject: str
    what: str
    why: str
    evidence: str
    command: str
    fix: str = ""
    diff: tuple[str, ...] = ()


class Fixed(msgspec.Struct, frozen=True, kw_only=True):
    """What ``--fix`` did about a finding.

    Attributes:
        outcome: ``done`` and proven by looking again; ``already`` so; ``declined`` by the person or for want of one;
            ``failed``, with the reason; ``unknown`` where the wire was cut.
    """

    id: FindingId
    subject: str
    fix: str
    outcome: Outcome
    reason: str = ""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found.

    Attributes:
        findings: the worst first.
        fixed: what was done about others, where that was asked for.
        machines: how many machines were looked at.
        agents: how many agents.
    """

    findings: tuple[Finding, ...] = ()
    fixed: tuple[Fixed, ...] = ()
    machines: int = 0
    agents: int = 0

    @property
    def well(self) -> bool:
        """Whether there is no error; a machine that did not answer is one."""
        return not any(finding.severity == "error" for finding in self.findings)


class DiagnosisView(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnosis as people and scripts are shown it; see Diagnosis."""

    findings: tuple[FindingView, ...]
    fixed: tuple[Fixed, ...]
    machines: int
    agents: int


def ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order in which they are shown: the worst first, then by subject; each once."""
    unique = {(finding.id, finding.subject, finding.evidence): finding for finding in findings}
    return tuple(sorted(unique.values(), key=lambda one: (SEVERITIES.index(one.severity), one.subject, one.id)))
