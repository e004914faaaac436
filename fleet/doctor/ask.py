"""Asking: a machine's symptoms in a few round trips.

One to the guard tells most; the probes and the meter's report go only to what runs.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from fleet import gate, meter
from fleet.actions import Deploy
from fleet.base import places
from fleet.base.clean import line
from fleet.base.disk import locked
from fleet.base.errors import ClawrackError, Refused, Unreachable
from fleet.deploy import Order, door, files_of, secrets_of
from fleet.doctor.calls import Checkups
from fleet.doctor.checkup import Checkup
from fleet.doctor.symptoms import Expected, Refusal, Symptoms, Trouble
from fleet.gate import Who
from fleet.kinds import Kind
from fleet.machine.many import many
from fleet.machine.port import Port
from fleet.model import Agent, Machine, Target


@dataclass(frozen=True)
class Patient:
    """A machine as our files say it is, and how it is reached.

    Attributes:
        carried: sha256 of the guard's archive that we carry.
        holder: who we are, for leases.
        agents: that it should have, each with its kind and its target.
    """

    name: str
    machine: Machine
    open: Callable[[], Port]
    carried: str = ""
    holder: str = ""
    agents: dict[str, tuple[Agent, Kind, Target]] = field(default_factory=dict[str, tuple[Agent, Kind, Target]])


class _Report(msgspec.Struct, frozen=True):
    refusals: list[Refusal] = []


def ask(patients: list[Patient]) -> list[Symptoms]:
    """Return the symptoms of machines, all asked at once; one that does not answer has its trouble for a symptom."""
    asked = many(examine, patients)
    return [
        _troubled(patient, answer) if isinstance(answer, ClawrackError) else answer
        for patient, answer in zip(patients, asked, strict=True)
    ]


def examine(patient: Patient) -> Symptoms:
    """Return the symptoms of one machine.

    Raises:
        ClawrackError: it could not be asked.
    """
    port = patient.open()
    calls = Checkups(port)
    port.run(("true",), timeout=60)  # what connecting takes must not count as its clock's error
    begun = time.time()
    seen = calls.checkup()
    ended = time.time()
    known = {name: _secrets(calls, name, kind) for name, (_, kind, _) in patient.agents.items() if name in seen.boxes}
    return msgspec.structs.replace(
        _blank(patient),
        checkup=seen,
        asked=begun,
        answered=ended,
        expected={name: _expected(patient, name, known.get(name)) for name in patient.agents},
        complaints=_complaints(port, patient, seen, known),
        refusals=_refusals(calls, seen),
    )


def _blank(patient: Patient) -> Symptoms:
    return Symptoms(
        name=patient.name,
        machine=patient.machine,
        carried=patient.carried,
        holder=patient.holder,
        at_work=_at_work(patient.name),
        expected={name: _expected(patient, name, None) for name in patient.agents},
    )


def _at_work(name: str) -> bool:
    """Return whether a clawrack on this computer is changing the machine; see fleet/site.py."""
    try:
        with locked(places.state() / "locks" / name):
            return False
    except Refused:
        return True


def _troubled(patient: Patient, error: ClawrackError) -> Symptoms:
    params = {key: line(str(value)) for key, value in error.params.items()}
    return msgspec.structs.replace(_blank(patient), trouble=Trouble(error.key, line(error.where), params))


def _expected(patient: Patient, name: str, known: dict[str, str] | None) -> Expected:
    agent, kind, target = patient.agents[name]
    if not known:
        return Expected(agent=agent, kind=kind, release=target.release)
    action = Deploy(machine=patient.name, agent=name, release=target.release, reason="reason.asked")
    files = files_of(Order(action, target, Who(name, kind, agent.version)), known)
    return Expected(agent=agent, kind=kind, release=target.release, files=files)


def _secrets(calls: Checkups, name: str, kind: Kind) -> dict[str, str] | None:
    """Return an agent's secrets, None where they cannot be read; the probes want them, and they go no further."""
    try:
        found = secrets_of(calls, name, kind)
    except Unreachable:
        raise
    except ClawrackError:
        return None
    return found if set(kind.secrets.values) <= set(found) else None


def _complaints(port: Port, patient: Patient, seen: Checkup, known: dict[str, dict[str, str] | None]) -> dict[str, str]:
    """Return what the agents that run say to their kind's probes."""
    running = {name: known[name] for name, box in seen.agents.items() if name in known and box.state == "running"}
    metered = bool(seen.meter and seen.meter.state == "running")
    told = many(lambda name: _complaint(port, patient, name, running[name], metered=metered), list(running))
    return {
        name: line(f"{answer.key}: {answer}") if isinstance(answer, ClawrackError) else answer
        for name, answer in zip(running, told, strict=True)
    }


def _complaint(port: Port, patient: Patient, name: str, known: dict[str, str] | None, *, metered: bool) -> str:
    agent, kind, _ = patient.agents[name]
    if known is None:
        return f"secrets: {kind.secrets.file}"
    found = door(port, name, kind, known)
    if not found.address:
        return "address: none"
    key = next((known[value] for value, source in kind.secrets.values.items() if source == "meter"), "")
    return gate.check(port, found, kind, agent.version) or (meter.complaint(port, name, key) if key and metered else "")


def _refusals(calls: Checkups, seen: Checkup) -> tuple[Refusal, ...]:
    """Return what the meter's report tells of its providers; a meter that cannot tell is judged by its state."""
    if not (seen.meter and seen.meter.state == "running"):
        return ()
    try:
        return tuple(msgspec.json.decode(calls.report() or b"{}", type=_Report).refusals)
    except (msgspec.MsgspecError, RecursionError):
        return ()
