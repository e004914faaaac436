"""imports/NAME.yaml in the fleet's folder: a container of somebody else's that the fleet knows of.

A watched one is shown and left alone. One that was taken over is an agent of ours, and its file says what it came from,
so that it can be given back.
"""

from pathlib import Path
from typing import Literal

import msgspec

from fleet.adopt.recognise import Found
from fleet.base import formats
from fleet.base.disk import replace
from fleet.base.errors import BadInput
from fleet.base.names import agent_name, machine_name
from fleet.base.yaml import read
from fleet.views import WatchedView

FORMAT = formats.FORMATS["import"]


class Watched(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One file.

    Attributes:
        format: of the file; written where it is not 1.
        machine: its name in the fleet.
        container: its name, and its ``id``.
        kind, version, image: as they were when it was looked at.
        state: ``watching``: untouched; ``taken``: an agent of ours, and the container is kept stopped.
    """

    format: int = 1
    machine: str
    container: str
    id: str
    kind: str
    version: str = ""
    image: str = ""
    state: Literal["watching", "taken"] = "watching"


def load(folder: Path) -> dict[str, Watched]:
    """Return every container that is known, by the name of its file.

    Raises:
        BadInput: a file is not as it should be.
        Refused: a newer clawrack wrote one.
    """
    return {path.stem: _one(path) for path in sorted((folder / "imports").glob("*.yaml"))}


def find(folder: Path, name: str) -> Watched:
    """Return what is known under a name.

    Raises:
        BadInput: nothing is, or the file is not as it should be.
        Refused: a newer clawrack wrote it.
    """
    path = _path(folder, name)
    if not path.exists():
        raise BadInput("import.not_watched", name=name, known=", ".join(load(folder)) or "-")
    return _one(path)


def views(folder: Path) -> tuple[WatchedView, ...]:
    """Return those that are left alone, for people to see."""
    found = ((name, one) for name, one in load(folder).items() if one.state == "watching")
    return tuple(
        WatchedView(name=name, machine=one.machine, container=one.container, kind=one.kind, version=one.version)
        for name, one in found
    )


def note(folder: Path, found: Found, name: str, state: Literal["watching", "taken"] = "watching") -> None:
    """Write down what was found, under a name."""
    watched = Watched(
        machine=found.machine, container=found.container, id=found.id, kind=found.kind, version=found.version,
        image=found.image, state=state,
    )  # fmt: skip
    save(folder, name, watched)


def save(folder: Path, name: str, watched: Watched) -> None:
    """Write a file."""
    rows = [f"{key}: {msgspec.json.encode(value).decode()}\n" for key, value in msgspec.to_builtins(watched).items()]
    replace(_path(folder, name), "".join(rows).encode())


def forget(folder: Path, name: str) -> None:
    """Remove a file."""
    _path(folder, name).unlink(missing_ok=True)


def _one(path: Path) -> Watched:
    try:
        found = read(path, Watched)
    except BadInput:
        formats.check("import", formats.in_yaml(path, "format"), str(path))
        raise
    formats.check("import", formats.Said(found.format), str(path))
    agent_name(path.stem, str(path))
    machine_name(found.machine, str(path))
    return found


def _path(folder: Path, name: str) -> Path:
    return folder / "imports" / f"{name}.yaml"
