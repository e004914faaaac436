"""A Python application for any architecture, from the registry that this computer's pip uses, as a tree of wheels.

Only wheels: nothing is compiled and no script of a package runs. They are those of the Python that the distribution's
packages bring, not of the one that we run on. Markers for another Python than ours pip judges by ours; uv does not.
"""

import importlib.util
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from fleet.base.errors import ActionFailed, Refused
from fleet.images.recipe import Architecture, Recipe
from fleet.images.tools import run

_CPU: Mapping[str, str] = {"amd64": "x86_64", "arm64": "aarch64"}
_GLIBC = range(28, 4, -1)
"""Minor versions of glibc 2 whose wheels run on every system that images are built from (Debian 10 has 2.28); pip takes
only what it is told, so older ones are named, too. Source: PEP 600."""
_OLD = ("manylinux2014", "manylinux2010", "manylinux1")
_PYTHON = re.compile(r"(?:\d+:)?(3\.\d+)\.")
_MADE_BY = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
"""What tells how a package was installed, and by what: the same wheels are the same image."""


def install(recipe: Recipe, architecture: Architecture, python: str, folder: Path) -> Path:
    """Install the recipe's wheels and what they depend on into a folder that does not exist yet; return it.

    Args:
        recipe: its `app` is a requirement of pip's.
        architecture: Docker's word.
        python: ``3.11``.
        folder: where to.

    Raises:
        Refused: there is neither pip nor uv here.
        ActionFailed: the registry has not what is asked for, not for this Python and architecture, or does not answer.
    """
    words = [*_installer(architecture, python), "--target", str(folder), recipe.requirement]
    run(words, key="image.pip_failed", env={"PIP_USER": "0"})
    shutil.rmtree(folder / "bin", ignore_errors=True)  # started by the path of this computer's Python
    for name in _MADE_BY:
        for file in folder.glob(f"*.dist-info/{name}"):
            file.unlink()
    return folder


def _installer(architecture: Architecture, python: str) -> Sequence[str]:
    """Return how wheels for another Python are installed here: pip of this Python, any pip, or uv."""
    only = ("--only-binary=:all:", "--quiet", "--python-version", python)
    platforms = [f"manylinux_2_{minor}_{_CPU[architecture]}" for minor in _GLIBC]
    platforms += [f"{name}_{_CPU[architecture]}" for name in _OLD if architecture == "amd64" or name == _OLD[0]]
    named = [word for platform in platforms for word in ("--platform", platform)]
    abis = [word for abi in (f"cp{python.replace('.', '')}", "abi3", "none") for word in ("--abi", abi)]
    by_pip = ("install", "--no-compile", "--disable-pip-version-check", "--no-input", "--implementation", "cp")
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-P", "-m", "pip", *by_pip, *named, *abis, *only)
    if pip := shutil.which("pip3") or shutil.which("pip"):
        return (pip, *by_pip, *named, *abis, *only)
    if uv := shutil.which("uv"):
        return (uv, "pip", "install", "--python-platform", f"{_CPU[architecture]}-manylinux_2_28", *only)
    raise Refused("image.no_pip")


def python_of(resolved: Mapping[str, str]) -> str:
    """Return the Python that an image will have, ``3.11``, by the packages that apt chose.

    Raises:
        ActionFailed: it will have none.
    """
    found = _PYTHON.match(resolved.get("python3", ""))
    if not found:
        raise ActionFailed("image.pip_failed", reason="python3 is not among the recipe's packages")
    return found[1]


def package_name(requirement: str) -> str:
    """Return the name in a requirement: ``a-b[c]==1`` is ``a-b``."""
    return re.split(r"[\[=<>!~;\s]", requirement, maxsplit=1)[0]
