"""A finding in the language in use."""

from fleet.base.words import find, placeholders, say
from fleet.doctor.finding import Diagnosis, DiagnosisView, Finding, FindingView
from fleet.machine.guard import sentence

SIGNALLED = 128  # an exit code above it is a signal's number and this


def told(finding: Finding) -> FindingView:
    """Return a finding with its texts."""
    return FindingView(
        id=finding.id,
        severity=finding.severity,
        subject=finding.subject,
        what=part(finding, "what"),
        why=part(finding, "why"),
        evidence=finding.evidence,
        command=part(finding, "next"),
        fix=finding.fix,
        diff=finding.diff,
    )


def view(diagnosis: Diagnosis) -> DiagnosisView:
    """Return a diagnosis with its texts."""
    return DiagnosisView(
        findings=tuple(told(finding) for finding in diagnosis.findings),
        fixed=diagnosis.fixed,
        machines=diagnosis.machines,
        agents=diagnosis.agents,
    )


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
