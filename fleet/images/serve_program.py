"""The registry's program: Debian's `docker-registry` (distribution), this computer's own or one fetched for us alone.

A fetched one is unpacked and never installed: no script of its package runs, nothing of it starts with the computer.
apt has checked it against the distribution's signed lists.
"""

import fcntl
import shutil
from pathlib import Path

from fleet.images import node
from fleet.images.apt import Apt
from fleet.images.cache import Cache
from fleet.images.tools import run

PACKAGE = "docker-registry"
_INSIDE = Path("usr/bin") / PACKAGE


def there(cache: Cache) -> Path | None:
    """Return the program where it is there already."""
    own = shutil.which(PACKAGE)
    fetched = _place(cache) / _INSIDE
    return Path(own) if own else fetched if fetched.is_file() else None


def fetched(cache: Cache) -> Path:
    """Return the program, fetched from this computer's distribution where it is not there.

    Raises:
        Refused: this computer has no apt, or no source of its packages.
        ActionFailed: the package cannot be had.
        OSError: the disk is full.
    """
    place = _place(cache)
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return there(cache) or _fetch(cache, place)


def _fetch(cache: Cache, place: Path) -> Path:
    architecture = node.here()
    apt, part = Apt(cache.home / "apt" / architecture, architecture), place.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    with cache.locked(f"apt-{architecture}"):
        apt.prepare()
        version = apt.resolve((PACKAGE,))[PACKAGE]
        (package,) = apt.download({PACKAGE: version}, part)
    run(["dpkg-deb", "--extract", str(package), str(part)], key="image.apt_failed")
    package.unlink()
    part.rename(place)
    return place / _INSIDE


def _place(cache: Cache) -> Path:
    return cache.home.parent / PACKAGE
