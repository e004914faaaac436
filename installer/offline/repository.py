"""A release's packages with all that they depend on, for any architecture, by apt with directories of its own.

What every installed system has is left out: apt is told that it is installed. So the result is small, and fits any
machine of that release.
"""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.base.errors import ActionFailed, Refused
from fleet.images import sources as text
from fleet.images.apt import Apt, sources_here
from fleet.images.tools import run
from installer.offline import suites

_FAILED = "image.apt_failed"
_ALWAYS = ("?essential", "apt")
# Debian 12 and later: without it apt would take `usrmerge` for always there, and with it all of Perl.
_MERGED = "usr-is-merged"


@dataclass(frozen=True, slots=True)
class Deb:
    """One package: its name, its version, its paragraph of apt's list, and that paragraph's checksum of the file."""

    name: str
    version: str
    paragraph: str
    sha256: str

    @property
    def file(self) -> str:
        """The name of the file in the distribution's archive; it has no epoch in it."""
        return self.field("Filename").rpartition("/")[2]

    def field(self, name: str) -> str:
        """Return the first line of a field."""
        return field(self.paragraph, name)


@dataclass(frozen=True, slots=True)
class Repository(Apt):
    """A private apt for one release."""

    release: str

    def prepare(self) -> None:
        """Fetch the release's lists.

        Raises:
            Refused: there is no apt here, or not the release's key ring.
            ActionFailed: the lists cannot be fetched.
        """
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise Refused("offline.no_apt")
        told = suites.of(self.release)
        if not Path(told.ring).exists():
            raise Refused("offline.no_ring", release=self.release, package=told.package)
        dump = run(["apt-config", "dump"], key=_FAILED).decode(errors="replace")
        found = suites.sources(sources_here(dump), self.release, self.architecture)
        self._write(dump, text.render(found), text.preferences((told.origin,)))
        self._apt("-qq", "update")

    def closure(self, packages: Sequence[str]) -> list[Deb]:
        """Return the packages with what they depend on and not every installed system has, by name.

        Args:
            packages: with ``?`` at the end: only where this release has it.

        Raises:
            ActionFailed: they cannot be had.
        """
        known = set(self._cache("pkgnames").split())
        names = [name.removesuffix("?") for name in packages if not name.endswith("?") or name[:-1] in known]
        (self.home / "status").write_text("")
        always = self.resolve([*_ALWAYS, *([_MERGED] if _MERGED in known else [])])
        there = [f"Status: install ok installed\n{deb.paragraph}\n" for deb in self.shown(always)]
        (self.home / "status").write_text("\n".join(there))
        return self.shown(self.resolve(names))

    def shown(self, versions: dict[str, str]) -> list[Deb]:
        """Return apt's paragraph of each package."""
        said = self._cache("show", *(f"{name}={version}" for name, version in versions.items()))
        found = [_deb(paragraph) for paragraph in said.strip().split("\n\n")]
        by_name = {deb.name: deb for deb in reversed(found) if deb.version == versions.get(deb.name)}
        if by_name.keys() != versions.keys():
            raise ActionFailed(_FAILED, reason=" ".join(sorted(versions.keys() - by_name.keys())))
        return [by_name[name] for name in sorted(by_name)]

    def _cache(self, *words: str) -> str:
        env = {"APT_CONFIG": str(self.home / "apt.conf")}
        return run(["apt-cache", *words], key=_FAILED, env=env).decode(errors="replace")

    def fetch(self, debs: Sequence[Deb], folder: Path) -> None:
        """Have the packages' files in the folder, under their names; what is there and whole is not fetched again.

        Raises:
            ActionFailed: one cannot be fetched, or is not what the list says.
        """
        came = folder / f"part-{self.release}-{self.architecture}"
        _take(came, debs, folder)  # what came before an earlier run was broken off
        lacking = {deb.name: deb.version for deb in debs if not _whole(folder / deb.file, deb.sha256)}
        if lacking:
            self.download(lacking, came)
            _take(came, debs, folder)
        bad = [deb.file for deb in debs if not _whole(folder / deb.file, deb.sha256)]
        if bad:
            raise ActionFailed("image.package_broken", package=bad[0], reason="sha256")


def _take(came: Path, debs: Sequence[Deb], folder: Path) -> None:
    """Move the files that are whole out of a folder, under their own names, and remove the folder."""
    wanted = {deb.sha256: deb for deb in debs}
    for file in came.glob("*.deb"):
        deb = wanted.get(sha256_of(file))
        if deb:
            file.rename(folder / deb.file)
    shutil.rmtree(came, ignore_errors=True)


def field(paragraph: str, name: str) -> str:
    """Return the first line of a field of a control paragraph, empty where it is not there."""
    head = f"{name}: "
    return next((row.removeprefix(head).strip() for row in paragraph.splitlines() if row.startswith(head)), "")


def _deb(paragraph: str) -> Deb:
    return Deb(field(paragraph, "Package"), field(paragraph, "Version"), paragraph, field(paragraph, "SHA256"))


def index(debs: Sequence[Deb]) -> str:
    """Return apt's list of a flat repository that holds the packages."""
    return "\n".join(_placed(deb) for deb in debs)


def _placed(deb: Deb) -> str:
    kept = (f"Filename: ./{deb.file}" if row.startswith("Filename: ") else row for row in deb.paragraph.splitlines())
    return "\n".join(kept) + "\n"


def _whole(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_of(file) == sha256


def sha256_of(file: Path) -> str:
    """Return the checksum of a file's content, in hex digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
