"""What an image is made of, as a file says it (templates/…/image.yaml), and the hash that names the result."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from fleet.base.errors import BadInput
from fleet.base.yaml import read
from fleet.kinds import METER, check_version, kind, recipe_file
from fleet.versions import older

ASSEMBLY = 2
"""The version of our rules of assembly, part of every hash: raise it when the same recipe gives another image."""

DROP = (
    *("debconf", "dpkg", "init-system-helpers", "libdebconfclient0", "login", "login.defs", "passwd", "usrmerge"),
    *("libpam-modules", "libpam-modules-bin", "libpam-runtime", "libfile-find-rule-perl", "libnumber-compare-perl"),
    *("libtext-glob-perl", "libgdbm*", "libperl5*", "perl", "perl-modules-*", "git-man", "liberror-perl"),
)
"""Packages that others depend on for their scripts alone, or for what no image of ours does: installing, logging in."""
PRUNE = (
    *(
        f"usr/share/{name}/**"
        for name in ("man", "info", "locale", "lintian", "bug", "bash-completion", "gitweb", "i18n")
    ),
    *("usr/share/doc/**", "usr/share/perl5/**", "usr/share/zoneinfo/right/**", "usr/share/zoneinfo/posix/**"),
    *("usr/lib/systemd/**", "usr/lib/python3/dist-packages/**/tests/**", "etc/init.d/**"),
    *(f"usr/local/lib/node_modules/npm/{name}/**" for name in ("docs", "man")),
)
"""What no program reads. Licences stay: see KEEP."""
KEEP = ("usr/share/doc/*", "usr/share/doc/*/copyright")

_PIP = "pip:"
Architecture = Literal["amd64", "arm64"]
NODE_CPU: Mapping[str, str] = {"amd64": "x64", "arm64": "arm64"}


class File(msgspec.Struct, frozen=True):
    """One file of ours in the image: its path there, whether it can be run, its content."""

    to: str
    executable: bool
    content: bytes


class Directory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One directory that must be there, with its owner; `mode` as octal text."""

    path: str
    uid: int = 0
    gid: int = 0
    mode: str = "0755"


class User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of /etc/passwd and one of /etc/group."""

    name: str
    uid: int
    gid: int
    home: str = "/"
    shell: str = "/usr/sbin/nologin"


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Docker's own health check; all times in seconds."""

    test: tuple[str, ...]
    interval: int = 180
    timeout: int = 10
    start_period: int = 15
    retries: int = 3


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image, as its recipe tells it; every path is in the image; a leading slash makes no difference.

    Attributes:
        format: of this file.
        name: of the image; it is loaded as ``clawrack/NAME:VERSION-…``, a leading ``clawrack-`` not said twice.
        version: of the program in it; ``{version}`` in `app` and `registry` becomes it.
        registry: where the official image is, best first, with its tag; tags are resolved to digests at first use.
        apt: packages of the distribution, installed with what they depend on, without recommendations.
        drop: patterns of packages that are depended on, but not needed; besides `DROP`.
        node: version of Node.js with npm, none where empty.
        app: the npm package that is the application, none where empty; it goes to `app_path`. With ``pip:`` before it,
            a requirement of the Python registry, wheels alone, for the python3 among `apt`.
        app_path: where.
        needs: paths that must be there in the end, or the build fails; ``{cpu}`` is Node's name of the architecture,
            ``{multiarch}`` Debian's.
        prune: patterns of paths to leave out, besides `PRUNE`; ``**`` crosses slashes.
        keep: patterns of paths that stay although `prune` says otherwise, besides `KEEP`.
        links: symbolic links, path → target.
        files: of ours: path beside the recipe → path in the image; a folder goes with all that is in it.
        directories: that must be there.
        users: besides root and nobody.
        env: environment variables.
        entrypoint: the words before the command.
        cmd: the command.
        workdir: where it starts.
        user: who it is, ``uid:gid``.
        mounts: directories that something is mounted on when it runs → what, for the reader.
        port: TCP port that it listens on, 0 for none.
        stop_seconds: what it needs to stop, for whoever runs it.
        labels: of the image.
        health: Docker's own check, for people who run the image by hand.
        epoch: the time that every file has and the image was "created", in seconds since 1970.
        ours: the content of `files`, filled by `load`.
    """

    format: Literal[1] = 1
    name: str
    version: str
    registry: tuple[str, ...] = ()
    apt: tuple[str, ...]
    drop: tuple[str, ...] = ()
    node: str = ""
    app: str = ""
    app_path: str = "app"
    needs: tuple[str, ...] = ()
    prune: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    links: dict[str, str] = {}
    files: dict[str, str] = {}
    directories: tuple[Directory, ...] = ()
    users: tuple[User, ...] = ()
    env: dict[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    workdir: str = "/"
    user: str = ""
    mounts: dict[str, str] = {}
    port: int = 0
    stop_seconds: int = 10
    labels: dict[str, str] = {}
    health: Health | None = None
    epoch: int = 1767225600
    ours: tuple[File, ...] = ()

    @property
    def requirement(self) -> str:
        """The application as pip is asked for it; empty where it is none of pip's."""
        return self.app.removeprefix(_PIP) if self.app.startswith(_PIP) else ""

    @property
    def package(self) -> str:
        """The application as npm is asked for it; empty where it is none of npm's."""
        return "" if self.requirement else self.app


