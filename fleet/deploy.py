"""One agent brought to a release: secrets, files, trial, gate, commit; or all of it back."""

import hashlib
import secrets
from dataclasses import dataclass
from threading import Event
from typing import Any, Literal, cast

import msgspec

from fleet import gate, meter, talk
from fleet.actions import Deploy, Rollback
from fleet.base.clean import line
from fleet.base.errors import ActionFailed, Refused
from fleet.base.words import say
from fleet.gate import Door, Who
from fleet.kinds import Kind
from fleet.machine import containers
from fleet.machine.guard import Guard, spec
from fleet.machine.port import Port
from fleet.model import PRACTICE, Target
from fleet.site import Site

GRACE = 120  # seconds beyond the gate's own time before the machine takes an uncommitted trial back by itself
RUNNING = frozenset({"running", "restarting", "created"})


@dataclass(frozen=True)
class Bounds:
    """What the gate asks for, where it is not what the kind says.

    Attributes:
        within: seconds in which the agent must have become well.
        healthy: seconds for which it must stay so.
        message: the way of a message that it must answer too; ``none`` for no message.
        put_back: whether an agent that does not pass is put back at once; else it stays for a person to look at, until
            its machine takes it back.
        keep: how many releases before it stay on its machine with their states; None for as many as there are told.
        halt: set where somebody takes the rollout back: the gate is closed at once.
    """

    within: int
    healthy: int
    message: Literal["none", "practice", "own"] = "none"
    put_back: bool = True
    keep: int | None = None
    halt: Event | None = None


@dataclass(frozen=True)
class Order:
    """What to deploy; without ``bounds`` the gate asks for what its kind says."""

    action: Deploy
    target: Target
    who: Who
    bounds: Bounds | None = None

    @property
    def gate(self) -> Bounds:
        """What the gate asks for."""
        probes = self.who.kind.probes
        return self.bounds or Bounds(probes.startup_timeout, probes.min_healthy_time)


def deploy(site: Site, order: Order) -> None:
    """Bring the agent to its release; one that was stopped on purpose is stopped again afterwards.

    Raises:
        ActionFailed: the gate stayed closed, or the machine said no; what was before is back.
        Refused: the agent is not what the plan saw, or the lease is not ours any more.
        Unreachable: the wire was cut; the machine takes the trial back by itself unless it was committed.
    """
    name, held_back, stopped = order.who.name, 0, False
    if not order.action.resumes:
        stopped = check_as_planned(site.guard, order.action).get(f"agent.{name}.stopped") == "1"
        held_back = _tried(site, order)
    try:
        _pass(site, order, held_back)
    except (ActionFailed, Refused):
        if order.gate.put_back:
            site.guard.revert(site.lease, name)
        raise
    if stopped:
        site.guard.stop(site.lease, name)


def _tried(site: Site, order: Order) -> int:
    """Start the release on trial; return the seconds that its machine waits before."""
    name, release = order.who.name, order.action.release
    known = _secrets(site, name, order.who.kind)
    site.guard.stage(site.lease, name, release, files_of(order, known))
    said = site.guard.trial(site.lease, name, release, patience(order.gate, order.who.kind))
    return int(said.get("wait", "0"))


def patience(gate: Bounds, kind: Kind) -> int:
    """Return the seconds after which a machine takes a trial back by itself: all that its controller may need."""
    asks = kind.ask.timeout if gate.message != "none" else 0
    return gate.within + gate.healthy + asks + GRACE


def check_as_planned(guard: Guard, action: Deploy | Rollback) -> dict[str, str]:
    """See that the agent is still what the plan saw; return all that its machine says.

    Raises:
        Refused: another release runs, or another one is on trial.
    """
    told = dict(guard.look())
    found = told.get(f"agent.{action.agent}.release", "")
    trial = told.get(f"agent.{action.agent}.trial", "")
    if found != action.replaces or trial not in {"", action.release}:
        where = f"{guard.port.name}/{action.agent}"
        raise Refused("plan.stale", where=where, agent=action.agent, found=trial or found or "—")
    return told


def _pass(site: Site, order: Order, held_back: int) -> None:
    name, gate = order.who.name, order.gate
    wait(site.port, site.guard, order.who, held_back, gate)
    if gate.message != "none":
        message(site, order.who, gate.message)
    try:
        site.guard.commit(site.lease, name, order.action.release, gate.keep)
    except Refused as error:
        raise ActionFailed("gate.late", where=f"{site.name}/{name}", agent=name, reason=error.part("what")) from error


def go_back(site: Site, action: Rollback, who: Who) -> bool:
    """Bring the agent back to a kept release, and wait until it is ready; whether anything had to be done.

    It is never taken back: where the old release does not become ready that is told, and it stays.

    Raises:
        ActionFailed: nothing was touched, or the agent is back and does not become ready.
        Refused: the release is not kept, or the agent is not what was seen.
    """
    told = dict(site.guard.look())
    already = told.get(f"agent.{who.name}.release") == action.release  # by a controller that died before it was ready
    if not already:
        check_as_planned(site.guard, action)
    said = {} if already else site.guard.rollback(site.lease, who.name, action.release)
    if told.get(f"agent.{who.name}.stopped") != "1":
        wait(site.port, site.guard, who, int(said.get("wait", "0")))
    return not already


def message(site: Site, who: Who, way: str) -> None:
    """Have the agent answer one message, in a session of its own; ``practice`` costs nothing.

    Raises:
        ActionFailed: it gives no answer.
    """
    if way == "practice":
        site.guard.once(site.lease, who.name, PRACTICE)
    found = door(site.port, who.name, who.kind, secrets_of(site.guard, who.name, who.kind))
    talk.ask(site.port, found, who, say("setup.hello"))


def wait(port: Port, guard: Guard, who: Who, held_back: int = 0, gated: Bounds | None = None) -> None:
    """Wait until the agent passes the gate: its kind's probes, and the list of models at its meter.

    ``held_back`` are the seconds that the machine waits before it starts it; without bounds its kind's time counts,
    and one good answer is enough.

    Raises:
        ActionFailed: it does not, in its time.
        Unreachable: the machine does not answer.
    """
    name, kind = who.name, who.kind
    known = secrets_of(guard, name, kind)
    key = next((known[value] for value, source in kind.secrets.values.items() if source == "meter"), "")
    gated = gated or Bounds(kind.probes.startup_timeout, 0)

    def complaint(found: Door) -> str:
        return gate.check(port, found, kind, who.version) or (meter.complaint(port, name, key) if key else "")

    def find() -> Door:
        if gated.halt and gated.halt.is_set():
            raise ActionFailed("gate.halted", where=where, agent=name)
        return door(port, name, kind, known)

    where = f"{port.name}/{name}"
    gate.wait(where, find, complaint, gated.within + held_back, gated.healthy)


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
    life = f"{seen['Id']} {seen['State'].get('StartedAt', '')}"
    return Door(address, kind.cage.port, known, life)


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
