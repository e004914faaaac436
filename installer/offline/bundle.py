"""A bundle at work: is it for this machine, its images into its cache, its packages onto the machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import msgspec

from fleet.base import formats
from fleet.base.clean import pairs
from fleet.base.errors import ActionFailed, Refused, StateDamaged
from fleet.base.event import Event, Listener
from fleet.kinds import METER
from fleet.machine.port import Port
from installer import remote
from installer.detect.architecture import architecture
from installer.facts import Facts
from installer.offline import tarball
from installer.offline.form import Image, Packages
from installer.steps.step import BROUGHT, Machine, Say

if TYPE_CHECKING:  # takes half a second, and only bundles need it
    from fleet.images.archive import Built
    from fleet.images.cache import Cache
    from fleet.images.obtain import Image as Held

MIB = 1 << 20
_ONE_FILE = 1800.0  # seconds: 60 MB at 0.3 Mbit/s


@dataclass(frozen=True)
class Bundle:
    """A bundle that was opened; its parts are verified when they are used."""

    ball: tarball.Tarball
    cache: "Cache"
    """What its images are put into: this bundle's own."""

    @property
    def path(self) -> Path:
        """The file."""
        return self.ball.path

    def fits(self, facts: Facts, kind: str, where: str) -> None:
        """See that it holds what the machine will need; nothing is read but the manifest.

        Raises:
            Refused: it is for other releases or architectures, or holds other images than this clawrack installs.
        """
        theirs = architecture(facts).value
        for of in (METER, kind):
            self._image(of, theirs, where)
        if not (facts.tool("docker") and facts.tool("dockerd")):
            self._packages(facts, where)

    def bring(self, facts: Facts, kind: str, listener: Listener) -> None:
        """Verify all that the machine will need, and put its images into its cache; nothing leaves this computer.

        Raises:
            StateDamaged: a part of the bundle is damaged.
            ActionFailed: the disk of this computer is full.
        """
        theirs = architecture(facts).value
        listener(
            Event(kind="note", subject=self.path.name, step="offline.step.from", params={"by": self.ball.manifest.by})
        )
        for of in (METER, kind):
            keep(self.ball, self._image(of, theirs, self.path.name), self.cache)
        if not (facts.tool("docker") and facts.tool("dockerd")):
            for name in self._packages(facts, self.path.name).files:
                for _ in self.ball.verify(name):
                    pass

    def place(self, machine: Machine, say: Say) -> str:
        """Have the packages on the machine, each compared; return their folder, which the job that uses it removes.

        What has come before, when the wire was cut, is not sent again.

        Raises:
            Refused: the bundle has none for this machine.
            ActionFailed: they did not arrive whole; the machine's disk is full.
            StateDamaged: the bundle is damaged.
        """
        rows = self._packages(machine.facts, machine.name)
        items = [self.ball.members[name].item for name in (*rows.files, rows.index)]
        lacking = [item for item in items if item.sha256 not in _there(machine.port)]
        moved, total = 0, sum(item.bytes for item in lacking)
        for item in lacking:
            say("step.packages.brought", {"moved": moved // MIB, "total": -(-total // MIB)})
            path = f"{BROUGHT}/{item.name.rpartition('/')[2]}"
            remote.put(machine.port, path, self.ball.verify(item.name), _ONE_FILE)
            moved += item.bytes
        if {item.sha256 for item in items} - _there(machine.port):
            raise ActionFailed("offline.not_arrived", where=machine.name)
        return BROUGHT

    def take(self, port: Port, of: str, listener: Listener) -> "Held":
        """Have an image on a machine; no registry is asked, and nothing is built.

        Raises:
            Refused: it is not in the bundle for the machine's engine (``offline.no_image``).
        """
        from fleet.images import engine  # noqa: PLC0415 - see above
        from fleet.images.obtain import obtain  # noqa: PLC0415 - likewise
        from fleet.images.recipe import recipe_of  # noqa: PLC0415 - likewise

        row = self._image(of, engine.architecture(port.docker()), port.name)
        if not self.cache.readable(row.key):
            keep(self.ball, row, self.cache)
        return obtain(port, recipe_of(of), listener, cache=self.cache, official=False)

    def _packages(self, facts: Facts, where: str) -> Packages:
        release, theirs = release_of(facts), architecture(facts).value
        for row in self.ball.manifest.packages:
            if (row.release, row.architecture) == (release, theirs):
                return row
        have = ", ".join(f"{row.release} {row.architecture}" for row in self.ball.manifest.packages) or "-"
        raise Refused("offline.other_release", where=where, release=release or "?", architecture=theirs, have=have)

    def _image(self, of: str, theirs: str, where: str) -> Image:
        from fleet.images.recipe import Architecture, recipe_key, recipe_of  # noqa: PLC0415 - see above

        rows = [row for row in self.ball.manifest.images if row.of == of]
        mine = [row for row in rows if row.architecture == theirs]
        if not mine:
            have = ", ".join(sorted({f"{row.of} {row.architecture}" for row in self.ball.manifest.images})) or "-"
            raise Refused("offline.no_image", where=where, of=of, architecture=theirs, have=have)
        recipe = recipe_of(of)
        key = recipe_key(recipe, cast("Architecture", theirs)) if theirs in get_args(Architecture) else ""
        found = next((row for row in mine if row.key == key), None)
        if not found:
            told = {"of": of, "have": mine[0].version, "wanted": recipe.version, "by": self.ball.manifest.by}
            raise Refused("offline.other_image", where=where, **told)
        return found


def release_of(facts: Facts) -> str:
    """Return the codename of the release that the machine's packages come from; derivatives name it."""
    keys = ("os.UBUNTU_CODENAME", "os.DEBIAN_CODENAME", "os.VERSION_CODENAME")
    return next((facts.get(key) for key in keys if facts.get(key)), "")


def _there(port: Port) -> frozenset[str]:
    """Return the checksums of what is in the folder on the machine."""
    ran = remote.run(port, "offline.sh", "look", BROUGHT)
    return frozenset(value for key, value in pairs(ran.out) if key == "have")


def keep(ball: tarball.Tarball, row: Image, cache: "Cache") -> None:
    """Put an image into the cache, unless it is there and whole.

    Raises:
        StateDamaged: the bundle is damaged.
        ActionFailed: the disk is full.
    """
    from fleet.images.cache import whole  # noqa: PLC0415 - see above

    with cache.locked(row.key):
        found = cache.readable(row.key)
        if found and whole(found):
            return
        try:
            with cache.part() as part:
                folder = part / "image"
                folder.mkdir()
                _unpack(ball, row, folder)
                cache.keep(_described(ball, row, folder), row.key, folder)
        except OSError as error:
            raise ActionFailed("image.disk_full", where=str(cache.home), reason=error.strerror or "-") from error


def _unpack(ball: tarball.Tarball, row: Image, folder: Path) -> None:
    for name in row.files[1:]:
        with (folder / name.rpartition("/")[2]).open("wb") as out:
            out.writelines(ball.verify(name))


def _described(ball: tarball.Tarball, row: Image, folder: Path) -> "Built":
    """Return the image's description, where it is about what was unpacked."""
    from fleet.images.archive import Built  # noqa: PLC0415 - see above
    from fleet.images.cache import whole  # noqa: PLC0415 - likewise

    name = row.files[0]
    text = ball.read(name)
    formats.check("image", formats.in_json(text, "format"), str(ball.path))
    try:
        built = msgspec.structs.replace(msgspec.json.decode(text, type=Built), folder=str(folder))
    except msgspec.MsgspecError as error:
        raise StateDamaged("offline.damaged", where=str(ball.path), part=name) from error
    if (built.recipe, built.architecture) != (row.made_from, row.architecture) or not _plain(built) or not whole(built):
        raise StateDamaged("offline.damaged", where=str(ball.path), part=name)
    return built


def _plain(built: "Built") -> bool:
    """Tell whether its layers' names lead nowhere else."""
    return all("/" not in layer.name and not layer.name.startswith(".") for layer in built.layers)


def opened(path: Path, caches: Path) -> Bundle:
    """Return the bundle in a file; see `tarball.opened`.

    Args:
        path: of the file.
        caches: where each bundle has an image cache of its own: nobody signs a bundle, so what is in it is never taken
            for what was built here.
    """
    from fleet.images.cache import Cache  # noqa: PLC0415 - see above

    ball = tarball.opened(path.expanduser())
    return Bundle(ball, Cache(caches / ball.seal))
