"""Typed calls to the part of the guard that puts states by, takes them in, and lets backups rest."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import msgspec

from fleet.backup.bundle import MOST, RELEASE
from fleet.backup.flow import Push, Stopped, pull
from fleet.base.clean import line, number, pairs
from fleet.base.errors import ActionFailed
from fleet.machine.guard import Guard, Lease, Said, parse
from fleet.machine.port import Ran

_LONG = 6 * 3600.0  # seconds: gigabytes on an old disk


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """A state that was put by: the release it belongs to, its tar, when it was so, and how long the agent stood."""

    release: str
    bytes: int
    sha256: str
    at: int
    down_ms: int


class BackupGuard(Guard):
    """The guard, asked about states; errors as for `Guard`, and ActionFailed for what cannot be."""

    def weigh(self, name: str) -> tuple[int, int]:
        """Return the bytes that the agent's state takes, and those free beside it."""
        said = self._call("weigh", name, timeout=600)
        return self._number(said, "bytes"), self._number(said, "free")

    def copy(self, lease: Lease, name: str, *, last: bool) -> Copied:
        """Put the agent's state by, stopping it for that; with ``last`` its newest snapshot, stopping nothing."""
        said = self._call("copy", lease.word, name, "last" if last else "now", timeout=_LONG)
        return Copied(
            release=line(said.get("release", ""), 80),
            bytes=self._number(said, "bytes"),
            sha256=line(said.get("sha256", ""), 64),
            at=self._number(said, "at"),
            down_ms=number(said.get("down_ms", "")) or 0,
        )

    def state(self, name: str, size: int) -> Iterator[bytes]:
        """Yield the state that was put by."""
        return self._pull(("save", name, "state"), size)

    def release_files(self, name: str) -> bytes:
        """Return a tar of the spec and configuration that the state belongs to."""
        ran = self.port.run((self.path, "save", name, "release"), root=True, timeout=120, cap=MOST[RELEASE])
        if ran.code or ran.cut:
            raise self._error("save", ran.code or 1, {} if ran.cut else parse(ran.out), ran.err)
        return ran.out

    def saved(self, lease: Lease, name: str) -> None:
        """Say that the state was fetched."""
        self._call("saved", lease.word, name)

    def bring(self, lease: Lease, name: str, size: int, sha256: str, room: int) -> "Feeding":
        """Bring a state; see `Feeding`."""
        return Feeding(self, ("bring", lease.word, name, str(size), sha256, str(room)))

    def unkeep(self, lease: Lease, name: str, kept: str) -> None:
        """Have a copy of a state that was kept be the agent's."""
        self._call("unkeep", lease.word, name, kept, timeout=_LONG)

    def unkept(self, lease: Lease, kept: str) -> None:
        """Keep a state no longer."""
        self._call("unkept", lease.word, kept, timeout=600)

    def kept(self) -> list[str]:
        """Return the names of the states that are kept of agents that were removed."""
        return [value for key, value in self.look() if key == "kept"]

    def hold(self, lease: Lease, backup: str, most: int) -> "Feeding":
        """Bring a backup to rest; see `Feeding`."""
        return Feeding(self, ("hold", lease.word, backup, str(most)))

    def held(self, lease: Lease, backup: str, sha256: str) -> None:
        """Say that a backup came whole."""
        self._call("held", lease.word, backup, sha256, timeout=600)

    def holdings(self) -> dict[str, int]:
        """Return the backups that rest there, and their bytes."""
        ran = self.port.run((self.path, "holdings"), root=True, timeout=30)
        if ran.code:
            raise self._error("holdings", ran.code, parse(ran.out), ran.err)
        return {key.removeprefix("backup."): number(value) or 0 for key, value in pairs(ran.out)}

    def hand(self, backup: str, size: int) -> Iterator[bytes]:
        """Yield a backup that rests there."""
        return self._pull(("hand", backup), size)

    def unhold(self, lease: Lease, backup: str) -> bool:
        """Let a backup go; whether it was there."""
        return self._call("unhold", lease.word, backup).get("already") != "1"

    def _pull(self, words: tuple[str, ...], size: int) -> Iterator[bytes]:
        with self.port.session((self.path, *words), root=True) as session:
            yield from pull(session, self.port.name, size)

    def _number(self, said: Said, key: str) -> int:
        found = number(said.get(key, ""))
        if found is None:
            raise ActionFailed("guard.failed", where=self.port.name, machine=self.port.name, reason=f"no {key}")
        return found

    @contextmanager
    def feeding(self, words: tuple[str, ...]) -> Generator[tuple[Push, Callable[[], Said]]]:
        """Start a verb that is fed; what it says is to be had once it has all."""
        with self.port.session((self.path, *words), root=True) as session:
            push = Push(session, self.port.name)

            def said() -> Said:
                ran = push.finish()
                if ran.code:
                    raise self._failed(words[0], ran)
                return parse(ran.out)

            try:
                yield push, said
            except Stopped:
                said()
                raise self._failed(words[0], Ran(1, b"", b"it ended early")) from None

    def _failed(self, verb: str, ran: Ran) -> Exception:
        return self._error(verb, ran.code, parse(ran.out), ran.err)


class Feeding:
    """A verb of the guard's that is to be fed."""

    def __init__(self, guard: BackupGuard, words: tuple[str, ...]) -> None:
        self._guard = guard
        self._words = words

    def __call__(self, feed: Callable[[Push], None]) -> Said:
        """Feed it, and return what it said."""
        with self._guard.feeding(self._words) as (push, said):
            feed(push)
            return said()
