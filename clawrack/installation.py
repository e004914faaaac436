"""Where the clawrack that runs is installed, by the notes that install.sh leaves in the environments that it makes.

install.sh knows how an installation lies; here it is read, and its copy in the environment is called to change it.
"""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from clawrack import version
from fleet.base.clean import line
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, Unreachable
from fleet.base.formats import FORMATS
from fleet.base.words import language

_SCRIPT = ("share", "clawrack", "install.sh")
_ERRORS: dict[int, type[ClawrackError]] = {2: BadInput, 3: Refused, 4: Unreachable}


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """One environment of install.sh.

    Attributes:
        version: of clawrack in it; empty where its installer did not note it.
        source: the checkout or wheel that it was made from.
        sha256: of the wheel; empty for a checkout.
        made: when, UTC, ISO 8601.
    """

    path: str
    version: str = ""
    source: str = ""
    sha256: str = ""
    made: str = ""


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed.

    Attributes:
        version: of the clawrack that runs.
        python: that it runs on.
        home: where install.sh keeps its environments; empty where install.sh did not install it.
        now: the environment that runs; None where install.sh did not make it.
        before: the one that `self rollback` goes back to.
        formats: the newest of each that it reads, by name.
    """

    version: str
    python: str
    home: str = ""
    now: Environment | None = None
    before: Environment | None = None
    formats: dict[str, int]


class Upgraded(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended: the versions before and now, where the one in use lies, and whether anything changed."""

    before: str
    version: str
    environment: str
    changed: bool


def installation(prefix: str = "") -> Installation:
    """Return what is installed: the environment of this Python, or of another."""
    env = Path(prefix or sys.prefix)
    ours = env.name.startswith("env-") and (env / ".whole").exists() and (env.parent / "current").is_symlink()
    now = environment(env) if ours else None
    before = _note(env / ".before") if ours else ""
    kept = Path(before).parent == env.parent and (Path(before) / ".whole").exists()
    return Installation(
        version=version(),
        python=f"{sys.version.split()[0]} {sys.executable}",
        home=str(env.parent) if ours else "",
        now=now,
        before=environment(Path(before)) if kept and before != str(env) else None,
        formats=dict(FORMATS),
    )


def environment(path: Path) -> Environment:
    """Return what install.sh noted of an environment."""
    rows = [row.partition("=") for row in _note(path / ".whole").splitlines()]
    told = {key: line(value, 1000) for key, _, value in rows}
    source, made = told.get("from", ""), told.get("made", "")
    return Environment(
        path=str(path), version=told.get("version", ""), source=source, sha256=told.get("sha256", ""), made=made
    )


def ours(found: Installation) -> tuple[Path, Environment]:
    """Return home and environment of an installation of install.sh that may be changed by whoever runs this.

    Raises:
        Refused: install.sh did not make it, or another user did.
    """
    if found.now is None or not Path(found.now.path, *_SCRIPT).exists():
        raise Refused("self.not_installed", where=sys.prefix)
    if not os.access(found.home, os.W_OK):
        raise Refused("self.not_yours", where=found.home)
    return Path(found.home), found.now


def install_sh(env: Environment, *words: str, quiet: bool) -> None:
    """Run the install.sh of an environment; what it tells goes to standard output, unless ``quiet``.

    Raises:
        ClawrackError: it failed, in its own words and with its own exit code.
    """
    out = subprocess.DEVNULL if quiet else None
    told = {**os.environ, "CLAWRACK_LANG": language()}
    script = ("sh", str(Path(env.path, *_SCRIPT)), *words)
    ran = subprocess.run(script, env=told, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, check=False)
    if ran.returncode:
        said = line(ran.stderr.decode(errors="replace"), 1000).removeprefix("✗ ")
        raise _ERRORS.get(ran.returncode, ActionFailed)("self.install_sh", reason=said or f"exit {ran.returncode}")


def _note(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
