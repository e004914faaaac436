"""What our things on a machine stand on: the firewall, the units, modes and owners. Pure."""

from collections.abc import Iterator

from fleet.doctor.checkup import Box, Mode, Unit
from fleet.doctor.commands import found
from fleet.doctor.finding import Finding, FindingId, Severity
from fleet.doctor.symptoms import Symptoms

ALWAYS = ("clawrack-boot.service", "clawrack-recover.service", "clawrack-tick.timer")
WATCH = "clawrack-watch"
"""What the guard calls its watcher, which stands in systemd's place, and the boot hook that starts it."""
STARTED = ("clawrack-boot.service", "clawrack-tick.timer", WATCH)
_ROOT = "0:0"
_FOLDER, _FILE = "drwx------", "-rw-------"
_IDS: dict[str, FindingId] = {
    "secret": "secret.mode",
    "secrets": "secret.mode",
    "copy": "secret.mode",
    "copies": "secret.mode",
    "parent": "parent.mode",
    "program": "guard.mode",
}


def judge(symptoms: Symptoms) -> Iterator[Finding]:
    """Yield what is wrong with firewall, units, modes and owners."""
    if not symptoms.checkup.firewall:
        yield found(symptoms, "firewall.missing", "error", "firewall=missing", fix="firewall")
    yield from _units(symptoms)
    yield from _modes(symptoms)


def _units(symptoms: Symptoms) -> Iterator[Finding]:
    seen = symptoms.checkup
    wanted: list[str] = [*ALWAYS] if seen.systemd else [WATCH]
    for name, box in seen.boxes.items() if seen.systemd else ():
        if box.release and not box.trial:
            wanted.append("clawrack-meter.service" if name == "meter" else f"clawrack-agent@{name}.service")
    for name in wanted:
        unit = seen.units.get(name)
        id_ = _unwell(name, unit) if unit else None
        if unit and id_:
            evidence = f"{name} {unit.load} {unit.file} {unit.active}"
            severity: Severity = "error" if id_ == "units.missing" or name == WATCH else "warning"
            yield found(symptoms, id_, severity, evidence, fix="units", values={"unit": name})


def _unwell(name: str, unit: Unit) -> FindingId | None:
    if unit.load != "loaded":
        return "units.missing"
    if unit.file != "enabled":
        return "units.disabled"
    return "units.stopped" if name in STARTED and unit.active != "active" else None


def _modes(symptoms: Symptoms) -> Iterator[Finding]:
    for mode in symptoms.checkup.modes:
        wanted, owner = _wanted(mode, symptoms.checkup.boxes.get(mode.box))
        if _wrong(mode, wanted, owner):
            evidence = f"{mode.mode} {mode.owner} {mode.path}"
            yield found(symptoms, _IDS[mode.what], "error", evidence, fix="modes", values={"path": mode.path})


def _wanted(mode: Mode, box: Box | None) -> tuple[str, str]:
    """Return the mode and the owner that it should have; an empty owner is not known."""
    user = box.user if box else ""
    match mode.what:
        case "parent" | "secrets":
            return _FOLDER, _ROOT
        case "secret":
            return _FILE, _ROOT
        case "copies":
            return _FOLDER, user
        case "copy":
            return _FILE, user
        case _:
            return "", _ROOT


def _wrong(mode: Mode, wanted: str, owner: str) -> bool:
    if mode.what not in _IDS:
        return False
    if not wanted:  # a program: root's alone to change
        return mode.owner != owner or "w" in (mode.mode[5:6], mode.mode[8:9])
    # what follows the ten characters is an access list (+) or SELinux (.)
    return mode.mode[:10] != wanted or mode.mode.endswith("+") or bool(owner and mode.owner != owner)
