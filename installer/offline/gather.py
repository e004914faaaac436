"""Images and packages put into one file."""

import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from types import MappingProxyType

from fleet.base.errors import ActionFailed, BadInput, Refused
from fleet.base.event import Event, Kind, Listener
from fleet.images.archive import Built
from fleet.images.build import Teller, build
from fleet.images.cache import DESCRIPTION, Cache
from fleet.images.recipe import Architecture, Recipe, recipe_key, recipe_of
from fleet.kinds import METER
from installer.offline import tarball
from installer.offline.form import Image, Item, Manifest, Packages
from installer.offline.repository import Repository, index, sha256_of
from installer.offline.suites import of as distribution
from installer.steps.packages import EVERYTHING

_LISTS = "packages"
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Asked:
    """What shall be in a bundle.

    Attributes:
        kinds: names of kinds; the meter always comes too.
        architectures: Docker's words.
        releases: codenames.
    """

    kinds: tuple[str, ...]
    architectures: tuple[Architecture, ...]
    releases: tuple[str, ...]


@dataclass(slots=True)
class _Heap:
    """What has been gathered: the members' contents, and their checksums."""

    items: dict[str, Item] = field(default_factory=dict[str, Item])
    contents: dict[str, Path] = field(default_factory=dict[str, Path])

    def add(self, name: str, file: Path, sha256: str = "") -> str:
        """Take a file, once; return the member's name."""
        if name not in self.items:
            self.items[name] = Item(name, file.stat().st_size, sha256 or sha256_of(file))
            self.contents[name] = file
        return name


def gather(asked: Asked, out: Path, cache: Cache, listener: Listener, made: int) -> Manifest:
    """Write a bundle; broken off, the next run takes what has come already.

    Args:
        asked: what shall be in it.
        out: the file; it must not be there.
        cache: of images; packages wait beside it until the file is whole.
        listener: hears the steps.
        made: now, in seconds since 1970.

    Raises:
        Refused: ``out`` is there, this computer has no apt, or not the key ring of a release.
        ActionFailed: a package or an image cannot be had; the disk is full, and then nothing of the file is left.
    """
    if out.exists() or out.is_symlink():
        raise Refused("offline.exists", where=str(out))
    if not out.parent.is_dir():
        raise BadInput("offline.no_folder", where=str(out.parent))
    tell, heap, staging = Teller(listener, out.name), _Heap(), cache.home.parent / "offline"
    try:
        check_rings(asked)
        with cache.locked("offline"):
            packages = tuple(_release(asked, heap, staging, tell))
            images = tuple(_images(asked, heap, cache, listener))
            manifest = Manifest(
                by=version("clawrack"), made=made, images=images, packages=packages, items=tuple(heap.items.values())
            )
            _write(out, manifest, heap, tell)
            shutil.rmtree(staging, ignore_errors=True)  # not where it was broken off: the next run takes it up
    except OSError as error:
        raise tarball.no_room(Path(error.filename or out), error) from error
    return manifest


def check_rings(asked: Asked) -> None:
    """See that every release can be believed, before anything is fetched.

    Raises:
        Refused: a key ring is missing (``offline.no_ring``).
    """
    for release in asked.releases:
        told = distribution(release)
        if not Path(told.ring).exists():
            raise Refused("offline.no_ring", release=release, package=told.package)


def _release(asked: Asked, heap: _Heap, staging: Path, tell: Teller) -> Iterator[Packages]:
    for release in asked.releases:
        for architecture in asked.architectures:
            with _told(tell, "offline.step.packages", {"release": release, "architecture": architecture}):
                yield _packages(
                    Repository(staging / "apt" / f"{release}-{architecture}", architecture, release), heap, staging
                )


def _packages(apt: Repository, heap: _Heap, staging: Path) -> Packages:
    apt.prepare()
    debs = apt.closure(EVERYTHING)
    folder = staging / "debs" / distribution(apt.release).origin.lower()
    folder.mkdir(parents=True, exist_ok=True)
    apt.fetch(debs, folder)
    listed = apt.home / "Packages"
    listed.write_text(index(debs), encoding="utf-8")
    return Packages(
        release=apt.release,
        architecture=apt.architecture,
        versions={deb.name: deb.version for deb in debs},
        index=heap.add(f"{_LISTS}/{apt.release}-{apt.architecture}/Packages", listed),
        files=tuple(heap.add(f"debs/{folder.name}/{deb.file}", folder / deb.file, deb.sha256) for deb in debs),
    )


def _images(asked: Asked, heap: _Heap, cache: Cache, listener: Listener) -> Iterator[Image]:
    for of in (METER, *asked.kinds):
        recipe = recipe_of(of)
        for architecture in asked.architectures:
            yield _image(of, recipe, build(recipe, architecture, listener, cache=cache), heap)


def _image(of: str, recipe: Recipe, built: Built, heap: _Heap) -> Image:
    there, inside = Path(built.folder), f"images/{built.recipe}"
    layers = [
        heap.add(f"{inside}/{row.name}", there / row.name, row.digest.removeprefix("sha256:")) for row in built.layers
    ]
    return Image(
        of=of,
        version=recipe.version,
        architecture=built.architecture,
        name=built.name,
        key=recipe_key(recipe, built.architecture),
        made_from=built.recipe,
        files=(heap.add(f"{inside}/{DESCRIPTION}", there / DESCRIPTION), *layers),
    )


def _write(out: Path, manifest: Manifest, heap: _Heap, tell: Teller) -> None:
    size, free = tarball.size(manifest), shutil.disk_usage(out.parent).free
    if free < size:
        raise ActionFailed("offline.no_room", where=str(out.parent), have=free >> 20, need=-(-size >> 20))
    with _told(tell, "offline.step.write"):
        tarball.write(out, manifest, heap.contents)


@contextmanager
def _told(tell: Teller, step: str, params: Mapping[str, str] = NOTHING) -> Generator[None]:
    """Say that a step begins and ends."""
    began = monotonic()

    def say(kind: Kind) -> None:
        told = dict(params)
        tell.listener(Event(kind=kind, subject=tell.subject, step=step, params=told, elapsed=monotonic() - began))

    say("begun")
    try:
        yield
    except BaseException:
        say("failed")
        raise
    say("done")
