"""What is wrong with a machine itself: engine, disks, clock, guard, lease, its networks. Pure."""

import shlex
from collections.abc import Iterator

from fleet.doctor.checkup import Disk
from fleet.doctor.commands import found
from fleet.doctor.finding import Finding, FindingId, Severity
from fleet.doctor.symptoms import Symptoms

CLOCK_WARNS, CLOCK_FAILS = 30, 300  # seconds off; certificates and days of the ledger go by the clock
FULL_WARNS, FULL_FAILS = 0.90, 0.97  # share in use …
ROOM_WARNS, ROOM_FAILS, NO_ROOM = 20 << 20, 1 << 20, 256 << 10  # … while no more KiB than this are free
RENEWED_LONG_AGO = 900  # seconds; a lease is renewed before each action, and few take longer

_DISKS: dict[str, tuple[FindingId, FindingId]] = {
    "state": ("disk.state", "inodes.state"),
    "engine": ("disk.engine", "inodes.engine"),
}


def judge(symptoms: Symptoms) -> Iterator[Finding]:
    """Yield what is wrong with the machine itself."""
    if not symptoms.checkup.engine:
        if symptoms.checkup.systemd:
            yield found(symptoms, "engine.down", "error", "docker=down", fix="engine")
        else:  # its maker's, and nobody else's to start
            yield found(symptoms, "engine.vendor", "error", "docker=down")
    yield from _clock(symptoms)
    yield from _disks(symptoms)
    yield from _guard(symptoms)
    yield from _lease(symptoms)
    yield from _strangers(symptoms)


def _clock(symptoms: Symptoms) -> Iterator[Finding]:
    """Its clock was read somewhere between our question and its answer, to the second."""
    seen = symptoms.checkup
    ahead, behind = seen.now - symptoms.answered, symptoms.asked - (seen.now + 1)
    off = max(ahead, behind)
    if seen.now and off > CLOCK_WARNS:
        severity: Severity = "error" if off > CLOCK_FAILS else "warning"
        id_: FindingId = "clock.ahead" if ahead > behind else "clock.behind"
        evidence = f"machine={seen.now} here={round(symptoms.answered)}"
        yield found(symptoms, id_, severity, evidence, values={"seconds": round(off)})
    if seen.synchronised is False:
        yield found(symptoms, "clock.unsynchronised", "note", "NTPSynchronized=no")


def _disks(symptoms: Symptoms) -> Iterator[Finding]:
    disks = {name: disk for name in _DISKS if (disk := symptoms.checkup.disks.get(name))}
    if "engine" in disks and "state" in disks and _same(disks["state"], disks["engine"]):
        del disks["engine"]
    for name, disk in disks.items():
        place = f"{disk.mount} {disk.device}"
        full, crowded = _full(disk), _crowded(disk)
        if full:
            used = f"{100 * (1 - disk.free / disk.size):.0f}"
            evidence = f"{place} {disk.free >> 10}/{disk.size >> 10} MB"
            values = {"used": used, "free": disk.free >> 10, "mount": shlex.quote(disk.mount)}
            yield found(symptoms, _DISKS[name][0], full, evidence, values=values)
        if crowded:
            evidence = f"{place} {disk.inodes_free}/{disk.inodes} inodes"
            values = {"free": disk.inodes_free, "mount": shlex.quote(disk.mount)}
            yield found(symptoms, _DISKS[name][1], crowded, evidence, values=values)


def _same(one: Disk, other: Disk) -> bool:
    """Tell whether two mounts are of one file system: its size tells, for a container sees other devices' names."""
    return (one.size, one.inodes) == (other.size, other.inodes) and abs(one.free - other.free) <= one.size // 100


def _full(disk: Disk) -> Severity | None:
    if not disk.size:
        return None
    used = 1 - disk.free / disk.size
    if disk.free < NO_ROOM or (used >= FULL_FAILS and disk.free < ROOM_FAILS):
        return "error"
    return "warning" if used >= FULL_WARNS and disk.free < ROOM_WARNS else None


def _crowded(disk: Disk) -> Severity | None:
    if not disk.inodes:
        return None  # btrfs and others make them as they need them
    used = 1 - disk.inodes_free / disk.inodes
    return "error" if used >= FULL_FAILS else "warning" if used >= FULL_WARNS else None


def _guard(symptoms: Symptoms) -> Iterator[Finding]:
    seen = symptoms.checkup
    if seen.placed and seen.guard != seen.placed:
        yield found(symptoms, "guard.edited", "error", f"sha256 {seen.guard[:16]}, was {seen.placed[:16]}")
    elif symptoms.carried and seen.brought != symptoms.carried:
        evidence = f"sha256 {seen.brought[:16] or '-'}, carried {symptoms.carried[:16]}, brought by {seen.by or '?'}"
        yield found(symptoms, "guard.older", "warning", evidence)


def _lease(symptoms: Symptoms) -> Iterator[Finding]:
    held = symptoms.checkup.lease
    if held is None or not held.renewed:
        return
    age = symptoms.checkup.now - held.renewed
    if age > RENEWED_LONG_AGO and not symptoms.at_work:
        ours = held.holder == symptoms.holder
        evidence = f"{held.holder} renewed {age} s ago, {held.left} s left"
        values = {"holder": held.holder, "age": age // 60, "left": -(-held.left // 60)}
        yield found(
            symptoms, "lease.ours" if ours else "lease.held", "note" if ours else "warning", evidence, values=values
        )


def _strangers(symptoms: Symptoms) -> Iterator[Finding]:
    for net, container in symptoms.checkup.hangs:
        box = net.removeprefix("clawrack-") if net != "clawrack" else "meter"
        ours = {f"clawrack-{name}{end}" for name in ("meter", box) for end in ("", ".next")}
        if container not in ours:
            values = {"container": shlex.quote(container), "network": shlex.quote(net)}  # they stand in a command
            yield found(symptoms, "network.stranger", "error", f"{container} on {net}", values=values)
