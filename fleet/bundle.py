"""A support bundle: what a helper needs to know of a fleet that does not work, and nothing that is anybody's.

Everything is taken first, as it is; then all of it goes through one scrubber that knows every name and secret that was
met on the way. docs/support-bundle.md tells what is in it and what is not.
"""

import gzip
import io
import tarfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from fleet import bundle_here, bundle_known
from fleet.api import Fleet
from fleet.base.errors import BadInput
from fleet.base.event import Event, Listener, ignore
from fleet.bundle_machine import Look, Taken, take
from fleet.machine.many import many
from fleet.model import Machine, Wish
from fleet.scrub import Names, Scrubber

FORMAT = 1
MOST_BYTES = 20 << 20
"""Of everything in it before it is packed, so of the archive too."""
_FILE = 1 << 19  # bytes of one file
_CONTROLLER = 4 << 20  # bytes of what this computer tells …
_MACHINE = 1 << 20  # … and of what a machine does, at most
_MANIFEST = 1 << 20
ROOT = "clawrack-support"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle.

    Attributes:
        bytes: its length.
        removed: how often something was taken out of it, by what it was.
        cut: whether only its end is there, for it was too long.
    """

    name: str
    bytes: int
    removed: dict[str, int] = {}
    cut: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A machine in a bundle.

    Attributes:
        name: by which it is called there.
        state: ``silent``: it did not answer; ``asked``: what it told is there.
        why: it is silent.
        left_out: what could not be had, and why.
    """

    name: str
    state: Literal["asked", "silent"]
    why: str = ""
    left_out: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a bundle.

    Attributes:
        version: of this form.
        by: the version of clawrack that made it.
        left_out: what of the controller could not be had, and why.
    """

    version: int = FORMAT
    by: str
    machines: tuple[Told, ...]
    files: tuple[File, ...]
    left_out: dict[str, str] = {}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A support bundle that was written.

    Attributes:
        path: of the archive.
        bytes: its length.
        names: the file that says who is called what in it; it stays here.
        manifest: what is in it.
    """

    path: str
    bytes: int
    names: str
    manifest: Manifest


@dataclass(frozen=True)
class Bundle:
    """A bundle that may be handed to a stranger; ``names`` may not: they say who is called what in it."""

    manifest: Manifest
    contents: dict[str, bytes]
    names: dict[str, str]

    def packed(self) -> bytes:
        """Return the archive: always the same bytes for the same content."""
        buffer = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            manifest = msgspec.json.format(msgspec.json.encode(self.manifest), indent=1) + b"\n"
            for name, content in {"manifest.json": manifest, **dict(sorted(self.contents.items()))}.items():
                entry = tarfile.TarInfo(f"{ROOT}/{name}")
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    def written(self, path: Path, length: int, names: Path) -> Written:
        """Return what is said of it once it was written."""
        return Written(path=str(path), bytes=length, names=str(names), manifest=self.manifest)


@dataclass(frozen=True)
class Here:
    """What the door adds.

    Attributes:
        by: the version of clawrack.
        look: probes a machine.
        pieces: what it knows of itself, by the name of the file.
    """

    by: str
    look: Look
    pieces: dict[str, Any] = field(default_factory=dict[str, Any])


def make(fleet: Fleet, here: Here, chosen: Iterable[str] = (), listen: Listener = ignore) -> Bundle:
    """Return the bundle of a fleet, or of the chosen machines and this controller.

    Raises:
        BadInput: a chosen machine is not in the fleet.
    """
    controller = Taken("controller", dict(here.pieces))
    wish = bundle_here.wish(fleet, controller)
    machines = _chosen(wish, chosen)
    known = bundle_known.names(fleet.folder, wish)
    with ThreadPoolExecutor(1) as beside:  # a machine that is silent is waited for once
        added = beside.submit(bundle_here.add, fleet, wish, controller)
        taken = _all(fleet, machines, here.look, listen)
        added.result()
    bundle_known.learn(known, taken)
    every = {*bundle_known.secrets(), *(secret for one in taken for secret in one.secrets)}
    scrubber = Scrubber({secret for secret in every if len(secret) > 1}, known, bundle_known.ordinary())
    return _scrubbed(here.by, controller, taken, scrubber, known)


def _chosen(wish: Wish, chosen: Iterable[str]) -> dict[str, Machine]:
    names = list(chosen) or sorted(wish.machines)
    for name in names:
        if name not in wish.machines:
            raise BadInput("fleet.no_machine", machine=name)
    return {name: wish.machines[name] for name in sorted(names)}


def _all(fleet: Fleet, machines: dict[str, Machine], look: Look, listen: Listener) -> list[Taken]:
    """Take from every machine, all at once."""

    def one(name: str) -> Taken:
        listen(Event(kind="begun", subject=name, step="step.bundle"))
        begun = time.monotonic()
        taken = take(name, lambda: fleet.open(name, machines[name]), look)
        kind = "unknown" if taken.silent else "done"
        listen(Event(kind=kind, subject=name, step="step.bundle", elapsed=time.monotonic() - begun))
        return taken

    return [taken for taken in many(one, machines) if isinstance(taken, Taken)]


def _scrubbed(by: str, controller: Taken, taken: list[Taken], scrubber: Scrubber, known: Names) -> Bundle:
    writer = _Writer(scrubber)
    writer.add("controller", controller.pieces, controller.left_out, _CONTROLLER)
    share = min(_MACHINE, (MOST_BYTES - _CONTROLLER - _MANIFEST) // max(1, len(taken)))
    told: list[Told] = []
    for one in taken:
        name = scrubber.value(one.machine)
        writer.add(f"machines/{name}", one.pieces, one.left_out, share)
        left = {scrubber.text(what): scrubber.text(why) for what, why in sorted(one.left_out.items())}
        state = "silent" if one.silent else "asked"
        told.append(Told(name=name, state=state, why=scrubber.text(one.silent), left_out=left))
    left = {scrubber.text(what): scrubber.text(why) for what, why in sorted(controller.left_out.items())}
    manifest = Manifest(by=by, machines=tuple(told), files=tuple(writer.files), left_out=left)
    return Bundle(manifest, writer.contents, {name: value for value, name in sorted(known.known.items())})


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
