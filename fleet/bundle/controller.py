"""What this computer tells for a support bundle: the fleet's files, its status and plan, the ends of its journals."""

import hashlib
import shutil
import sys
import time
from pathlib import Path
from typing import Any, cast

import msgspec

import templates
from fleet import load
from fleet.api import Fleet
from fleet.base import places
from fleet.base.clean import clean, line
from fleet.base.errors import ClawrackError
from fleet.base.names import machine_name
from fleet.base.yaml import read
from fleet.bundle.taken import Had, Made, Taken, had
from fleet.kinds import homes, kind
from fleet.machine.many import many
from fleet.model import Machine, Wish

_END = 1 << 16  # bytes of a journal's end
_REPORTS = 3


def wish(fleet: Fleet, controller: Taken) -> Wish:
    """Return the fleet as its files say it should be; where they cannot be read, the machines whose files can."""
    try:
        return fleet.wish()
    except ClawrackError as error:
        controller.left_out["wish.json"] = line(str(error))
        return Wish(machines=_readable(fleet.folder / "machines"))


def _readable(folder: Path) -> dict[str, Machine]:
    found: dict[str, Machine] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            found[machine_name(path.stem)] = read(path, Machine)
        except ClawrackError:
            continue
    return found


def add(fleet: Fleet, wished: Wish, controller: Taken) -> None:
    """Add what this computer knows of the fleet; a piece that cannot be had is named with its reason."""
    pieces: dict[str, Made] = {
        "wish.json": lambda: msgspec.to_builtins(wished),
        "settings.json": lambda: msgspec.to_builtins(load.settings(fleet.folder)),
        "status.json": lambda: msgspec.to_builtins(fleet.status()),
        "plan.json": lambda: msgspec.to_builtins(fleet.plan()),
        "doctor.json": lambda: _findings(fleet),
        "kinds.json": _kinds,
        "templates.json": lambda: {"sha256": _tree(templates.path("."))},
        "disk.json": lambda: shutil.disk_usage(_there(places.state()))._asdict(),
        "clock.json": lambda: {"at": time.time(), "zone": time.strftime("%Z")},
        "journal.jsonl": lambda: _end(places.state() / "journal.jsonl"),
    }
    for path in sorted((places.state() / "machines").glob("*.jsonl")):
        pieces[f"machines/{path.name}"] = lambda path=path: _end(path)
    for path in sorted((places.state() / "reports").glob("*.txt"))[-_REPORTS:]:
        pieces[f"reports/{path.name}"] = lambda path=path: _end(path)
    asked = [name for name in pieces if name not in controller.left_out]
    for name, piece in zip(asked, many(lambda name: had(pieces[name]), asked), strict=True):
        if isinstance(piece, Had):
            controller.add(name, piece)


def _findings(fleet: Fleet) -> list[dict[str, Any]]:
    """Return what the doctor finds, without the lines of files."""
    found = cast("list[dict[str, Any]]", msgspec.to_builtins(fleet.doctor().findings))
    return [{key: value for key, value in finding.items() if key != "diff"} for finding in found]


def _end(path: Path) -> str:
    """Return the last lines of a file; nothing where there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END))
        text = file.read()
    whole = text.partition(b"\n")[2] if size > _END else text
    return clean(whole.decode("utf-8", "replace"), _END)


def _kinds() -> dict[str, dict[str, str]]:
    return {name: {"version": kind(name).version, "sha256": _tree(home)} for name, home in sorted(homes().items())}


def _tree(folder: Path) -> str:
    """Return one checksum of all files of a folder, their names in it."""
    whole = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        whole.update(f"{content} {path.relative_to(folder).as_posix()}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _there(path: Path) -> Path:
    """Return the path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def versions(by: str) -> dict[str, Any]:
    """Return the versions of clawrack and of what it stands on."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes 20 ms; only a bundle asks
    from platform import machine, release, system  # noqa: PLC0415 - likewise

    found: dict[str, str] = {}
    for package in ("typer", "fabric", "paramiko", "docker", "textual", "msgspec", "cryptography", "jinja2", "pyyaml"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return {
        "clawrack": by,
        "python": sys.version.split()[0],
        "system": f"{system()} {release()} {machine()}",
        "packages": found,
    }
