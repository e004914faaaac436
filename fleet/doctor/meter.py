"""What is wrong with a machine's meter, and what the model providers have said to it last. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from http import HTTPStatus

from fleet.doctor.checkup import Box
from fleet.doctor.commands import found
from fleet.doctor.finding import Finding, FindingId, FixName, Severity
from fleet.doctor.symptoms import Refusal, Symptoms

_SAID: dict[int, tuple[FindingId, Severity]] = {
    HTTPStatus.UNAUTHORIZED: ("key.refused", "error"),
    HTTPStatus.FORBIDDEN: ("key.refused", "error"),
    HTTPStatus.PAYMENT_REQUIRED: ("key.no_credit", "error"),
    HTTPStatus.TOO_MANY_REQUESTS: ("route.limited", "warning"),
}
"""The status of HTTP that a provider refused with, and what that makes."""


def judge(symptoms: Symptoms) -> Iterator[Finding]:
    """Yield what is wrong with the meter, where the machine has agents that need one."""
    box = symptoms.checkup.meter
    if not symptoms.expected or not symptoms.checkup.engine:
        return
    fix: FixName | None = "meter" if symptoms.machine.meter else None
    if box is None or not box.release:
        yield found(symptoms, "meter.missing", "error", "no release", fix=fix)
        return
    if box.image_there is False:
        same = box.image == symptoms.machine.meter
        values = {"image": box.image, "of": "meter"}
        yield found(symptoms, "image.missing", "error", box.image, fix="image" if same else None, values=values)
    if box.state != "running":
        yield found(symptoms, "meter.down", "error", _state(box), fix=fix)
    elif box.reason == "killed-often":
        yield found(symptoms, "meter.killed", "warning", _state(box), values={"times": box.fails})
    yield from _routes(symptoms)


def _state(box: Box) -> str:
    code = "?" if box.exit_code is None else box.exit_code
    why = f" {box.reason}: {box.detail}" if box.reason else ""
    return f"state={box.state or 'absent'} exit={code}{why}"


def _routes(symptoms: Symptoms) -> Iterator[Finding]:
    """Of the routes that an agent of our files uses; a provider that has answered since is well again."""
    for refusal in symptoms.refusals:
        agents = sorted(name for name, one in symptoms.expected.items() if one.agent.model == refusal.route)
        if agents and not refusal.answered:
            yield _refused(symptoms, refusal, agents)


def _refused(symptoms: Symptoms, refusal: Refusal, agents: list[str]) -> Finding:
    id_, severity = _SAID.get(refusal.status, ("route.failing", "warning"))
    at = f"{datetime.fromtimestamp(max(0, min(refusal.at, 1 << 36)), UTC):%Y-%m-%d %H:%M:%S} UTC"
    evidence = f"HTTP {refusal.status} at {at}, {refusal.times} times"
    more = {"route": refusal.route, "status": refusal.status, "agents": ", ".join(agents), "first": agents[0]}
    return found(symptoms, id_, severity, evidence, values={**more, "at": at})
