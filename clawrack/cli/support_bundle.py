"""``clawrack support-bundle``: one archive for a helper, with nothing in it that is anybody's."""

import hashlib
import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from clawrack import version
from clawrack.cli import show
from clawrack.cli.asking import Person, at_terminal
from clawrack.cli.common import Json, Yes, here, listening, open_fleet
from clawrack.cli.frame import Verb, lone
from fleet.base import places
from fleet.base.cells import pad, width, wrap
from fleet.base.disk import replace
from fleet.base.errors import ActionFailed, BadInput, Refused
from fleet.base.event import Listener
from fleet.base.words import language, say
from fleet.model import Wish
from fleet.near import no_machine

if TYPE_CHECKING:
    from fleet.api import Fleet
    from fleet.bundle.form import Bundle, File

app = lone()


@app.command(cls=Verb)
def support_bundle(
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE")] = None,
    machine: Annotated[list[str] | None, typer.Option("--machine", metavar="NAME")] = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Write one file with what a helper needs to know, and nothing that is anybody's."""
    path = out or Path(time.strftime("clawrack-support-%Y%m%d-%H%M%S.tar.gz"))
    chosen = machine or []
    again = _again(path, chosen)
    _room(path, chosen)
    fleet = open_fleet()
    _known(fleet, chosen)
    if not yes and (json or not at_terminal()):
        raise Refused("bundle.needs_yes", command=f"{again} --yes")
    with listening(as_json=json, subjects=True) as listener:
        bundle = _make(fleet, chosen, listener)
    content = bundle.packed()
    if not json:
        _list(bundle)
    if not yes and not Person().confirm("bundle.question", path=path):
        raise Refused("bundle.not_wanted", command=again)
    kept = _keep(bundle, path, content)
    _write(path, content)
    if json:
        show.as_json("bundle", bundle.written(path, len(content), kept))
    else:
        here().line(say("bundle.written", path=path, kilobytes=-(-len(content) // 1024)))
        here().line(say("bundle.names", path=kept))


def _again(path: Path | None, machines: list[str]) -> str:
    """Return the line to type once more."""
    named = (word for name in machines for word in ("--machine", name))
    out = ("--out", str(path)) if path else ()
    return shlex.join(("clawrack", "support-bundle", *out, *named))


def _room(path: Path, machines: list[str]) -> None:
    """See that the archive can come there, before anybody waits for it.

    Raises:
        Refused: something is there.
        BadInput: its folder is missing, or may not be written.
    """
    if path.exists() or path.is_symlink():
        raise Refused("bundle.exists", where=str(path), command=_again(None, machines))
    if not path.parent.is_dir():
        raise BadInput("bundle.no_folder", where=str(path.parent), command=_again(Path(path.name), machines))
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise BadInput("bundle.not_writable", where=str(path.parent), command=_again(Path.home() / path.name, machines))


def _known(fleet: "Fleet", machines: list[str]) -> None:
    """See that the chosen machines are the fleet's.

    Raises:
        BadInput: there is none of that name, or a file of the fleet's is damaged: then no machine can be chosen.
    """
    wish = fleet.wish() if machines else Wish()
    for name in machines:
        if name not in wish.machines:
            raise no_machine(name, wish)


def _make(fleet: "Fleet", machines: list[str], listener: Listener) -> "Bundle":
    from clawrack import wire  # noqa: PLC0415 - all that a bundle stands on; a help page does not wait for it
    from fleet.bundle.controller import versions  # noqa: PLC0415 - likewise
    from fleet.bundle.make import Maker, make  # noqa: PLC0415 - likewise

    told = {"versions.json": versions(version()), "terminal.json": _terminal()}
    return make(fleet, Maker(version(), wire.probed, told), machines, listener)


def _terminal() -> dict[str, Any]:
    """Return what is known of the terminal; of the environment only what says nothing of anybody."""
    size = shutil.get_terminal_size((0, 0))
    told = ("TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "CLAWRACK_LANG", "COLUMNS")
    return {
        "columns": size.columns,
        "rows": size.lines,
        "seen": {name: stream.isatty() for name, stream in (("out", sys.stdout), ("err", sys.stderr))},
        "encoding": sys.stdout.encoding,
        "language": language(),
        "environment": {name: os.environ[name] for name in told if name in os.environ},
    }


def _list(bundle: "Bundle") -> None:
    to = here()
    files = bundle.manifest.files
    left = max(width(file.name) for file in files)
    for file in files:
        to.line(f"{pad(file.name, left)}  {say('bundle.bytes', bytes=file.bytes)}")
        for row in wrap(_removed(file), to.columns, "    ") if file.removed else []:
            to.line(to.paint(row, "dim"))
    to.line()
    for row in _lacks(bundle):
        to.line(f"{to.paint('!', 'warn')} {row}")


def _lacks(bundle: "Bundle") -> list[str]:
    """Return what could not be had, a line for each machine and one for this computer."""
    left = {"controller": bundle.manifest.left_out, **{one.name: one.left_out for one in bundle.manifest.machines}}
    silent = [say("bundle.silent", name=one.name, why=one.why) for one in bundle.manifest.machines if one.why]
    return [*silent, *(say("bundle.lacks", name=name, what=" · ".join(what)) for name, what in left.items() if what)]


def _removed(file: "File") -> str:
    sorts = [f"{count} {say(f'bundle.sort.{sort}')}" for sort, count in file.removed.items()]
    return say("bundle.removed", what=" · ".join(sorts))


def _keep(bundle: "Bundle", path: Path, content: bytes) -> Path:
    """Keep who is called what in an archive of this content, for this computer's person alone; return the file.

    Raises:
        ActionFailed: it cannot be written.
    """
    name = f"{path.name.removesuffix('.tar.gz')}-{hashlib.sha256(content).hexdigest()[:8]}.names.json"
    kept = places.state() / "bundles" / name
    told = {"version": 1, "names": bundle.names}
    replace(kept, msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n")
    return kept


def _write(path: Path, content: bytes) -> None:
    """Write the archive; a file that has come there meanwhile stays.

    Raises:
        Refused: there is one.
        ActionFailed: it cannot be written.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except FileExistsError as error:
        raise Refused("bundle.exists", where=str(path), command=_again(None, [])) from error
    except OSError as error:
        raise ActionFailed("disk.not_written", where=str(path), reason=error.strerror or str(error)) from error
