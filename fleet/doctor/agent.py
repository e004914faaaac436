"""What is wrong with an agent: it is not there, not ready, ends again and again, was given up. Pure.

What cannot be known (its engine is down) is not judged here: the machine's finding says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fleet.doctor.checkup import Box, Checkup, Ended
from fleet.doctor.commands import found
from fleet.doctor.finding import Finding, Severity
from fleet.doctor.symptoms import Expected, Symptoms

YOUNG = 300  # seconds: a life as long as that makes the supervisor forget earlier failures
OFTEN = 3  # starts by its supervisor that are worth a word although it runs by now
LATEST = 1 << 36  # seconds since 1970 that still are a date
LATELY = 3600  # seconds that an end, or a kill for memory, is told of
_FRACTION = re.compile(r"\.\d+")


@dataclass(frozen=True)
class _Case:
    """One agent, and its box as it was seen."""

    symptoms: Symptoms
    name: str
    box: Box
    expected: Expected

    @property
    def seen(self) -> Checkup:
        return self.symptoms.checkup

    @property
    def age(self) -> float:
        """For how many seconds it has run, by its machine's own clock; endless where that is not known."""
        try:
            started = datetime.fromisoformat(_FRACTION.sub("", self.box.started)).timestamp()
        except (ValueError, OverflowError):
            return float("inf")
        return max(0.0, self.seen.now - started) if self.seen.now else float("inf")

    def ends(self, how: str) -> list[Ended]:
        """Its ends within the last hour."""
        since, container = self.seen.now - LATELY, f"clawrack-{self.name}"
        return [end for end in self.seen.ends if (end.how, end.container) == (how, container) and end.at > since]


def judge(symptoms: Symptoms, name: str) -> Iterator[Finding]:
    """Yield what is wrong with one agent of our files."""
    seen = symptoms.checkup
    case = _Case(symptoms, name, seen.boxes.get(name, Box()), symptoms.expected[name])
    if not (case.box.release or case.box.trial):
        yield found(symptoms, "agent.absent", "error", "no release", agent=name)
    elif case.box.trial:
        yield from _trial(case)
    elif seen.engine:
        yield from _image(case)
        yield from _killed(case)
        yield from _life(case)


def strays(symptoms: Symptoms) -> Iterator[Finding]:
    """Yield agents that are on the machine and in no file."""
    for name, box in symptoms.checkup.agents.items():
        if name not in symptoms.expected and (box.release or box.state):
            evidence = f"release={box.release or '-'} {box.state}"
            yield found(symptoms, "agent.stray", "note", evidence, agent=name)


def _trial(case: _Case) -> Iterator[Finding]:
    """A trial is somebody's work while the machine is in somebody's hands; else whoever began it is gone."""
    box = case.box
    if not case.symptoms.in_hands:
        fix = "trial" if box.trial == case.expected.release else None
        evidence = f"trial={box.trial} left={box.trial_left} s release={box.release or '-'}"
        minutes = -(-box.trial_left // 60)
        yield found(
            case.symptoms, "trial.left", "warning", evidence, agent=case.name, fix=fix, values={"minutes": minutes}
        )


def _image(case: _Case) -> Iterator[Finding]:
    image = case.box.image
    if case.box.image_there is False:
        fix = "image" if image == case.expected.agent.image else None
        values = {"image": image, "of": case.expected.agent.kind}
        yield found(case.symptoms, "image.missing", "error", image, agent=case.name, fix=fix, values=values)


def _killed(case: _Case) -> Iterator[Finding]:
    killed, limit = case.ends("oom"), case.expected.kind.cage.memory >> 20
    if killed or (case.box.oom and case.box.state != "running"):
        at = f" at {datetime.fromtimestamp(min(killed[-1].at, LATEST), UTC):%H:%M:%S} UTC" if killed else ""
        times = max(len(killed), 1)
        evidence = f"oom {times} times{at}, limit {limit} MB"
        yield found(
            case.symptoms, "agent.oom", "warning", evidence, agent=case.name, values={"times": times, "limit": limit}
        )


def _life(case: _Case) -> Iterator[Finding]:
    box = case.box
    if box.on_purpose:
        yield found(case.symptoms, "agent.stopped", "note", f"state={box.state or 'absent'} stopped=1", agent=case.name)
    elif box.reason:
        yield _gave_up(case)
    elif box.fails and (box.state != "running" or case.age < YOUNG):
        once: Severity = "note" if box.fails == 1 else "warning"
        yield _restarting(case, once if box.state == "running" else "error")
        yield from _ready(case) if box.state == "running" else ()
    elif box.state == "paused":
        yield found(case.symptoms, "agent.paused", "error", "state=paused", agent=case.name)
    elif box.state != "running":
        evidence = f"state={box.state or 'absent'} exit={_shown(box.exit_code)}"
        yield found(case.symptoms, "agent.down", "error", evidence, agent=case.name, fix="start")
    else:
        if box.restarts >= OFTEN:
            yield _restarting(case, "note")
        yield from _ready(case)


def _gave_up(case: _Case) -> Finding:
    box = case.box
    code = box.exit_code if box.reason_exit is None else box.reason_exit
    evidence = f"{box.reason}: {box.detail}" if box.detail else box.reason
    told = {"reason": box.reason, "detail": box.detail, "code": _shown(code)}
    return found(case.symptoms, "agent.gave_up", "error", evidence, agent=case.name, values=told)


def _restarting(case: _Case, severity: Severity) -> Finding:
    box, died = case.box, case.ends("die")
    code = next((end.code for end in reversed(died) if end.code is not None), box.exit_code)
    evidence = f"fails={box.fails} restarts={box.restarts} last exit={_shown(code)}"
    times = max(box.fails, box.restarts)
    return found(
        case.symptoms,
        "agent.restarting",
        severity,
        evidence,
        agent=case.name,
        values={"times": times, "code": _shown(code)},
    )


def _ready(case: _Case) -> Iterator[Finding]:
    """It is not ready: from its probe's words. One that was started just now is given its kind's time."""
    complaint = case.symptoms.complaints.get(case.name, "")
    left = case.expected.kind.probes.startup_timeout - case.age
    if complaint and left > 0:
        yield found(
            case.symptoms, "agent.starting", "note", complaint, agent=case.name, values={"seconds": round(left)}
        )
    elif complaint:
        probe = complaint.partition(":")[0]
        yield found(case.symptoms, "agent.not_ready", "error", complaint, agent=case.name, values={"probe": probe})


def _shown(code: int | None) -> str:
    return "?" if code is None else str(code)
