"""Debian packages into a tree, without unpacking them: each one's data archive is kept as a file and pointed into."""

import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path

from fleet.base.errors import ActionFailed, Refused
from fleet.images.tools import complaint, run
from fleet.images.tree import Blob, Entry, Tree, merged, plain, text

_FIELDS = (
    "Package",
    "Status",
    "Architecture",
    "Version",
    "Source",
    "Section",
    "Maintainer",
    "Installed-Size",
    "Description",
)


def read(packages: Iterable[Path], folder: Path) -> Tree:
    """Return the tree of the packages' files.

    Args:
        packages: ``.deb`` files; they are not changed.
        folder: where their data archives are put; the tree points into them.

    Raises:
        ActionFailed: a package is broken.
        Refused: one holds a hostile path or a device.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tree = Tree()
    for package in packages:
        data = folder / f"{package.stem}.tar"
        _extract(package, data)
        _add(tree, data)
        name, control = _control(package)
        tree.add(f"var/lib/dpkg/status.d/{name}", text(control))
    return tree


def _extract(package: Path, to: Path) -> None:
    with to.open("wb") as out:
        done = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", str(package)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode != 0:
        raise ActionFailed("image.package_broken", package=package.name, reason=complaint(done.stderr))


def _add(tree: Tree, data: Path) -> None:
    try:
        with tarfile.open(data, "r:") as archive:
            for member in archive:
                tree.add(member.name, _entry(archive, member, data))
    except tarfile.TarError as error:
        raise ActionFailed("image.package_broken", package=data.stem, reason=str(error)) from error


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, data: Path) -> Entry:
    if member.isdir():
        return Entry("dir", member.mode & 0o7777, member.uid, member.gid)
    if member.issym():
        return Entry("link", 0o777, member.uid, member.gid, target=member.linkname)
    if member.islnk():
        member = _original(archive, member)
    if not member.isfile():
        raise Refused("image.hostile_path", path=member.name)
    mode = member.mode & 0o777  # nobody becomes somebody else in an image of ours: no set-id bits
    return Entry("file", mode, member.uid, member.gid, blob=Blob(member.size, data, member.offset_data))


def _original(archive: tarfile.TarFile, member: tarfile.TarInfo) -> tarfile.TarInfo:
    wanted = merged(plain(member.linkname))
    for other in archive.getmembers():
        if other.isfile() and merged(plain(other.name)) == wanted:
            return other
    raise Refused("image.hostile_path", path=member.linkname)


def _control(package: Path) -> tuple[str, str]:
    """Return the package's name and what vulnerability scanners read of it in images without dpkg (status.d)."""
    said = run(["dpkg-deb", "--field", str(package)], key="image.apt_failed").decode(errors="replace")
    parts = (line.partition(": ") for line in said.splitlines() if line[:1].isalpha())
    fields = {name: value for name, _, value in parts}
    fields["Status"] = "install ok installed"
    return fields["Package"], "".join(f"{name}: {fields[name]}\n" for name in _FIELDS if name in fields)
