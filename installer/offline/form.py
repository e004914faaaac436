"""What a bundle holds, as its manifest says it."""

import re

import msgspec

from fleet.base.errors import BadInput, Refused, StateDamaged

FORMAT = 1
OLDEST = 1
"""The oldest format that is still read."""
MANIFEST, SEAL = "clawrack-bundle.json", "clawrack-bundle.sha256"
"""The first two members: the manifest, and its checksum as sha256sum(1) writes it."""
MOST_MANIFEST = 16 << 20
_NAME = re.compile(r"[a-z0-9][A-Za-z0-9+._~%-]*(/[A-Za-z0-9][A-Za-z0-9+._~%-]*){0,3}")
_HASH = re.compile(r"[0-9a-f]{64}")


class Item(msgspec.Struct, frozen=True):
    """One member of the file: its path there, its bytes, its checksum (64 hex digits)."""

    name: str
    bytes: int
    sha256: str


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """An image.

    Attributes:
        of: the kind, or ``meter``.
        key: hash of its recipe, before packages were resolved.
        made_from: hash of what went into it: its folder in the bundle, and in the image cache.
        files: members, beginning with its description.
    """

    of: str
    version: str
    architecture: str
    name: str
    key: str
    made_from: str
    files: tuple[str, ...]


class Packages(msgspec.Struct, frozen=True, kw_only=True):
    """Docker and the tools, with all that they depend on, for one release and architecture.

    Attributes:
        release: codename.
        versions: package → version.
        index: the member that is apt's list of them.
        files: members, without the index; on a machine each is called by its last word.
    """

    release: str
    architecture: str
    versions: dict[str, str]
    index: str
    files: tuple[str, ...]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the beginning of a bundle.

    Attributes:
        by: the clawrack that made it.
        made: when, in seconds since 1970.
        items: every member after the first two, in order.
    """

    format: int = FORMAT
    by: str
    made: int
    images: tuple[Image, ...] = ()
    packages: tuple[Packages, ...] = ()
    items: tuple[Item, ...] = ()

    def encoded(self) -> bytes:
        """Return it as it stands in the file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def read(text: bytes, where: str) -> Manifest:
    """Return a manifest.

    Raises:
        Refused: it is of a newer format, or of one that is read no more.
        StateDamaged: it is not whole, or its names are not those of a bundle.
    """
    try:
        said = msgspec.json.decode(text, type=dict[str, object])
        _known(said.get("format"), said.get("by"), where)
        found = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise StateDamaged("offline.damaged", where=where, part=MANIFEST) from error
    if not _sound(found):
        raise StateDamaged("offline.damaged", where=where, part=MANIFEST)
    return found


def _known(number: object, by: object, where: str) -> None:
    if not isinstance(number, int) or isinstance(number, bool):
        raise BadInput("offline.no_bundle", where=where)
    if number != FORMAT and not OLDEST <= number <= FORMAT:
        key = "offline.older" if number < OLDEST else "offline.newer"
        raise Refused(key, where=where, found=number, known=FORMAT, by=str(by)[:40])


def _sound(manifest: Manifest) -> bool:
    """Tell whether every name can stand in a path, every hash is one, and every member that is spoken of is there."""
    names = {item.name for item in manifest.items}
    spoken = {name for row in manifest.images for name in row.files}
    spoken |= {name for row in manifest.packages for name in (row.index, *row.files)}
    hashes = [item.sha256 for item in manifest.items]
    hashes += [one for row in manifest.images for one in (row.key, row.made_from)]
    return (
        len(names) == len(manifest.items)
        and names == spoken
        and all(_NAME.fullmatch(name) for name in names)
        and all(_HASH.fullmatch(one) for one in hashes)
        and all(0 <= item.bytes < 1 << 33 for item in manifest.items)
    )
