"""Images built ahead of time, while a person still answers and a machine still installs its packages.

A process of its own does it, for a build has threads that a command could not leave behind: it is ended with us, and
what it had begun is swept away by the next build. Whoever needs the image meanwhile waits for it at the cache's lock.
"""

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import Path
from typing import cast, get_args

from fleet.base.errors import ClawrackError
from fleet.images.build import build
from fleet.images.cache import Cache, default_home
from fleet.images.recipe import Architecture, Recipe, load, recipe_key
from fleet.images.registry import host

_POLITE = ("nice", "-n", "10")
_HUB = {"docker.io": "registry-1.docker.io"}
"""Docker Hub's registry has another name than its images say."""
_PATIENCE = 4.0  # seconds for a registry to answer


def ahead(recipes: Iterable[Path], architecture: str, *, certainly: bool) -> None:
    """Begin to build those images that the cache has not, one after another; nobody is told, nothing is raised.

    Args:
        recipes: files of theirs.
        architecture: in Docker's names; nothing is built for one that images are not made for.
        certainly: whether also those are built here that a registry has which answers this computer; a guess at
            whether it answers the machine too, and where it is wrong, only time is lost.
    """
    if architecture not in get_args(Architecture):
        return
    lacking = [str(path) for path in recipes if not _cached(path, cast("Architecture", architecture))]
    if not lacking:
        return
    words = (*_POLITE, sys.executable, "-m", "fleet.images.ahead", architecture, "all" if certainly else "", *lacking)
    quiet = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        child = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        atexit.register(_end, child.pid)


def _end(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)


def _cached(path: Path, architecture: Architecture) -> bool:
    try:
        return Cache(default_home()).asked(recipe_key(load(path), architecture)) is not None
    except (ClawrackError, OSError):
        return True  # what is wrong is told by whoever needs it


def main(architecture: str, certainly: str, *recipes: str) -> None:
    """Build the images; one that cannot be built is told when it is needed."""
    for path in recipes:
        with contextlib.suppress(ClawrackError, OSError):
            recipe = load(Path(path))
            if certainly or not _to_be_had(recipe):
                build(recipe, cast("Architecture", architecture))


def _to_be_had(recipe: Recipe) -> bool:
    """Return whether one of the recipe's registries answers this computer, be it that it wants a login."""
    return any(_answers(host(ref)) for ref in recipe.registry)


def _answers(registry: str) -> bool:
    try:
        with urllib.request.urlopen(f"https://{_HUB.get(registry, registry)}/v2/", timeout=_PATIENCE):
            return True
    except urllib.error.HTTPError as error:
        return error.code == HTTPStatus.UNAUTHORIZED
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    main(*sys.argv[1:])
