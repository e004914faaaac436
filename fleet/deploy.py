"""One agent brought to a release: secrets, files, trial, gate, commit; or all of it back."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from fleet import gate, meter
from fleet.actions import Deploy
from fleet.base.clean import line
from fleet.base.errors import ActionFailed, Refused
from fleet.gate import Door, Who
from fleet.kinds import Kind
from fleet.machine import containers
from fleet.machine.guard import Guard, spec
from fleet.machine.port import Port
from fleet.model import Target
from fleet.site import Site

GRACE = 120  # seconds beyond the gate's own time before the machine takes an uncommitted trial back by itself
RUNNING = frozenset({"running", "restarting", "created"})


@dataclass(frozen=True)
class Order:
    """What to deploy."""

    action: Deploy
    target: Target
    who: Who


def deploy(site: Site, order: Order) -> None:
    """Bring the agent to its release.

    Raises:
        ActionFailed: the gate stayed closed, or the machine said no; what was before is back.
        Refused: the lease is not ours any more, or the commit came late.
        Unreachable: the wire was cut; the machine takes the trial back by itself unless it was committed.
    """
    name, kind = order.who.name, order.who.kind
    held_back = 0
    if not order.action.resumes:
        known = _secrets(site, name, kind)
        site.guard.stage(site.lease, name, order.action.release, files_of(order, known))
        seconds = kind.probes.startup_timeout + GRACE
        said = site.guard.trial(site.lease, name, order.action.release, seconds)
        held_back = int(said.get("wait", "0"))
    try:
        wait(site.port, site.guard, order.who, held_back, kind.probes.min_healthy_time)
    except (ActionFailed, Refused):
        site.guard.revert(site.lease, name)
        raise
    site.guard.commit(site.lease, name, order.action.release)


def wait(port: Port, guard: Guard, who: Who, held_back: int = 0, healthy: int = 0) -> None:
    """Wait until the agent passes the gate: its kind's probes, and the list of models at its meter.

    ``held_back`` are the seconds that the machine waits before it starts it; ``healthy`` those that it must stay well.

    Raises:
        ActionFailed: it does not, in its time.
        Unreachable: the machine does not answer.
    """
    name, kind = who.name, who.kind
    known = secrets_of(guard, name, kind)
    key = next((known[value] for value, source in kind.secrets.values.items() if source == "meter"), "")

    def complaint(found: Door) -> str:
        return gate.check(port, found, kind, who.version) or (meter.complaint(port, name, key) if key else "")

    where = f"{port.name}/{name}"
    gate.wait(where, lambda: door(port, name, kind, known), complaint, kind.probes.startup_timeout + held_back, healthy)


def door(port: Port, name: str, kind: Kind, known: dict[str, str]) -> Door:
    """Return where the agent answers now; its address is empty while it has none.

    Raises:
        ActionFailed: its container has ended, or there is none.
    """
    seen = containers.inspect(port, f"clawrack-{name}")
    if seen is None:
        raise ActionFailed("ask.stopped", where=port.name, agent=name)
    if seen["State"]["Status"] not in RUNNING:
        return _between(port, name, int(seen["State"]["ExitCode"]), Door("", kind.cage.port, known))
    networks = cast("dict[str, Any]", seen["NetworkSettings"]["Networks"] or {})
    address = str(networks.get(f"clawrack-{name}", {}).get("IPAddress", ""))
    return Door(address, kind.cage.port, known)


def _between(port: Port, name: str, code: int, waiting: Door) -> Door:
    """Its container does not run: return the door while the supervisor will start it again.

    Raises:
        ActionFailed: the supervisor gave it up; the last line that it wrote is the reason.
    """
    if not any(key == f"agent.{name}.reason" for key, _ in Guard(port).look()):
        return waiting
    tail = b"".join(containers.logs(port, f"clawrack-{name}", follow=False, tail=5))
    said = [line(text) for text in tail.splitlines() if text.strip()]
    raise ActionFailed(
        "gate.ended", where=f"{port.name}/{name}", agent=name, code=code, reason=said[-1] if said else "—"
    )


def secrets_of(guard: Guard, name: str, kind: Kind) -> dict[str, str]:
    """Return the agent's secrets by name, as its machine holds them; none where it has none.

    Raises:
        ActionFailed: the file on the machine is not what we write.
    """
    held = guard.reveal(name, kind.secrets.file)
    if held is None:
        return {}
    try:
        return msgspec.json.decode(held, type=dict[str, str])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ActionFailed("guard.failed", where=guard.port.name, machine=guard.port.name, reason="secrets") from error


def _secrets(site: Site, name: str, kind: Kind) -> dict[str, str]:
    """Return the agent's secrets; what is missing is made now, and brought to the machine."""
    held = secrets_of(site.guard, name, kind)
    lacking = [key for key in kind.secrets.values if key not in held]
    if not lacking:
        return held
    made = held | {key: secrets.token_urlsafe(32) for key in lacking}
    site.guard.secrets(site.lease, name, kind.secrets.file, msgspec.json.encode(made, order="sorted"))
    return made


def files_of(order: Order, known: dict[str, str]) -> dict[str, str]:
    """Return the files of a release as they go to the machine, by name; of the secrets only a key's hash is in them."""
    meter_keys = [known[key] for key, source in order.who.kind.secrets.values.items() if source == "meter"]
    lines = [f"release={order.action.release}", *order.target.spec]
    lines += [f"meter_key_sha256={hashlib.sha256(key.encode()).hexdigest()}" for key in meter_keys]
    return {"spec": spec(lines)} | {f"config/{name}": text for name, text in order.target.files.items()}
