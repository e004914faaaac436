"""What a support bundle is: its files, and the manifest that says what is in them and what is not."""

import gzip
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

FORMAT = 1
ROOT = "clawrack-support"


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a bundle.

    Attributes:
        bytes: its length.
        removed: how often something was taken out of it, by what it was.
        cut: whether only its end is there, for it was too long.
    """

    name: str
    bytes: int
    removed: dict[str, int] = {}
    cut: bool = False


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A machine in a bundle.

    Attributes:
        name: by which it is called there.
        state: ``silent``: it did not answer; ``asked``: what it told is there.
        why: it is silent.
        left_out: what could not be had, and why.
    """

    name: str
    state: Literal["asked", "silent"]
    why: str = ""
    left_out: dict[str, str] = {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a bundle.

    Attributes:
        version: of this form.
        by: the version of clawrack that made it.
        left_out: what of the controller could not be had, and why.
    """

    version: int = FORMAT
    by: str
    machines: tuple[Told, ...]
    files: tuple[File, ...]
    left_out: dict[str, str] = {}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A support bundle that was written.

    Attributes:
        path: of the archive.
        bytes: its length.
        names: the file that says who is called what in it; it stays here.
        manifest: what is in it.
    """

    path: str
    bytes: int
    names: str
    manifest: Manifest


@dataclass(frozen=True)
class Bundle:
    """A bundle that may be handed to a stranger; ``names`` may not: they say who is called what in it."""

    manifest: Manifest
    contents: dict[str, bytes]
    names: dict[str, str]

    def packed(self) -> bytes:
        """Return the archive: always the same bytes for the same content."""
        buffer = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            manifest = msgspec.json.format(msgspec.json.encode(self.manifest), indent=1) + b"\n"
            for name, content in {"manifest.json": manifest, **dict(sorted(self.contents.items()))}.items():
                entry = tarfile.TarInfo(f"{ROOT}/{name}")
                entry.size, entry.mode = len(content), 0o644
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    def written(self, path: Path, length: int, names: Path) -> Written:
        """Return what is said of it once it was written."""
        return Written(path=str(path), bytes=length, names=str(names), manifest=self.manifest)
