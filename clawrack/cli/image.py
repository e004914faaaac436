"""``clawrack image``: images that were built on this computer, and the versions that a kind may have."""

from typing import Annotated

import msgspec
import typer

from clawrack.cli import show
from clawrack.cli.common import Json, here
from clawrack.cli.frame import Verb, noun
from clawrack.wire import image_cache, published_versions
from fleet.base.clean import line
from fleet.base.words import say
from fleet.kinds import kind
from fleet.versions import older

app = noun()
COLUMNS = ("name", "architecture", "megabytes")
VERSION_COLUMNS = ("image_version", "note")
_MB = 1 << 20
_MOST = 20  # versions in a table; all of them are in the document


class BuiltImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image in this computer's cache.

    Attributes:
        of: what it is of.
        image_version: of the program in it.
        megabytes: of its layers, compressed, 1048576 bytes each: what crosses a wire at most.
        id: by which most engines call it.
    """

    name: str
    of: str
    image_version: str
    architecture: str
    megabytes: int
    id: str


class PublishedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a kind's program.

    Attributes:
        usual: whether a new agent gets it.
        refused: whether it is below the kind's floor, and so cannot be wished for.
        note: the same for people.
    """

    image_version: str
    usual: bool
    refused: bool
    note: str = ""


@app.command("list", cls=Verb)
def list_(*, json: Json = False) -> None:
    """Show the images that were built on this computer."""
    rows = [
        BuiltImage(
            name=line(built.name),
            of=line(built.name.partition("/")[2].partition(":")[0]),
            image_version=line(built.name.partition(":")[2].rpartition("-")[0]),
            architecture=line(built.architecture),
            megabytes=round(built.size / _MB),
            id=built.config_id,
        )
        for built in image_cache().listed()
    ]
    if json:
        show.as_json("images", rows)
    else:
        show.table(rows, here(), "show.no_images", COLUMNS)


@app.command(cls=Verb)
def versions(
    which: Annotated[str, typer.Argument(metavar="KIND")] = "openclaw",
    *,
    json: Json = False,
) -> None:
    """Show the published versions of a kind's program, and which may run."""
    rows = [_version(which, version) for version in reversed(published_versions(which))]
    if json:
        show.as_json("versions", rows)
        return
    show.table(rows[:_MOST], here(), "show.no_versions", VERSION_COLUMNS)
    if len(rows) > _MOST:
        here().line(say("show.older_versions", count=len(rows) - _MOST))


def _version(which: str, version: str) -> PublishedVersion:
    found = kind(which)
    refused = found.floor is not None and older(version, found.floor.version)
    usual = version == found.version
    note = say("show.version_refused") if refused else say("show.version_usual") if usual else ""
    return PublishedVersion(image_version=version, usual=usual, refused=refused, note=note)
