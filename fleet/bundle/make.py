"""A fleet's support bundle, made: everything taken, everything scrubbed, no machine given more room than its share."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fleet.api import Fleet
from fleet.base.event import Event, Listener, ignore
from fleet.bundle import controller, known
from fleet.bundle.form import Bundle, File, Manifest, Told
from fleet.bundle.machine import Prober, take
from fleet.bundle.taken import Taken
from fleet.machine.many import many
from fleet.model import Machine, Wish
from fleet.near import no_machine
from fleet.scrub.scrubber import Names, Scrubber

MOST_BYTES = 20 << 20
"""Of everything in it before it is packed, so of the archive too."""
_FILE = 1 << 19  # bytes of one file
_CONTROLLER = 4 << 20  # bytes of what this computer tells …
_MACHINE = 1 << 20  # … and of what a machine does, at most
_MANIFEST = 1 << 20


@dataclass(frozen=True)
class Maker:
    """Who makes a bundle, and what it adds.

    Attributes:
        by: the version of clawrack.
        probe: what asks a machine for its facts.
        pieces: what it knows of itself, by the name of the file.
    """

    by: str
    probe: Prober
    pieces: dict[str, Any] = field(default_factory=dict[str, Any])


def make(fleet: Fleet, maker: Maker, chosen: Iterable[str] = (), listen: Listener = ignore) -> Bundle:
    """Return the bundle of a fleet, or of the chosen machines and this controller.

    Raises:
        BadInput: a chosen machine is not in the fleet.
    """
    ours = Taken("controller", dict(maker.pieces))
    wish = controller.wish(fleet, ours)
    machines = _chosen(wish, chosen)
    names = known.names(fleet.folder, wish)
    with ThreadPoolExecutor(1) as beside:  # a machine that is silent is waited for once
        added = beside.submit(controller.add, fleet, wish, ours)
        taken = _all(fleet, machines, maker.probe, listen)
        added.result()
    known.learn(names, taken)
    secrets = {*known.secrets(), *(secret for one in taken for secret in one.secrets)}
    scrubber = Scrubber({secret for secret in secrets if len(secret) > 1}, names, known.ordinary())
    return _scrubbed(maker.by, ours, taken, scrubber, names)


def _chosen(wish: Wish, chosen: Iterable[str]) -> dict[str, Machine]:
    names = list(chosen) or sorted(wish.machines)
    for name in names:
        if name not in wish.machines:
            raise no_machine(name, wish)
    return {name: wish.machines[name] for name in sorted(names)}


def _all(fleet: Fleet, machines: dict[str, Machine], probe: Prober, listen: Listener) -> list[Taken]:
    """Take from every machine, all at once."""

    def one(name: str) -> Taken:
        listen(Event(kind="begun", subject=name, step="step.bundle"))
        begun = time.monotonic()
        taken = take(name, lambda: fleet.open(name, machines[name]), probe)
        kind = "unknown" if taken.silent else "done"
        listen(Event(kind=kind, subject=name, step="step.bundle", elapsed=time.monotonic() - begun))
        return taken

    return [taken for taken in many(one, machines) if isinstance(taken, Taken)]


def _scrubbed(by: str, ours: Taken, taken: list[Taken], scrubber: Scrubber, names: Names) -> Bundle:
    writer = _Writer(scrubber)
    writer.add("controller", ours.pieces, ours.left_out, _CONTROLLER)
    share = min(_MACHINE, (MOST_BYTES - _CONTROLLER - _MANIFEST) // max(1, len(taken)))
    told: list[Told] = []
    for one in taken:
        name = scrubber.value(one.machine)
        writer.add(f"machines/{name}", one.pieces, one.left_out, share)
        state = "silent" if one.silent else "asked"
        told.append(Told(name=name, state=state, why=scrubber.text(one.silent), left_out=_left_out(one, scrubber)))
    left = _left_out(ours, scrubber)
    manifest = Manifest(by=by, machines=tuple(told), files=tuple(writer.files), left_out=left)
    return Bundle(manifest, writer.contents, {name: value for value, name in sorted(names.known.items())})


def _left_out(one: Taken, scrubber: Scrubber) -> dict[str, str]:
    return {scrubber.text(what): scrubber.text(why) for what, why in sorted(one.left_out.items())}


class _Writer:
    """Turns pieces into files, each scrubbed, counted, and no longer than there is room for."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self.contents: dict[str, bytes] = {}
        self.files: list[File] = []

    def add(self, folder: str, pieces: dict[str, Any], left_out: dict[str, str], room: int) -> None:
        """Add a folder's pieces in their order, for as long as there is room: bytes."""
        for piece, value in pieces.items():
            self._scrubber.removed.clear()
            content, cut = self._content(value, min(room, _FILE))
            if len(content) > min(room, _FILE):
                left_out[piece] = "no room left"
            elif self._scrubber.holds(content.decode()):
                left_out[piece] = "a secret could not be taken out of it"
            else:
                room -= len(content)
                self._keep(f"{folder}/{self._scrubber.text(piece)}", content, cut=cut)

    def _content(self, value: Any, most: int) -> tuple[bytes, bool]:  # noqa: ANN401 - a text or a plain value
        """Return a piece scrubbed, of a text that is too long the end; and whether it was."""
        if not isinstance(value, str):
            plain = self._scrubber.value(value)
            return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n", False
        cut = len(value) > most
        kept = value[len(value) - most :].partition("\n")[2] if cut else value
        return (self._scrubber.text(kept).encode(), cut) if kept or not cut else (bytes(most + 1), cut)

    def _keep(self, name: str, content: bytes, *, cut: bool) -> None:
        removed = dict(sorted(self._scrubber.removed.items()))
        self.contents[name] = content
        self.files.append(File(name=name, bytes=len(content), removed=removed, cut=cut))
