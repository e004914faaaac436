"""From one clawrack to another on this computer, and back.

A whole environment is made beside the one in use, asked what it reads, and switched to by one rename; install.sh does
the making and the switching. Killed anywhere, there is one that works.
"""

import hashlib
import json
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from clawrack.installation import Environment, Installation, Upgraded, environment, install_sh, installation, ours
from fleet.base import formats, places
from fleet.base.errors import ActionFailed, BadInput, Refused
from fleet.base.formats import Said
from fleet.base.words import say
from fleet.load import default_folder

_FIRST = dict.fromkeys(formats.FORMATS, 1)
"""What a clawrack reads that is too old to say so."""
_NEEDED = ("pyproject.toml", "requirements.lock", "requirements-build.lock", "clawrack")
_HEX64 = frozenset("0123456789abcdef")
_GUARDED = Path("/var/lib/clawrack/version")


class Source(msgspec.Struct, frozen=True):
    """What is to be installed: a checkout, or a wheel with its checksum."""

    path: Path
    version: str
    sha256: str = ""


class Kept(msgspec.Struct, frozen=True):
    """Something of ours on this computer, and the format that it is in."""

    name: str
    where: str
    format: int


def source(path: Path, sha256: str = "") -> Source:
    """Return what a path names.

    Args:
        path: a checkout's folder, or a wheel.
        sha256: that the wheel must have; else it stands in PATH.sha256.

    Raises:
        BadInput: it is neither, or the wheel's checksum is not told.
        Refused: the wheel has another checksum.
    """
    path = path.absolute()
    if not path.is_dir():
        return _wheel(path, sha256.lower())
    if sha256:
        raise BadInput("self.checkout_checksum", where=str(path), path=path)
    try:
        project: dict[str, Any] = tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8")).get(
            "project", {}
        )
    except (OSError, ValueError):
        project = {}
    if project.get("name") != "clawrack" or not all((path / name).exists() for name in _NEEDED):
        raise BadInput("self.not_a_checkout", where=str(path))
    return Source(path, str(project.get("version", "")))


def _wheel(path: Path, sha256: str) -> Source:
    if not path.is_file() or path.suffix != ".whl":
        raise BadInput("self.not_a_source", where=str(path))
    wanted = sha256 or _beside(path)
    if len(wanted) != len(hashlib.sha256().hexdigest()) or not _HEX64.issuperset(wanted):
        raise BadInput("self.no_checksum", where=str(path), path=path)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise Refused("self.wrong_checksum", where=str(path), wanted=wanted, found=found, path=path)
    name, _, rest = path.name.partition("-")
    if name != "clawrack" or not zipfile.is_zipfile(path):
        raise BadInput("self.not_a_source", where=str(path))
    return Source(path, rest.partition("-")[0], wanted)


def _beside(path: Path) -> str:
    """Return the checksum in PATH.sha256, as sha256sum writes it; empty where there is none."""
    try:
        words = path.with_name(f"{path.name}.sha256").read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return ""
    return words[0].lower() if words else ""


def upgrade(wanted: Source, *, quiet: bool) -> Upgraded:
    """Make an environment of the source and switch to it.

    Raises:
        Refused: install.sh did not install this clawrack, or the other one could not read what this one has written.
        ClawrackError: it could not be made; the one in use stays.
    """
    found = installation()
    home, now = ours(found)
    words = ("--stage", str(wanted.path), *(("--sha256", wanted.sha256) if wanted.sha256 else ()))
    install_sh(now, *words, quiet=quiet)
    staged = environment((home / "staged").readlink())
    if staged.path == now.path:
        install_sh(now, "--drop", quiet=True)
        return Upgraded(before=found.version, version=found.version, environment=now.path, changed=False)
    try:
        judge(Path(staged.path), staged.version)
    except Refused:
        install_sh(now, "--drop", quiet=True)
        raise
    install_sh(now, "--switch", quiet=True)
    return Upgraded(before=found.version, version=staged.version, environment=staged.path, changed=True)


