"""Images: had on a machine, pulled, built or taken from a bundle."""

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from fleet.actions import PlaceImage
from fleet.base.errors import ActionFailed
from fleet.base.event import Listener, ignore
from fleet.kinds import METER, recipe_file
from fleet.machine.port import Port
from fleet.resolve import Sort

if TYPE_CHECKING:
    from fleet.images import Cache
    from fleet.images.lan import Lan
    from fleet.images.obtain import Image
    from installer.offline.bundle import Bundle


_FIRST = threading.Lock()
"""Threads that import a package from two ends get half of it."""


def place_image(port: Port, wanted: PlaceImage, listen: Listener) -> bool:
    """Have exactly this image on the machine, and nothing that merely has its name.

    Several machines may ask at once. From the second on that asks for what was built here, its engine pulls the layers
    that it lacks through its own connection; see `fleet.images.lan`.
    """
    image = obtained(port, wanted.of, listen, pinned=wanted.ref, official=False, version=wanted.version)
    if image.id != wanted.image:
        raise ActionFailed("image.other", where=port.name, of=wanted.of, wanted=wanted.image, found=image.id)
    return image.how != "there"


def obtained(  # noqa: PLR0913 - how an image is had has so many sides, and they go by name
    port: Port,
    of: str,
    listen: Listener,
    *,
    version: str = "",
    pinned: str = "",
    official: bool = True,
    build_here: bool = True,
) -> "Image":
    """Have an image of a kind, or of the meter, on a machine; see `fleet.images.obtain.obtain`.

    ``version`` asks for another one than the kind names itself.
    """
    with _FIRST:
        from fleet.images.obtain import obtain  # noqa: PLC0415 - takes long to import, and is rarely needed
        from fleet.images.recipe import recipe_of  # noqa: PLC0415 - likewise

        recipe, carry = recipe_of(of, version), _lan().carry
    return obtain(port, recipe, listen, pinned=pinned, official=official, build_here=build_here, carry=carry)


@cache
def _lan() -> "Lan":
    from fleet.images.lan import Lan  # noqa: PLC0415 - see obtained

    return Lan(image_cache())


def resolved(port: Port, of: str, version: str, listen: Listener = ignore) -> tuple[str, str]:
    """Return the id and the ref of a kind's image, or of the meter's, of one version, as a machine's engine calls it.

    Asked for every machine of a fleet it is asked of the registries, or built, once for each architecture; see
    `fleet.images.resolve.resolve`.
    """
    from fleet.images.recipe import recipe_of  # noqa: PLC0415 - see obtained
    from fleet.images.resolve import resolve  # noqa: PLC0415 - likewise

    found = resolve(port, recipe_of(of, version), listen)
    return found.id, found.ref


def known_image(sort: Sort) -> tuple[str, str] | None:
    """Return the id and the ref of an image of this sort where this computer has built it; nothing is made."""
    from fleet.images import Cache, default_home  # noqa: PLC0415 - see obtained
    from fleet.images.recipe import Architecture, recipe_key, recipe_of  # noqa: PLC0415 - likewise
    from fleet.images.resolve import Store, id_in  # noqa: PLC0415 - likewise

    if sort.architecture not in get_args(Architecture) or sort.store not in get_args(Store):
        return None
    recipe = recipe_of(sort.of, sort.version)
    built = Cache(default_home()).readable(recipe_key(recipe, cast("Architecture", sort.architecture)))
    return (id_in(built, cast("Store", sort.store)), built.name) if built else None


def image_cache() -> "Cache":
    """Return where images lie on this computer."""
    from fleet.images import Cache, default_home  # noqa: PLC0415 - see obtained

    return Cache(default_home())


@cache
def bundle_at(path: Path) -> "Bundle":
    """Return the bundle of a file, checked once."""
    from fleet.images import default_home  # noqa: PLC0415 - see obtained
    from installer.offline import bundle  # noqa: PLC0415 - only one command needs it

    return bundle.opened(path, default_home().parent / "bundles")


@cache
def ahead_of(architecture: str, kind: str, source: str) -> None:
    """Begin to build what a setup will need, the meter first: it is small, and is needed first."""
    from fleet.images.ahead import ahead  # noqa: PLC0415 - takes long to import, and is rarely needed

    wanted = (METER,) if source == "registry" else (METER, kind)
    ahead([recipe_file(of) for of in wanted], architecture, certainly=source == "build")


def published_versions(of: str) -> list[str]:
    """Return the versions of a kind's program that the registries of this computer have, the oldest first.

    Raises:
        BadInput: there is no such kind.
        Refused: nothing here can ask.
        ActionFailed: the registry does not answer.
    """
    import tempfile  # noqa: PLC0415 - only one command needs it

    from fleet.images.published import versions  # noqa: PLC0415 - see obtained
    from fleet.images.recipe import recipe_of  # noqa: PLC0415 - likewise

    with tempfile.TemporaryDirectory() as folder:
        return versions(recipe_of(of), Path(folder))
