"""Whom a support bundle could betray: every name and secret that this controller knows, before anything is asked."""

import getpass
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

import msgspec

from fleet import journal
from fleet.base import places
from fleet.base.errors import BadInput, ClawrackError
from fleet.bundle.taken import Taken
from fleet.kinds import homes
from fleet.machine.target import parse
from fleet.model import HERE, Wish
from fleet.scrub.log import WORDS
from fleet.scrub.scrubber import Names
from fleet.scrub.shapes import SECRET_NAME, looks_random

ORDINARY = frozenset(
    """
    root admin administrator user guest nobody daemon ubuntu debian pi fedora centos ec2-user lighthouse localhost here
    docker clawrack meter agent machine host controller practice home share tmp var usr opt srv etc mnt data local state
    config cache fleet folder phone email address secret machines agents kinds private lib src work desktop documents
    downloads .config .local .cache
    """.split()  # noqa: SIM905 - a list of fifty words
)
"""What many are called, and says nothing of anybody."""
_LEAST_PART = 4  # characters of a folder's name that could say something


def ordinary() -> set[str]:
    """Return the words that are nobody's name, though an agent or a login may be called so."""
    return {*ORDINARY, *homes()}


def secrets() -> set[str]:
    """Return the secrets on this computer: our private key, and what the environment says by its names to be secret."""
    found = {value for name, value in os.environ.items() if SECRET_NAME.search(name) or _random(value)}
    try:
        key = (places.state() / "key").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return found
    return {*found, *(row for row in key.splitlines() if row and not row.startswith("-----"))}


def _random(value: str) -> bool:
    return "/" not in value and any(looks_random(part) for part in re.split(r"[\W_]", value))


def names(folder: Path, wish: Wish) -> Names:
    """Return the names that are known before any machine is asked: of machines and agents first, in their order."""
    machines = {*wish.machines, *_stems(folder / "machines")}
    agents = {*wish.agents, *_stems(folder / "agents")}
    known = Names({*machines, *agents})
    _add(known, "machine", sorted(machines - {HERE}))
    _add(known, "agent", sorted(agents))
    for _, machine in sorted(wish.machines.items()):
        _add(known, "address", [] if machine.local else [machine.address])
        _add(known, "user", [machine.user])
        _add(known, "id", [machine.id])
    _pinned(known, places.state() / "hosts.json")
    _once(known)
    _here(known, folder)
    return known


def learn(known: Names, taken: Iterable[Taken]) -> None:
    """Add what machines have told of themselves."""
    for one in taken:
        for sort, value in one.names:
            _add(known, sort, [value] if sort != "path" else [])
            if sort == "path" and value not in {"/", "/root"}:
                known.same(value, "~")


def _add(known: Names, sort: str, values: Iterable[str]) -> None:
    for value in values:
        if value and value.casefold() not in ORDINARY:
            known.of(sort, value)
            first, dot, _ = value.partition(".")
            if dot and sort in {"address", "host"} and not first.isdigit() and ":" not in value:
                known.same(first.casefold(), known.of(sort, value))  # a name without its domain


def _pinned(known: Names, path: Path) -> None:
    """Add the machines that were vouched for, also those that are in the fleet no more."""
    try:
        pins = msgspec.json.decode(path.read_bytes(), type=dict[str, list[dict[str, str]] | int]).get("pins")
    except (OSError, msgspec.MsgspecError):
        return
    for pin in pins if isinstance(pins, list) else []:
        _add(known, "machine", [pin.get("name", "")] if pin.get("name") not in {HERE, *known.known} else [])
        _add(known, "address", [re.sub(r"^\[(.*)\]:\d+$", r"\1", pin.get("place", ""))])


def _once(known: Names) -> None:
    """Add whom the journals name: machines that were prepared, agents that were removed."""
    for stem in _stems(places.state() / "machines", "jsonl"):
        try:
            target = parse(unquote(stem)) if "@" in unquote(stem) else None
        except BadInput:
            target = None
        if target:
            _add(known, "user", [target.user])
            _add(known, "address", [target.address])
        elif unquote(stem) not in known.known and unquote(stem) != HERE:
            _add(known, "machine", [unquote(stem)])
    try:
        entries = journal.read(places.state() / "journal.jsonl")
    except (ClawrackError, OSError):
        return
    for action in (entry.action for entry in entries if entry.action):
        _add(known, "machine", [action.machine] if action.machine not in {HERE, *known.known} else [])
        agent = str(getattr(action, "agent", ""))
        _add(known, "agent", [agent] if agent not in known.known else [])


def _here(known: Names, folder: Path) -> None:
    """Add this computer, its person, and its folders."""
    _add(known, "host", [platform.node(), platform.node().partition(".")[0]])
    try:
        known_as = (places.state() / "controller").read_text(encoding="utf-8").strip().rpartition("-")[0]
    except OSError:
        known_as = ""
    _add(known, "host", [known_as])
    users = {os.environ.get(name, "") for name in ("USER", "LOGNAME", "SUDO_USER", "USERNAME")}
    _add(known, "user", sorted(users | {_login()} - {""}))
    for path, name in _folders(folder).items():
        if len(path.parts) > 1:
            known.same(str(path), name)
    for part in sorted({part for path in _folders(folder) for part in path.parts}):
        if len(part) >= _LEAST_PART and part not in known.known and part not in WORDS:
            _add(known, "folder", [part])


def _folders(folder: Path) -> Mapping[Path, str]:
    """Return our folders and what they are called outside."""
    return {folder: "FLEET", places.state(): "STATE", places.cache(): "CACHE", Path.home(): "~"}


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user: in a container, say
        return ""


def _stems(folder: Path, ending: str = "yaml") -> list[str]:
    return sorted(path.stem for path in folder.glob(f"*.{ending}")) if folder.is_dir() else []
