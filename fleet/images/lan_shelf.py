"""Built images laid out as a registry keeps them, without a second copy of any byte.

The registry's own storage is nothing but files by digest, and links to them (distribution 2.8,
registry/storage/paths.go; the same in 3.0). What lies in the cache is linked into it, so that nothing is uploaded and
nothing is left over: the folder goes when nobody is served any more.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from fleet.images import archive
from fleet.images.archive import Built

_ROOT = Path("docker/registry/v2")


class Shelf:
    """A registry's storage. Threads may share it.

    Args:
        folder: empty at first; on the cache's file system, or links cannot be hard.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._there: set[str] = set()

    def add(self, built: Built) -> str:
        """Lay an image out, once; return the name of its repository. Its digest is `Built.manifest_id`.

        Raises:
            OSError: the disk is full, or a layer is not there any more.
        """
        repository = built.name.partition(":")[0]
        with self._lock:
            if built.manifest_id not in self._there:
                self._lay_out(built, self.folder / _ROOT / "repositories" / repository)
                self._there.add(built.manifest_id)
        return repository

    def _lay_out(self, built: Built, repository: Path) -> None:
        for layer in built.layers:
            self._link(Path(built.folder) / layer.name, layer.digest)
        for digest, content in ((built.config_id, built.config), (built.manifest_id, archive.manifest(built))):
            self._blob(digest).write_bytes(content)
        for digest in (*(layer.digest for layer in built.layers), built.config_id):
            _point(repository / "_layers", digest)
        _point(repository / "_manifests" / "revisions", built.manifest_id)

    def _link(self, file: Path, digest: str) -> None:
        there = self._blob(digest)
        with contextlib.suppress(FileExistsError):  # a layer of another image too
            try:
                os.link(file, there)
            except PermissionError:  # a file system without hard links
                there.symlink_to(file)

    def _blob(self, digest: str) -> Path:
        """Return where the content of a digest lies, its folder made."""
        kind, _, name = digest.partition(":")
        folder = self.folder / _ROOT / "blobs" / kind / name[:2] / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "data"

    def digests(self) -> Iterator[str]:
        """Yield the digests of all contents, for whoever counts them."""
        for data in (self.folder / _ROOT / "blobs").glob("*/*/*/data"):
            yield f"{data.parts[-4]}:{data.parts[-2]}"


def _point(folder: Path, digest: str) -> None:
    kind, _, name = digest.partition(":")
    where = folder / kind / name
    where.mkdir(parents=True, exist_ok=True)
    (where / "link").write_text(digest)
