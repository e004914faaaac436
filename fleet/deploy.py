"""One agent brought to a release: secrets, files, trial, gate, commit; or all of it back."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, cast

import msgspec
from docker.errors import APIError, NotFound

from fleet import gate
from fleet.actions import Deploy
from fleet.base.clean import line
from fleet.base.errors import ActionFailed
from fleet.gate import Door
from fleet.kinds import Kind
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
    kind: Kind
    version: str


def deploy(site: Site, order: Order) -> None:
    """Bring the agent to its release.

    Raises:
        ActionFailed: the gate stayed closed, or the machine said no; what was before is back.
        Refused: the lease is not ours any more, or the commit came late.
        Unreachable: the wire was cut; the machine takes the trial back by itself unless it was committed.
    """
    name = order.action.agent
    if not order.action.resumes:
        known = _secrets(site, name, order.kind)
        site.guard.stage(site.lease, name, order.action.release, _files(order, known))
        seconds = order.kind.probes.startup_timeout + GRACE
        site.guard.trial(site.lease, name, order.action.release, seconds)
    try:
        wait(site.port, site.guard, name, order.kind, order.version)
    except ActionFailed:
        site.guard.revert(site.lease, name)
        raise
    site.guard.commit(site.lease, name, order.action.release)


def wait(port: Port, guard: Guard, name: str, kind: Kind, version: str) -> None:
    """Wait until the agent passes its kind's gate.

    Raises:
        ActionFailed: it does not, in its time.
        Unreachable: the machine does not answer.
    """
    known = secrets_of(guard, name, kind)
    gate.wait(port, lambda: door(port, name, kind, known), kind, version)


def door(port: Port, name: str, kind: Kind, known: dict[str, str]) -> Door:
    """Return where the agent answers now; its address is empty while it has none.

    Raises:
        ActionFailed: its container has ended, or there is none.
    """
    try:
        seen = cast("dict[str, Any]", port.docker().inspect_container(f"clawrack-{name}"))  # pyright: ignore[reportUnknownMemberType]
    except NotFound as error:
        raise ActionFailed("ask.stopped", where=port.name, agent=name) from error
    except APIError as error:
        raise ActionFailed("guard.failed", where=port.name, machine=port.name, reason=line(str(error))) from error
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
    tail = port.docker().logs(f"clawrack-{name}", tail=5)
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
    except msgspec.MsgspecError as error:
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


def _files(order: Order, known: dict[str, str]) -> dict[str, str]:
    meter_keys = [known[key] for key, source in order.kind.secrets.values.items() if source == "meter"]
    lines = [f"release={order.action.release}", *order.target.spec]
    lines += [f"meter_key_sha256={hashlib.sha256(key.encode()).hexdigest()}" for key in meter_keys]
    return {"spec": spec(lines)} | {f"config/{name}": text for name, text in order.target.files.items()}
