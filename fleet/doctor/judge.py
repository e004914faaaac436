"""From the evidence to the findings: pure, the same in, the same out."""

from collections.abc import Iterable, Iterator

from fleet.doctor import agent, config, ground, machine, meter, reach
from fleet.doctor.finding import Diagnosis, Finding, ordered
from fleet.doctor.symptoms import Symptoms, TakenPort, Trouble


def judge(all_symptoms: Iterable[Symptoms], ports: Iterable[TakenPort] = ()) -> Diagnosis:
    """Return what is wrong with these machines, their agents, and the ports of this computer."""
    seen = list(all_symptoms)
    findings = [finding for one in seen for finding in of_machine(one)] + [_taken(port) for port in ports]
    return Diagnosis(findings=ordered(findings), machines=len(seen), agents=sum(len(one.expected) for one in seen))


def of_machine(symptoms: Symptoms) -> Iterator[Finding]:
    """Yield what is wrong with one machine and its agents."""
    if symptoms.trouble is not None:
        yield reach.silent(symptoms, symptoms.trouble)
        return
    if not symptoms.checkup.installed:
        yield reach.silent(symptoms, Trouble("guard.absent"))
        return
    yield from machine.judge(symptoms)
    yield from ground.judge(symptoms)
    yield from meter.judge(symptoms)
    for name in sorted(symptoms.expected):
        yield from agent.judge(symptoms, name)
        yield from config.judge(symptoms, name)
    yield from agent.strays(symptoms)


def _taken(port: TakenPort) -> Finding:
    return Finding(
        id="port.taken",
        severity="warning",
        subject=f"{port.machine}/{port.agent}",
        evidence=f"127.0.0.1:{port.port} {port.by}".strip(),
        params={
            "agent": port.agent,
            "machine": port.machine,
            "port": str(port.port),
            "by": port.by or "?",
            "free": str(port.free),
        },
    )
