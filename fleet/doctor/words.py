"""A finding in the language in use."""

import re

from fleet.base.errors import ClawrackError
from fleet.base.words import find, placeholders, say
from fleet.doctor.finding import ASKS, Diagnosis, DiagnosisView, Finding, FindingView
from fleet.machine.guard import sentence

_UNANSWERED = re.compile(r"([\w-]+): [A-Z][A-Za-z]+$")  # a probe, and the error's type; see fleet/gate.py
_KEYED = re.compile(r"^[a-z_]+\.[a-z_]+: ")  # an error's key before its sentence; see ask.py
SIGNALLED = 128  # an exit code above it is a signal's number and this


def told(finding: Finding, *, asked: bool = True) -> FindingView:
    """Return a finding with its texts; ``asked``: whether a person can be asked for the yes that its fix wants."""
    yes = "" if asked or finding.fix not in ASKS else " --yes"
    return FindingView(
        id=finding.id,
        severity=finding.severity,
        subject=finding.subject,
        what=part(finding, "what"),
        why=part(finding, "why"),
        evidence=finding.evidence,
        command=part(finding, "next") + yes,
        fix=finding.fix,
        diff=finding.diff,
    )


def view(diagnosis: Diagnosis) -> DiagnosisView:
    """Return a diagnosis with its texts, for a program: nobody can be asked."""
    return DiagnosisView(
        findings=tuple(told(finding, asked=False) for finding in diagnosis.findings),
        fixed=diagnosis.fixed,
        machines=diagnosis.machines,
        agents=diagnosis.agents,
    )


def headline(finding: Finding) -> str:
    """Return what is wrong, after whatever of the subject it does not name itself."""
    names = placeholders(find(f"doctor.{finding.id}.what") or "")
    unnamed = [
        name for name, key in ((finding.machine, "machine"), (finding.agent, "agent")) if name and key not in names
    ]
    what = part(finding, "what")
    return f"{'/'.join(unnamed)}: {what}" if unnamed else what


def seen(finding: Finding) -> str:
    """Return the evidence for a person: an error by its sentence, for its key and its values are for programs."""
    error = finding.params.get("error", "")
    if error:
        return ClawrackError(error, **finding.params).part("what") or finding.evidence
    unanswered = _UNANSWERED.match(finding.evidence)
    if unanswered:
        return say("doctor.seen.nobody_yet", probe=unanswered[1])
    return _KEYED.sub("", finding.evidence)


def part(finding: Finding, name: str) -> str:
    """Return one text of a finding (``what``, ``why`` or ``next``)."""
    key = f"doctor.{finding.id}.{name}"
    params = dict(finding.params)
    if "code" in params:
        params["ended"] = ended(params["code"])
    if "reason" in params:
        params["given"] = sentence(params["reason"], params.get("detail", ""))
    lacking = dict.fromkeys(placeholders(find(key) or ""), "?")  # a finding must be told, even where a value is missing
    return say(key, **(lacking | params))


def ended(code: str) -> str:
    """Return an exit code in words."""
    if find(f"doctor.exit.{code}"):
        return say(f"doctor.exit.{code}")
    if code.isdigit() and int(code) > SIGNALLED:
        return say("doctor.exit.signal", code=code, signal=int(code) - SIGNALLED)
    return say("doctor.exit.other", code=code)
