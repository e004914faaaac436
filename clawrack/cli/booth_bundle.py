"""``clawrack booth bundle``: one file with which machines are set up where there is no network."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import msgspec
import typer

from clawrack.cli import show
from clawrack.cli.common import Json, here, listening
from fleet.base.errors import BadInput
from fleet.base.event import Event, Listener
from fleet.base.words import say
from fleet.kinds import kind as known_kind
from installer.answers import KIND

if TYPE_CHECKING:
    from installer.offline.gather import Asked
    from installer.offline.tarball import Tarball


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle.

    Attributes:
        path: the file.
        size: of it, in bytes.
        by: the clawrack that made it.
        made: when, in this computer's time.
        images: kind, version and architecture of each.
        packages: the releases and architectures that it holds Docker's packages for.
        seal: the checksum of its manifest, which names the checksums of all else.
    """

    path: str
    size: int
    by: str
    made: str
    images: tuple[str, ...]
    packages: tuple[str, ...]
    seal: str


def bundle(  # noqa: PLR0913 - what is to be in it, where it goes, or which one to look at
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE")] = None,
    arch: Annotated[str, typer.Option("--arch", metavar="amd64,arm64")] = "",
    release: Annotated[str, typer.Option("--release", metavar="bookworm,…")] = "",
    kind: Annotated[list[str] | None, typer.Option("--kind", metavar="KIND")] = None,
    check: Annotated[Path | None, typer.Option("--check", metavar="FILE")] = None,
    json: Json = False,
) -> None:
    """Write one file from which machines are set up without a network, or check one."""
    from installer.offline import tarball  # noqa: PLC0415 - takes half a second; a help page does not wait for it

    if (out is None) == (check is None):
        raise BadInput("offline.out_or_check")
    with listening(as_json=json) as listener:
        if out:
            _write(_asked(arch, release, kind or [KIND], listener), out.expanduser(), listener)
        ball = tarball.opened((out or check or Path()).expanduser())
        if check:
            tarball.check(ball)
    _told(ball, checked=bool(check), as_json=json)


def _write(asked: "Asked", out: Path, listener: Listener) -> None:
    from clawrack import wire  # noqa: PLC0415 - see bundle
    from installer.offline.gather import gather  # noqa: PLC0415 - likewise

    gather(asked, out, wire.image_cache(), listener, int(time.time()))


def _asked(arch: str, release: str, kinds: list[str], listener: Listener) -> "Asked":
    """Return what was asked for; where nothing was, all architectures, and all releases that can be checked here.

    Raises:
        BadInput: there is no such architecture, release or kind.
    """
    from fleet.images.recipe import Architecture  # noqa: PLC0415 - see bundle
    from installer.offline import suites  # noqa: PLC0415 - likewise
    from installer.offline.gather import Asked  # noqa: PLC0415 - likewise

    architectures = _chosen(arch, get_args(Architecture), "offline.unknown_architecture")
    releases = _chosen(release, suites.RELEASES, "offline.unknown_release") if release else _checkable(listener)
    named = tuple(dict.fromkeys(known_kind(name).name for name in kinds))
    return Asked(named, cast("tuple[Architecture, ...]", architectures), releases)


def _chosen(text: str, known: tuple[str, ...], complaint: str) -> tuple[str, ...]:
    """Return the words between the commas, each of which must be known; all that are known where there are none."""
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = next((word for word in words if word not in known), "")
    if unknown:
        raise BadInput(complaint, name=unknown, known=", ".join(known))
    return words or known


def _checkable(listener: Listener) -> tuple[str, ...]:
    """Return the releases whose key ring is on this computer, and say which are left out."""
    from installer.offline import suites  # noqa: PLC0415 - see bundle

    found: list[str] = []
    for one in suites.DISTRIBUTIONS:
        if Path(one.ring).exists():
            found += one.releases
            continue
        params = {"release": ", ".join(one.releases), "package": one.package}
        listener(Event(kind="note", subject="bundle", step="offline.step.left_out", params=params))
    return tuple(found)


def _told(ball: "Tarball", *, checked: bool, as_json: bool) -> None:
    held = view(ball)
    if as_json:
        show.as_json("offline_bundle", held)
        return
    to = here()
    show.details(held, to, ("path", "by", "made", "images", "packages"))
    if checked:
        to.line()
        to.line(say("offline.whole"))
    to.line(say("offline.seal", seal=held.seal[:16]))


def usable(path: str) -> str:
    """Return the whole path of a bundle for a day at the booth, where nobody wants to find out later; empty for none.

    Raises:
        BadInput, Refused, StateDamaged: it is none, not ours to read, or cut short.
    """
    from installer.offline import tarball  # noqa: PLC0415 - see bundle

    return str(tarball.opened(Path(path).expanduser().absolute()).path) if path else ""


def view(ball: "Tarball") -> Held:
    """Return what people and scripts are shown of a bundle."""
    told = ball.manifest
    return Held(
        path=str(ball.path),
        size=ball.path.stat().st_size,
        by=told.by,
        made=time.strftime("%Y-%m-%d %H:%M", time.localtime(told.made)),
        images=tuple(f"{row.of} {row.version} {row.architecture}" for row in told.images),
        packages=tuple(f"{row.release} {row.architecture}" for row in told.packages),
        seal=ball.seal,
    )
