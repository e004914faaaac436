"""The host keys that a person has vouched for: one small file per controller.

A machine is known by its key, not by its address. What was pinned and what is shown now give a verdict; only a person's
word, by ``pin``, changes the file.
"""

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleet.base import formats
from fleet.base.errors import BadInput, ClawrackError, StateDamaged
from fleet.machine import hostkey
from fleet.machine.hostkey import HostKey
from fleet.machine.refusals import HostKeyChanged, HostKeyMoved, HostKeyTwice, HostKeyUnknown
from fleet.machine.target import Target

VERSION = formats.FORMATS["hosts"]
_LARGEST = 16 << 20
_LOGINS = re.compile(r"[^,@]+@")


class _Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    place: str
    key: str
    twice: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    pins: list[_Pin]


@dataclass(frozen=True, slots=True)
class Known:
    """The pinned key, where it was pinned."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A machine that nobody has vouched for."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Another key than the pinned one; this always stops."""

    pinned: str
    shown: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A known key at a new place: offered as moved, once its old place is known to be silent or another's.

    Attributes:
        name: the machine that the key was pinned for.
        old: the place it was pinned at; empty where another machine has it by now.
        fingerprint: of the key.
    """

    name: str
    old: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Twice:
    """One key at two places that are both alive: both are stopped until a person pins one of them again."""

    name: str
    other: str
    fingerprint: str


Verdict = Known | Unknown | Changed | Moved | Twice


class Pins:
    """The file of pinned keys. Processes may share it: writes are atomic, and one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def key_of(self, name: str, target: Target) -> HostKey | None:
        """Return the key to expect of a machine there; None where nobody has vouched for it.

        Raises:
            HostKeyTwice: its key was seen at two live places.
            StateDamaged: the file is not whole.
        """
        pin = _find(self._read(), name, target.place)
        if pin and pin.twice:
            raise HostKeyTwice(target.place, pin.twice, hostkey.parse(pin.key).fingerprint)
        return hostkey.parse(pin.key) if pin else None

    def place_of(self, name: str) -> str | None:
        """Return where the machine's key was pinned."""
        pin = next((pin for pin in self._read() if pin.name == name), None)
        return pin.place if pin else None

    def judge(self, name: str, target: Target, shown: HostKey) -> Verdict:
        """Return what to make of a key that is shown for a machine at a place; nothing is written or asked.

        Raises:
            StateDamaged: the file is not whole.
            Refused: a newer clawrack wrote it.
        """
        pins = self._read()
        same = next((pin for pin in pins if pin.key == str(shown)), None)
        if same and same.twice:
            return Twice(same.name, same.twice, shown.fingerprint)
        pin = _find(pins, name, target.place)
        if pin and pin.key != str(shown):
            return Changed(hostkey.parse(pin.key).fingerprint, shown.fingerprint)
        if same and _one_place(same.place, target):
            return Known()
        if same:
            return Moved(same.name, same.place, shown.fingerprint)
        return Unknown(shown.fingerprint)

    def settle(  # noqa: PLR0913 - all but the first three have their usual values
        self,
        name: str,
        target: Target,
        shown: HostKey,
        *,
        at: Callable[[str], Target] = Target.at,
        one: Callable[[Target, HostKey], bool] | None = None,
        timeout: float = 5.0,
    ) -> Verdict:
        """Judge, and where a known key shows up at a new place, ask the old place too.

        If it still answers with the same key there, both are marked, so that both stop.

        Args:
            name: of the machine.
            target: where it is now.
            shown: the key that it shows.
            at: returns the target of a place, its jump hosts open.
            one: tells whether the old place, which shows the key as well, is the same machine, with two addresses.
            timeout: seconds for asking the old place.
        """
        verdict = self.judge(name, target, shown)
        if not isinstance(verdict, Moved) or not verdict.old:
            return verdict
        old = at(verdict.old)
        if _answers_with(shown, old, timeout) and not (one and one(old, shown)):
            self._mark_twice(str(shown), target.place)
            return Twice(verdict.name, verdict.old, verdict.fingerprint)
        return verdict

    def pin(self, name: str, target: Target, key: HostKey) -> None:
        """Vouch for a key: the machine is known by it from now on, at this place, and no other machine is.

        A machine that was known there keeps its key, so that it is known again where it went.
        """
        with self._changing() as pins:
            kept = [_away(pin, target.place) for pin in pins if pin.name != name and pin.key != str(key)]
            self._write([*kept, _Pin(name, target.place, str(key))])

    def forget(self, name: str) -> None:
        """Vouch for the machine no more."""
        with self._changing() as pins:
            self._write([pin for pin in pins if pin.name != name])

    def _mark_twice(self, key: str, place: str) -> None:
        with self._changing() as pins:
            self._write([msgspec.structs.replace(pin, twice=place) if pin.key == key else pin for pin in pins])

    def _read(self) -> list[_Pin]:
        try:
            text = self._path.read_bytes()
            formats.check("hosts", formats.in_json(text, "version"), str(self._path))
            file = msgspec.json.decode(text, type=_File)
            for pin in file.pins:
                hostkey.parse(pin.key)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError, BadInput) as error:
            raise StateDamaged("pins.damaged", where=str(self._path), path=self._path) from error
        if file.version != VERSION or len(text) > _LARGEST:
            raise StateDamaged("pins.damaged", where=str(self._path), path=self._path)
        return file.pins

    @contextlib.contextmanager
    def _changing(self) -> Generator[list[_Pin]]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read()
        finally:
            os.close(lock)

    def _write(self, pins: list[_Pin]) -> None:
        text = msgspec.json.format(msgspec.json.encode(_File(VERSION, pins)), indent=1)
        fresh = self._path.with_name(f".{self._path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


def refusal(verdict: Verdict, target: Target, shown: HostKey) -> ClawrackError | None:
    """Return why a key may not be used without a person; None where it is known."""
    match verdict:
        case Known():
            return None
        case Unknown():
            return HostKeyUnknown(str(target), verdict.fingerprint, shown.kind)
        case Changed():
            return HostKeyChanged(target.place, verdict.pinned, verdict.shown)
        case Moved():
            return HostKeyMoved(str(target), verdict.name, verdict.old, verdict.fingerprint)
        case Twice():
            return HostKeyTwice(target.place, verdict.other, verdict.fingerprint)


def _find(pins: list[_Pin], name: str, place: str) -> _Pin | None:
    """Return the machine's pin: by its name first, for addresses move; else by its place."""
    by_name = next((pin for pin in pins if pin.name == name), None)
    return by_name or next((pin for pin in pins if pin.place == place), None)


def _away(pin: _Pin, place: str) -> _Pin:
    """Return a pin as it is once its place is another machine's."""
    return msgspec.structs.replace(pin, place="") if pin.place == place else pin


def _one_place(pinned: str, target: Target) -> bool:
    """Return whether a place is the target's: who logs in to its jump hosts is nobody's business.

    One address with jump hosts and without is one place too, where the key is the same: another way to it.
    """
    old = Target.at(pinned)
    if old.own_place != target.own_place:
        return False
    return not (old.via and target.via) or _LOGINS.sub("", old.via) == _LOGINS.sub("", target.via)


def _answers_with(key: HostKey, old: Target, timeout: float) -> bool:
    try:
        return hostkey.fetch(old, timeout, key.kind) == key
    except ClawrackError:
        return False