class Older(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is otherwise in older versions: those before ``before`` have not what ``lacks`` names of `needs`."""

    before: str
    lacks: tuple[str, ...]


class _File(Recipe, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A recipe as its file has it: what is true of older versions alone is no part of any one image."""

    older: tuple[Older, ...] = ()


def load(path: Path, version: str = "") -> Recipe:
    """Return the recipe in a file, with the contents of its own files; ``version`` asks for another than the file's.

    Raises:
        BadInput: the file or one beside it cannot be read, or has another shape.
    """
    written = read(path, _File)
    wanted = version or written.version
    lacks = {path for one in written.older if older(wanted, one.before) for path in one.lacks}
    recipe = Recipe(**{name: getattr(written, name) for name in Recipe.__struct_fields__})
    ours = tuple(file for source, to in sorted(recipe.files.items()) for file in _files(path.parent / source, to))
    named = tuple(ref.replace("{version}", wanted) for ref in recipe.registry)
    app = recipe.app.replace("{version}", wanted)
    return msgspec.structs.replace(
        recipe,
        version=wanted,
        needs=tuple(path for path in recipe.needs if path not in lacks),
        ours=ours,
        registry=named,
        app=app,
        drop=(*DROP, *recipe.drop),
        prune=(*PRUNE, *recipe.prune),
        keep=(*KEEP, *recipe.keep),
    )


def recipe_of(of: str, version: str = "") -> Recipe:
    """Return the recipe of a kind's image, or of the meter's; ``version`` asks for another than the file's.

    Raises:
        BadInput: there is no such kind, or that is no version.
        Refused: the version is below the kind's floor.
    """
    if version and of != METER:
        check_version(kind(of), version)
    return load(recipe_file(of), version)


def _files(source: Path, to: str) -> Iterator[File]:
    """Yield a file, or all in a folder but what Python has compiled."""
    try:
        if not source.is_dir():
            yield File(to, bool(source.stat().st_mode & 0o100), source.read_bytes())
            return
        for path in sorted(source.rglob("*")):
            inside = path.relative_to(source)
            if path.is_file() and "__pycache__" not in inside.parts:
                yield File(f"{to}/{inside.as_posix()}", bool(path.stat().st_mode & 0o100), path.read_bytes())
    except OSError as error:
        raise BadInput("file.unreadable", where=str(source), reason=error.strerror) from error


def recipe_key(recipe: Recipe, architecture: Architecture, authorities: bytes = b"") -> str:
    """Return the hash (64 hex digits) of what was asked for, before anything is resolved."""
    return _hash([ASSEMBLY, recipe, architecture, authorities])


def recipe_hash(
    recipe: Recipe, architecture: Architecture, resolved: Mapping[str, str], authorities: bytes = b""
) -> str:
    """Return the hash (64 hex digits) of what goes into the image.

    Args:
        recipe: with its files.
        architecture: Docker's word for it.
        resolved: the distribution's packages, name → version, as apt chose them.
        authorities: certificates (PEM) that are added to the image's own by explicit wish.
    """
    return _hash([ASSEMBLY, recipe, architecture, sorted(resolved.items()), authorities])


def _hash(parts: list[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()
