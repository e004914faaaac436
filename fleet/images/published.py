"""Which versions of an agent's program there are, by the registry that this computer's npm, or pip, uses."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fleet.base.errors import ActionFailed, BadInput, Refused
from fleet.images import node, wheels
from fleet.images.recipe import Recipe
from fleet.images.tools import run
from fleet.versions import near, sorted_, well_formed

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE = 60.0  # seconds
_LISTED = re.compile(r"^Available versions: (.*)$", re.MULTILINE)


def versions(recipe: Recipe, folder: Path) -> list[str]:
    """Return what is published, the oldest first.

    Args:
        recipe: of the image.
        folder: an empty one, for what is needed to ask.

    Raises:
        Refused: nothing here can ask, or the recipe names no package.
        ActionFailed: the registry does not answer, or does not know the package.
    """
    if recipe.package:
        found = _npm(node.package_name(recipe.package), recipe.node, folder)
    elif recipe.requirement:
        found = _pip(wheels.package_name(recipe.requirement))
    else:
        raise Refused("version.unlisted", of=recipe.name)
    return sorted_(version for version in found if well_formed(version))


def missing(recipe: Recipe, folder: Path) -> BadInput | None:
    """Return the error that says that there is no such version, with the nearest; None where that is not what is wrong.

    ``folder`` is as for `versions`. Nothing is raised: whoever asks has an error in hand already.
    """
    try:
        known = versions(recipe, folder)
    except (ActionFailed, Refused):
        return None
    if not known or recipe.version in known:
        return None
    return BadInput(
        "version.unknown", of=recipe.name, version=recipe.version, near=", ".join(near(recipe.version, known))
    )


def _npm(package: str, version: str, folder: Path) -> list[str]:
    """Ask npm: this computer's own, else the one that images are built with."""
    here = shutil.which("npm")
    program: Sequence[str] = [here] if here else node.npm(node.fetch(version, node.here(), folder / "node"))
    said = run([*program, "view", package, "versions", "--json"], key="image.npm_failed", timeout=_PATIENCE)
    try:
        listed = msgspec.json.decode(said, type=list[str] | str)
    except msgspec.MsgspecError as error:
        raise ActionFailed("image.npm_failed", reason="the list of versions cannot be read") from error
    return [listed] if isinstance(listed, str) else listed


def _pip(package: str) -> list[str]:
    """Ask pip; uv has no such question."""
    words = ("index", "versions", "--disable-pip-version-check", package)
    if importlib.util.find_spec("pip"):
        program: Sequence[str] = (sys.executable, "-P", "-m", "pip")
    elif pip := shutil.which("pip3") or shutil.which("pip"):
        program = (pip,)
    else:
        raise Refused("image.no_pip")
    said = run([*program, *words], key="image.pip_failed", timeout=_PATIENCE).decode(errors="replace")
    found = _LISTED.search(said)
    return [version.strip() for version in found[1].split(",")] if found else []