def previous(found: Installation) -> Environment:
    """Return the environment that was in use before this one.

    Raises:
        Refused: there is none.
    """
    ours(found)
    if found.before is None:
        raise Refused("self.nothing_before", where=found.home)
    return found.before


def rollback() -> Upgraded:
    """Switch to the environment that was in use before this one.

    Raises:
        Refused: there is none, or it could not read what this one has written.
    """
    found = installation()
    _, now = ours(found)
    before = previous(found)
    judge(Path(before.path), before.version)
    install_sh(now, "--back", quiet=True)
    return Upgraded(before=found.version, version=before.version, environment=before.path, changed=True)


def judge(env: Path, version: str) -> None:
    """Refuse an environment that could not read on what lies on this computer.

    Raises:
        Refused: something is of a newer format than it reads.
        ActionFailed: it does not run.
    """
    reads = reads_of(env)
    for kept in local():
        known = reads.get(kept.name, kept.format)
        if kept.format > known:
            what = say(f"format.name.{kept.name}")
            raise Refused(
                "self.older", where=kept.where, version=version or "?", what=what, found=kept.format, known=known
            )


def reads_of(env: Path) -> dict[str, int]:
    """Return which formats the clawrack of an environment reads, as it says itself.

    Raises:
        ActionFailed: it does not run.
    """
    words = (str(env / "bin" / "clawrack"), "self", "formats", "--json")
    try:
        ran = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionFailed("self.does_not_run", where=str(env), reason=type(error).__name__) from error
    if ran.returncode == BadInput.exit_code:  # it does not know the question
        return _FIRST
    try:
        return msgspec.convert(json.loads(ran.stdout)["formats"], dict[str, int])
    except (ValueError, LookupError, TypeError) as error:
        raise ActionFailed("self.does_not_run", where=str(env), reason=f"exit {ran.returncode}") from error


def local() -> Iterator[Kept]:
    """Yield what lies on this computer, with its formats; the machine's own state where we may read it."""
    for name, path, said in _local():
        if path.exists():
            yield Kept(name, str(path), said.format)


def _local() -> Iterator[tuple[str, Path, Said]]:
    yield from _of_the_fleet(default_folder())
    state = places.state()
    yield "journal", state / "journal.jsonl", formats.in_last_line(state / "journal.jsonl", "v")
    for path in sorted(state.glob("rollouts/*/rollout.json")):
        yield "rollout", path, formats.in_json(_read(path), "version")
    for name, pattern in (("vault", "vault.age"), ("recovery-key", "recovery.json"), ("backup-note", "backups/*.note")):
        for path in sorted(state.glob(pattern)):
            yield name, path, formats.in_json(_read(path).partition(b"\n")[2], "version")
    for path in sorted(state.glob("machines/*.jsonl")):
        yield "machine-journal", path, formats.in_last_line(path, "version")
    yield "hosts", state / "hosts.json", formats.in_json(_read(state / "hosts.json"), "version")
    for path in sorted((places.cache() / "images").glob("*/image.json")):
        yield "image", path, formats.in_json(_read(path), "format")
    kept = _read(_GUARDED).strip()
    yield "machine-state", _GUARDED, Said(int(kept) if kept.isdigit() else 1)


def _of_the_fleet(folder: Path) -> Iterator[tuple[str, Path, Said]]:
    yield "fleet", folder / "fleet.yaml", formats.in_yaml(folder / "fleet.yaml", "version")
    for name in ("machine", "agent"):
        for path in sorted(folder.glob(f"{name}s/*.yaml")):
            yield name, path, formats.in_yaml(path, "format")
    for path in sorted(folder.glob("tombs/*.yaml")):
        yield "tombstone", path, formats.in_yaml(path, "version")
    for path in sorted(folder.glob("twins/*.yaml")):
        yield "twin", path, formats.in_yaml(path, "version")
    for path in sorted(folder.glob("imports/*.yaml")):
        yield "import", path, formats.in_yaml(path, "format")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
