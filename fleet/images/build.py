"""From a recipe to an image, with what the package registries give: no Docker, no root, no script of a package run."""

import shutil
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, StateDamaged
from fleet.base.event import Event, Kind, Listener, ignore
from fleet.images import debs, layer, node, published, system, wheels
from fleet.images.apt import Apt
from fleet.images.archive import Built, configuration
from fleet.images.cache import Cache, default_home, whole
from fleet.images.layer import Layer
from fleet.images.recipe import NODE_CPU, Architecture, Recipe, recipe_hash, recipe_key
from fleet.images.tree import Tree

_MULTIARCH = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_TELL_EVERY = 0.2  # seconds between two progress events


@dataclass(frozen=True, slots=True)
class Teller:
    """Says what happens to one subject."""

    listener: Listener
    subject: str

    def say(self, kind: Kind, step: str, since: float, moved: int = 0, total: int = 0, **params: object) -> None:
        """Say one thing; ``since`` is when the step began."""
        elapsed = monotonic() - since
        self.listener(
            Event(kind=kind, subject=self.subject, step=step, params=params, elapsed=elapsed, moved=moved, total=total)
        )

    @contextmanager
    def step(self, step: str) -> Generator[Callable[[int, int], None]]:
        """Say that a step begins and is done; gives what is called as bytes move."""
        began = monotonic()
        self.say("begun", step, began)
        last = began

        def moved(done: int, total: int) -> None:
            nonlocal last
            if monotonic() - last >= _TELL_EVERY:
                last = monotonic()
                self.say("progress", step, began, done, total)

        try:
            yield moved
        except BaseException:
            self.say("failed", step, began)
            raise
        self.say("done", step, began)


@dataclass(frozen=True, slots=True)
class _Work:
    """One build under way."""

    recipe: Recipe
    architecture: Architecture
    authorities: bytes
    folder: Path
    tell: Teller

    def base(self, apt: Apt, resolved: dict[str, str]) -> Tree:
        """Fetch the packages and make the lowest layer's tree."""
        with self.tell.step("image.step.packages"):
            packages = apt.download(resolved, self.folder / "debs")
            tree = debs.read(packages, self.folder / "data")
        system.furnish(tree, self.recipe, self.authorities)
        return tree

    def runtime(self) -> tuple[Path, Path] | None:
        """Fetch Node.js for the image, and the one that runs npm here; None where the recipe wants none."""
        if not self.recipe.node:
            return None
        with self.tell.step("image.step.node"):
            theirs = node.fetch(self.recipe.node, self.architecture, self.folder / "node")
            if not self.recipe.app or node.here() == self.architecture:
                return theirs, theirs
            return theirs, node.fetch(self.recipe.node, node.here(), self.folder / "node-here")

    def app(self, runtime: Future[tuple[Path, Path] | None], resolved: dict[str, str]) -> Tree | None:
        """Install the application and make its layer's tree; None where the recipe wants none.

        Raises:
            BadInput: there is no such version.
            ActionFailed: the registry has it not, or does not answer.
        """
        found = runtime.result()
        if not self.recipe.requirement and not (found and self.recipe.package):
            return None
        with self.tell.step("image.step.app"):
            try:
                folder = self._installed(found, resolved)
            except ActionFailed as error:
                raise published.missing(self.recipe, self.folder / "asked") or error from error
            return node.from_folder(folder, self.recipe.app_path)

    def _installed(self, found: tuple[Path, Path] | None, resolved: dict[str, str]) -> Path:
        if found and not self.recipe.requirement:
            return node.install(self.recipe, self.architecture, found[1], self.folder / "app")
        return wheels.install(self.recipe, self.architecture, wheels.python_of(resolved), self.folder / "app")

    def write(self, name: str, tree: Tree, out: Path) -> Layer:
        """Leave out what the recipe leaves out, and compress the layer."""
        tree.prune(self.recipe.prune, self.recipe.keep)
        tree.complete()
        with self.tell.step(f"image.step.squeeze.{name}") as moved:
            return layer.write(tree, out / f"{name}.tar.gz", self.recipe.epoch, moved)


