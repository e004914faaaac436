"""Debian packages for any architecture, by apt with directories of its own: no root, nothing of this computer changed.

apt starts from an empty list of installed packages, so that everything that is needed is resolved. Of the computer's
configuration only what leads to the packages counts: sources, proxies, certificates, credentials (``Acquire::*``,
``Dir::Etc``), none of its hooks.
"""

import platform
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from fleet.base.errors import ActionFailed, Refused
from fleet.images import sources
from fleet.images.recipe import Architecture
from fleet.images.tools import run

_INSTALLED = re.compile(r"^Inst (?P<name>\S+) \((?P<version>\S+) ", re.MULTILINE)
_FILE = re.compile(
    r'^(?P<name>Dir|Dir::Etc|Dir::Etc::sourcelist|Dir::Etc::sourceparts) "(?P<value>.*)";$', re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Apt:
    """One private apt: its folder and the architecture it resolves for."""

    home: Path
    architecture: Architecture

    def prepare(self) -> None:
        """Make the folder, with this computer's sources for the architecture, and fetch their lists.

        Raises:
            Refused: there is no apt here, or no source of the distribution's own packages.
            ActionFailed: the lists cannot be fetched.
        """
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise Refused("image.no_apt")
        dump = run(["apt-config", "dump"], key="image.apt_failed").decode(errors="replace")
        codename, origins = sources.codename_and_origins(platform.freedesktop_os_release())
        found = sources.for_architecture(sources.chosen(sources_here(dump), codename), self.architecture)
        if not found:
            raise Refused("image.no_sources", codename=codename)
        self._write(dump, sources.render(found), sources.preferences(origins))
        self._apt("-qq", "update")

    def _write(self, dump: str, listed: str, preferences: str) -> None:
        for folder in ("state/lists/partial", "cache/archives/partial", "none"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / "status").write_text("")
        (self.home / "our.sources").write_text(listed)
        (self.home / "preferences").write_text(preferences)
        (self.home / "apt.conf").write_text(configuration(dump, self.home, self.architecture))

    def resolve(self, packages: Sequence[str], drop: Iterable[str] = ()) -> dict[str, str]:
        """Return name → version of the packages with all they depend on, but for what ``drop`` (patterns) names.

        Raises:
            ActionFailed: they cannot be had together.
        """
        out = self._apt("-qq", "--simulate", "install", *packages).decode(errors="replace")
        found = {match["name"].partition(":")[0]: match["version"] for match in _INSTALLED.finditer(out)}
        patterns = tuple(drop)
        return {name: found[name] for name in sorted(found) if not any(fnmatchcase(name, p) for p in patterns)}

    def download(self, versions: Mapping[str, str], folder: Path) -> list[Path]:
        """Fetch the packages into a folder; apt checks them against the signed lists. Return the files, by name.

        Raises:
            ActionFailed: one could not be fetched, or is not what the list says.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._apt("-qq", "download", *(f"{name}={version}" for name, version in versions.items()), cwd=folder)
        files = sorted(folder.glob("*.deb"))
        if len(files) != len(versions):
            raise ActionFailed("image.apt_failed", reason=f"{len(files)} of {len(versions)} packages arrived")
        return files

    def _apt(self, *words: str, cwd: Path | None = None) -> bytes:
        env = {"APT_CONFIG": str(self.home / "apt.conf"), "DEBIAN_FRONTEND": "noninteractive"}
        return run(["apt-get", *words], key="image.apt_failed", cwd=cwd, env=env)


def configuration(dump: str, home: Path, architecture: Architecture) -> str:
    """Return an apt.conf(5) of our own out of ``apt-config dump``: the computer's ways out, our directories, no hooks.

    It names /dev/null in place of the computer's files, which apt would read after it.
    """
    kept = [line for line in dump.splitlines() if line.startswith("Acquire::")]
    ours = {
        "Dir::State": home / "state",
        "Dir::State::status": home / "status",
        "Dir::Cache": home / "cache",
        "Dir::Etc::main": "/dev/null",
        "Dir::Etc::parts": home / "none",
        "Dir::Etc::sourcelist": home / "our.sources",
        "Dir::Etc::sourceparts": home / "none",
        "Dir::Etc::preferences": home / "preferences",
        "Dir::Etc::preferencesparts": home / "none",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Install-Recommends": "false",
        "APT::Install-Suggests": "false",
        "APT::Sandbox::User": "root",
        "Debug::NoLocking": "true",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
    }
    return "\n".join([*kept, *(f'{name} "{value}";' for name, value in ours.items())]) + "\n"


def sources_here(dump: str) -> list[sources.Source]:
    """Return every source that apt knows on this computer, from the files that its configuration names."""
    said = {match["name"]: match["value"] for match in _FILE.finditer(dump)}
    etc = Path(said.get("Dir", "/")) / said.get("Dir::Etc", "etc/apt")
    parts = etc / said.get("Dir::Etc::sourceparts", "sources.list.d")
    files = [etc / said.get("Dir::Etc::sourcelist", "sources.list")]
    files += sorted(file for file in parts.glob("*") if file.suffix in {".list", ".sources"}) if parts.is_dir() else []
    return [
        source
        for file in files
        if file.is_file()
        for source in sources.parse(file.name, file.read_text(encoding="utf-8", errors="replace"))
    ]
