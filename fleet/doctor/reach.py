"""A machine that could not be asked: why, in different words. It is never well: nobody knows how it is."""

from fleet.doctor.commands import found
from fleet.doctor.finding import Finding, FindingId
from fleet.doctor.symptoms import Symptoms, Trouble
from fleet.machine.target import SSH_PORT, Target

_IDS: dict[str, FindingId] = {
    "ssh.no_such_host": "machine.no_name",
    "ssh.refused": "machine.refused",
    "ssh.no_answer": "machine.no_answer",
    "ssh.silent": "machine.no_answer",
    "wire.timed_out": "machine.no_answer",
    "wire.silent": "machine.no_answer",
    "ssh.not_ssh": "machine.not_ssh",
    "ssh.too_busy": "machine.turned_away",
    "ssh.hung_up": "machine.turned_away",
    "ssh.key_refused": "machine.key_missing",
    "ssh.keys_off": "machine.key_missing",
    "hostkey.changed": "hostkey.changed",
    "hostkey.unknown": "hostkey.unknown",
    "hostkey.twice": "hostkey.twice",
    "guard.absent": "guard.absent",
    "guard.bad_input": "guard.older",
    "sudo.password_needed": "machine.no_root",
    "sudo.not_allowed": "machine.no_root",
    "sudo.wants_tty": "machine.no_root",
    "sudo.missing": "machine.no_root",
}
"""The errors' keys, and the findings that they make; any other is ``machine.unclear``."""


def silent(symptoms: Symptoms, trouble: Trouble) -> Finding:
    """Return why a machine could not be asked."""
    machine = symptoms.machine
    said = " ".join(f"{key}={value}" for key, value in sorted(trouble.params.items()))
    unknown = dict.fromkeys(("pinned", "shown", "fingerprint", "other", "seconds", "reason"), "?")
    values = unknown | trouble.params | {"address": machine.address, "port": machine.port, "error": trouble.key}
    place = Target(machine.address, machine.port, machine.user, via=machine.jump)
    id_ = _IDS.get(trouble.key, "machine.unclear")
    return found(symptoms, id_, "error", f"{trouble.key} {said}", values={**values, "target": written(place)})


def written(target: Target) -> str:
    """Return a target as a person types it: ``user@address``, a port where it is another than SSH's, jump hosts."""
    address = f"[{target.address}]" if ":" in target.address and target.port != SSH_PORT else target.address
    through = f" --jump {target.via}" if target.via else ""
    return f"{target.user}@{address}" + (f":{target.port}" if target.port != SSH_PORT else "") + through