def build(  # noqa: PLR0913 - three say what, three say how, and those by name
    recipe: Recipe,
    architecture: Architecture,
    listener: Listener = ignore,
    *,
    cache: Cache | None = None,
    authorities: bytes = b"",
    fresh: bool = False,
) -> Built:
    """Return the image of a recipe, from the cache where it is there and whole.

    Args:
        recipe: see `fleet.images.recipe.load`.
        architecture: ``amd64`` or ``arm64``, whatever this computer's own.
        listener: hears the steps.
        cache: where images are kept; the person's own by default.
        authorities: certificates (PEM) that the image trusts besides Mozilla's. Nothing of this computer's own trust
            goes into an image but by this.
        fresh: ask the distribution again which versions are the newest; else what was built once is taken as it is.

    Raises:
        BadInput: there is no such version of the application.
        Refused: this computer cannot build it (no apt, no pip, no source of packages, no Node.js for it).
        ActionFailed: a registry has not what is asked for, or does not answer; the disk is full.
    """
    kept = cache or Cache(default_home())
    tell = Teller(listener, recipe.name)
    key = recipe_key(recipe, architecture, authorities)
    with kept.locked(key):
        found = None if fresh else _verified(kept, lambda: kept.asked(key), tell)
        try:
            return found or _build(kept, key, (recipe, architecture, authorities), tell)
        except OSError as error:
            raise ActionFailed("image.disk_full", where=str(kept.home), reason=line(str(error))) from error


def _verified(cache: Cache, find: Callable[[], Built | None], tell: Teller) -> Built | None:
    """Return the image if it is there and whole; say so and drop it if it is damaged."""
    began = monotonic()
    try:
        found = find()
    except StateDamaged:
        found = None
        tell.say("note", "image.step.damaged", began)
    if found and not whole(found):
        tell.say("note", "image.step.damaged", began)
        cache.drop(found.recipe)
        return None
    if found:
        tell.say("already", "image.step.cached", began)
    return found


def _build(cache: Cache, key: str, asked: tuple[Recipe, Architecture, bytes], tell: Teller) -> Built:
    recipe, architecture, authorities = asked
    apt = Apt(cache.home / "apt" / architecture, architecture)
    with cache.locked(f"apt-{architecture}"), tell.step("image.step.resolve"):
        apt.prepare()
        resolved = apt.resolve(recipe.apt, recipe.drop)
    made_from = recipe_hash(recipe, architecture, resolved, authorities)
    found = _verified(cache, lambda: cache.get(made_from), tell)
    if found:
        cache.note(key, made_from)
        return found
    with cache.part() as part:
        work = _Work(recipe, architecture, authorities, part / "work", tell)
        out = part / "image"
        out.mkdir()
        layers = _assemble(work, apt, resolved, out)
        shutil.rmtree(part / "work")
        built = Built(
            recipe=made_from,
            name=f"clawrack/{recipe.name.removeprefix('clawrack-')}:{recipe.version}-{made_from[:12]}",
            architecture=architecture,
            config=configuration(recipe, architecture, layers, made_from),
            layers=layers,
            resolved=resolved,
        )
        return cache.keep(built, key, out)


def _assemble(work: _Work, apt: Apt, resolved: dict[str, str], out: Path) -> tuple[Layer, ...]:
    """Fetch and compress the layers; npm, or pip, works beside the packages."""
    work.folder.mkdir()
    with ThreadPoolExecutor(2) as beside:
        runtime = beside.submit(work.runtime)
        app = beside.submit(work.app, runtime, resolved)
        trees = {"base": work.base(apt, resolved)}
        layers = [work.write("base", trees["base"], out)]
        found = runtime.result()
        if found:
            trees["node"] = node.node_tree(found[0])
            layers.append(work.write("node", trees["node"], out))
        tree = app.result()
        if tree:
            trees["app"] = tree
            layers.append(work.write("app", tree, out))
    words = {"cpu": NODE_CPU[work.architecture], "multiarch": _MULTIARCH[work.architecture]}
    system.demand(list(trees.values()), work.recipe, words)
    return tuple(layers)
