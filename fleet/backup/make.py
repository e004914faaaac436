"""Making a backup: the agent stands while its state is put by on its machine, and not while it is fetched."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from fleet.backup import bundle
from fleet.backup.calls import BackupGuard, Copied
from fleet.backup.form import Manifest, Note, State, new_id, now
from fleet.backup.seal import Sink, most, seal
from fleet.backup.shelves import Shelf, leave_room
from fleet.base.errors import ActionFailed
from fleet.base.event import Event, Kind, Listener
from fleet.base.secret import Secret
from fleet.deploy import secrets_of
from fleet.kinds import Kind as AgentKind
from fleet.machine.port import Port
from fleet.model import Agent, Machine
from fleet.site import Site, held

_RENEW = 300.0
_HEX = frozenset("0123456789abcdef")
_DIGITS = 64


class Source(msgspec.Struct, frozen=True):
    """Whose backup is made: the agent and its machine as their files say, and its kind."""

    name: str
    agent: Agent
    machine: Machine
    kind: AgentKind


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """How: for which key, by which clawrack and controller, and whether from the newest snapshot."""

    recipient: str
    holder: str
    by: str
    last: bool = False
    host_key: str = ""


@dataclass(frozen=True)
class _Job:
    """A backup that is being made."""

    site: Site
    source: Source
    order: Order


def make(source: Source, port: Port, shelf: Shelf, order: Order, listen: Listener) -> Note:
    """Make a backup and return its note.

    Raises:
        Refused: the machine is another controller's now, or has no snapshot.
        ActionFailed: there is no room at one of the ends, or the machine sent something else than it said.
        Unreachable: a machine does not answer.
    """
    guard = BackupGuard(port)
    weight, free = guard.weigh(source.name)
    leave_room(shelf, weight)
    if not order.last and free < weight:
        raise ActionFailed("backup.no_room", where=port.name, needed=weight >> 20, free=free >> 20)
    tell = _telling(source, listen)
    with held(port, order.holder) as site:
        tell("begun", 0, 0)
        copied = _checked(guard.copy(site.lease, source.name, last=order.last), port.name)
        try:
            tell("progress", 0, copied.bytes)
            job = _Job(site, source, order)
            note = _fetched(job, shelf, copied, lambda moved: tell("progress", moved, copied.bytes))
        finally:
            guard.saved(site.lease, source.name)
    tell("done", copied.bytes, copied.bytes)
    return note


def _checked(copied: Copied, where: str) -> Copied:
    """What a machine says becomes a manifest: it is plain or it is not taken."""
    plain = all(char in "0123456789abcdefghijklmnopqrstuvwxyz._-" for char in copied.release)
    digest = len(copied.sha256) == _DIGITS and {*copied.sha256} <= _HEX
    if not (plain and copied.release and copied.bytes > 0 and digest):
        raise ActionFailed("guard.failed", where=where, machine=where, reason="copy")
    return copied


def _fetched(job: "_Job", shelf: Shelf, copied: Copied, moved: Callable[[int], None]) -> Note:
    guard = BackupGuard(job.site.port)
    parts = _parts(guard, job.source, job.order, copied)
    told = parts.manifest
    limit = most(bundle.size_of(parts))
    leave_room(shelf, limit)

    def pieces() -> Iterator[bytes]:
        opened, fetched, renewed = bundle.Opened(told.id, 1 << 62), 0, time.monotonic()
        for piece in bundle.packed(parts, guard.state(told.agent, copied.bytes)):
            opened.feed(piece)  # what could not be put back is not kept either
            fetched += len(piece)
            if time.monotonic() - renewed > _RENEW:
                job.site.renew()
                renewed = time.monotonic()
            moved(fetched)
            yield piece
        opened.end()

    def fill(to: Sink) -> None:
        seal(pieces(), to, job.order.recipient)

    counted = shelf.put(told.id, limit, fill)
    return Note(
        id=told.id, agent=told.agent, machine=told.machine, created=told.created, kind=told.kind,
        kind_version=told.kind_version, where=shelf.where, place=shelf.place, bytes=counted.bytes,
        sha256=counted.sha256, recipient=job.order.recipient, snapshot=told.snapshot, state_bytes=copied.bytes,
        down_ms=copied.down_ms,
    )  # fmt: skip


def _parts(guard: BackupGuard, source: Source, order: Order, copied: Copied) -> bundle.Parts:
    agent, created = source.agent, now()
    kept = {key for key, how in source.kind.secrets.values.items() if how != "meter"}
    known = {key: value for key, value in secrets_of(guard, source.name, source.kind).items() if key in kept}
    manifest = Manifest(
        by=order.by, id=new_id(source.name, created), agent=source.name, machine=agent.machine,
        machine_id=source.machine.id, architecture=source.machine.architecture, created=created, kind=agent.kind,
        kind_version=agent.version, image=agent.image, ref=agent.ref, release=copied.release, model=agent.model,
        snapshot=order.last, secrets=source.kind.secrets.file,
        place=_place(source.machine), host_key=order.host_key,
        state=State(bytes=copied.bytes, sha256=copied.sha256, at=copied.at), file=msgspec.to_builtins(agent),
    )  # fmt: skip
    secrets = Secret(msgspec.json.encode(known, order="sorted").decode())
    return bundle.Parts(manifest, secrets, guard.release_files(source.name))


def _place(machine: Machine) -> dict[str, Any]:
    """How the machine is reached: a tombstone on another controller waits for it there."""
    told = msgspec.to_builtins(machine)
    return {key: told[key] for key in ("address", "user", "port", "jump") if key in told}


def _telling(source: Source, listen: Listener) -> Callable[[Kind, int, int], None]:
    begun = last = time.monotonic()

    def tell(kind: Kind, moved: int, total: int) -> None:
        nonlocal last
        at = time.monotonic()
        if kind == "progress" and moved and at - last < 0.5:  # noqa: PLR2004 - seconds; nobody reads quicker
            return
        last = at
        subject = f"{source.agent.machine}/{source.name}"
        params = {"agent": source.name}
        listen(
            Event(kind=kind, subject=subject, step="step.backup", params=params, elapsed=at - begun, moved=moved,
                  total=total)
        )  # fmt: skip

    return tell
