"""The doctor's rounds: ask, judge, and where it is wished mend and look again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from fleet.base.clean import line
from fleet.base.errors import ClawrackError, Unreachable
from fleet.base.outcome import AlreadyTrue
from fleet.doctor.ask import Patient, ask
from fleet.doctor.finding import ASKS, FIXES, Diagnosis, Finding, Fixed, Outcome
from fleet.doctor.judge import judge
from fleet.doctor.mend import Act, Bench, mend
from fleet.doctor.symptoms import Symptoms, TakenPort
from fleet.site import held

Agrees = Callable[[Finding], bool]
"""Whether a person says yes to a fix that restarts an agent."""


@dataclass(frozen=True)
class Rounds:
    """What is looked at.

    Attributes:
        patients: the machines.
        agent: where only one agent is meant: findings of the others are left out.
        ports: asks which ports of this computer are taken.
        act: does an action as a plan would.
    """

    patients: list[Patient]
    act: Act
    agent: str = ""
    ports: Callable[[], list[TakenPort]] = field(default=list[TakenPort])

    def look(self) -> Diagnosis:
        """Ask and judge."""
        return self._judged(ask(self.patients))

    def _judged(self, symptoms: list[Symptoms]) -> Diagnosis:
        found = judge(symptoms, self.ports())
        if not self.agent:
            return found
        mine = tuple(one for one in found.findings if one.agent in {"", self.agent})
        return msgspec.structs.replace(found, findings=mine, agents=1)

    def mend(self, agrees: Agrees) -> Diagnosis:
        """Ask, judge, mend what may be mended, and look again: twice, for one thing may hide another."""
        fixed: dict[tuple[str, str], Fixed] = {}
        for _ in range(2):
            symptoms = ask(self.patients)
            before = self._judged(symptoms)
            tried = self._all(before, symptoms, agrees, set(fixed))
            if not tried:
                break
            fixed |= {(one.id, one.subject): one for one in tried}
        symptoms = ask(self.patients)
        after = self._judged(symptoms)
        silent = {one.name for one in symptoms if one.trouble}
        left = {(finding.id, finding.subject) for finding in after.findings}
        proven = tuple(_proven(one, silent, still=key in left) for key, one in fixed.items())
        return msgspec.structs.replace(after, fixed=proven)

    def _all(
        self, before: Diagnosis, symptoms: list[Symptoms], agrees: Agrees, known: set[tuple[str, str]]
    ) -> list[Fixed]:
        tried: list[Fixed] = []
        for one, patient in zip(symptoms, self.patients, strict=True):
            todo = [
                finding
                for fix in FIXES
                for finding in before.findings
                if finding.fix == fix and finding.machine == one.name and (finding.id, finding.subject) not in known
            ]
            tried += [_fixed(finding, "declined") for finding in todo if finding.fix in ASKS and not agrees(finding)]
            declined = {(fixed.id, fixed.subject) for fixed in tried}
            wanted = [finding for finding in todo if (finding.id, finding.subject) not in declined]
            tried += self._machine(patient, one, wanted) if wanted else []
        return tried

    def _machine(self, patient: Patient, symptoms: Symptoms, todo: list[Finding]) -> Iterator[Fixed]:
        """Mend one machine under its lease; what cannot be mended stops nothing else."""
        try:
            with held(patient.open(), patient.holder) as site:
                bench = Bench(site, symptoms, self.act)
                done: dict[tuple[str, str], Fixed] = {}
                for finding in todo:  # one fix may be for several findings, and is done once
                    key = (finding.fix, finding.agent)
                    done[key] = _fixed_alike(finding, done[key]) if key in done else _one(bench, finding)
                    yield done[key]
        except ClawrackError as error:
            yield from (_fixed(finding, "failed", line(str(error))) for finding in todo)


def _one(bench: Bench, finding: Finding) -> Fixed:
    try:
        outcome = mend(bench, finding)
    except Unreachable as error:
        return _fixed(finding, "unknown", line(str(error)))
    except ClawrackError as error:
        return _fixed(finding, "failed", line(str(error)))
    return _fixed(finding, "already" if isinstance(outcome, AlreadyTrue) else "done")


def _fixed(finding: Finding, outcome: Outcome, reason: str = "") -> Fixed:
    return Fixed(id=finding.id, subject=finding.subject, fix=finding.fix, outcome=outcome, reason=reason)


def _fixed_alike(finding: Finding, other: Fixed) -> Fixed:
    return msgspec.structs.replace(other, id=finding.id, subject=finding.subject)


def _proven(fixed: Fixed, silent: set[str], *, still: bool) -> Fixed:
    """Return what was done as it turned out: nothing is mended that is found again, or that nobody can look at."""
    if fixed.outcome not in {"done", "already", "unknown"}:
        return fixed
    if fixed.subject.partition("/")[0] in silent:
        return msgspec.structs.replace(fixed, outcome="unknown")
    if still:
        return msgspec.structs.replace(fixed, outcome="failed")
    return msgspec.structs.replace(fixed, outcome="done") if fixed.outcome == "unknown" else fixed
