"""Tombstones: machines that were given up without being reached, and what is said when one of them comes back.

A machine that is dead for good leaves the fleet's folder with its agents, which may then be made anew elsewhere. Should
it live again, two copies of one agent run at once. So a small file stays in the folder, where every controller sees it:
tombs/NAME-ID.yaml.
"""

import re
import shlex
import socket
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fleet import observe
from fleet.base import formats
from fleet.base.clean import line
from fleet.base.disk import replace
from fleet.base.errors import BadInput, ClawrackError, Refused, Unreachable, WireCut
from fleet.base.names import agent_name, machine_name
from fleet.base.yaml import read
from fleet.machine.guard import GuardAbsent
from fleet.machine.many import many
from fleet.machine.port import Port
from fleet.machine.target import hops_of, parse
from fleet.model import HERE, Machine, Seen, SeenAgent, Wish
from fleet.site import held
from fleet.views import Returned

FORMAT = formats.FORMATS["tombstone"]
_KNOCK = 1.5  # seconds for a machine that is most likely dead
# Unreachable as these are, somebody answered, and proved to be the machine.
_THERE = frozenset({"ssh.key_refused", "ssh.keys_off", "ssh.second_factor", "ssh.hung_up"})
# Refused as these are, it is another machine that answered.
_NOT_IT = frozenset({"hostkey.changed", "hostkey.twice"})


class Tomb(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine that was given up (tombs/NAME-ID.yaml).

    Attributes:
        version: of the file's format.
        name: that it had.
        id: the id of ours that is kept on it.
        host_key: by which it proves that it is the one; empty where it was never pinned.
        agents: that lived on it.
        forgotten: when (RFC 3339, UTC).
        jump: the jump hosts on the way to it; written where there are any.
        moved: those of its agents that were put back elsewhere, whatever they are called there; likewise.
    """

    version: int = FORMAT
    name: str
    address: str
    user: str = "root"
    port: int = 22
    id: str = ""
    host_key: str = ""
    agents: tuple[str, ...] = ()
    forgotten: str = ""
    jump: str = ""
    moved: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """Its own name, which no other has: of two machines that had one name, too."""
        number = re.sub("[^A-Za-z0-9]", "", self.id)[:8]  # as a machine told it: it becomes a file's name
        return f"{self.name}-{number or 'unprepared'}"

    @property
    def machine(self) -> Machine:
        """How it was reached."""
        return Machine(address=self.address, user=self.user, port=self.port, id=self.id, jump=self.jump)


@dataclass(frozen=True, slots=True)
class Keeper:
    """What reaches outside.

    Attributes:
        key_of: returns the pinned host key of a machine; empty where there is none.
        drop: vouches for a machine's host key no more.
        trust: vouches for the host key of a tombstone again, under its stem.
        visit: returns a port to the machine of a tombstone.
    """

    key_of: Callable[[str, Machine], str]
    drop: Callable[[str], None]
    trust: Callable[[Tomb], None]
    visit: Callable[[Tomb], Port]


def _no_key(name: str, machine: Machine) -> str:
    del name, machine
    return ""


def _unseen(tomb: Tomb) -> Port:
    raise Unreachable("tomb.unseen", where=tomb.name)


NOBODY = Keeper(_no_key, lambda _: None, lambda _: None, _unseen)
"""Reaches nothing, for a fleet whose machines are all at hand."""


def load(folder: Path) -> list[Tomb]:
    """Return the tombstones of a fleet.

    Raises:
        BadInput: a file is not as it should be.
        Refused: it is of a newer format.
    """
    tombs = folder / "tombs"
    return [_read(path) for path in sorted(tombs.glob("*.yaml"))] if tombs.is_dir() else []


def find(folder: Path, name: str) -> Tomb:
    """Return the tombstone of a machine, by the name that it had, or by the stone's own.

    Raises:
        BadInput: there is none, or several machines had the name.
    """
    found = [tomb for tomb in load(folder) if name in {tomb.name, tomb.stem}]
    if len(found) > 1:
        raise BadInput("tomb.several", machine=name, known=", ".join(tomb.stem for tomb in found))
    if not found:
        raise BadInput("tomb.none", machine=name)
    return found[0]


def bury(  # noqa: PLR0913 - what stands on a stone
    folder: Path, name: str, machine: Machine, agents: Iterable[str], host_key: str, *, moved: Iterable[str] = ()
) -> Tomb:
    """Write the tombstone of a machine; one that an interrupted run has begun is completed.

    Raises:
        BadInput: a name or the address is none that could exist; nothing was written.
    """
    tomb = Tomb(
        name=name, address=machine.address, user=machine.user, port=machine.port, id=machine.id, jump=machine.jump,
        host_key=host_key, agents=tuple(sorted(agents)), forgotten=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        moved=tuple(sorted(moved)),
    )  # fmt: skip
    _plain(tomb, name)  # what is told here may be a backup's, and that a stranger's
    path = _path(folder, tomb)
    if path.exists():
        before = _read(path)
        merged = tuple(sorted({*before.agents, *tomb.agents}))
        gone = tuple(sorted({*before.moved, *tomb.moved}))
        tomb = msgspec.structs.replace(tomb, agents=merged, moved=gone, host_key=host_key or before.host_key)
    told = {key: value for key, value in msgspec.to_builtins(tomb).items() if value or key not in {"jump", "moved"}}
    rows = [f"{key}: {msgspec.json.encode(value).decode()}\n" for key, value in told.items()]
    replace(path, "".join(rows).encode())
    return tomb


def dig_up(folder: Path, tomb: Tomb) -> None:
    """Take a tombstone away."""
    _path(folder, tomb).unlink(missing_ok=True)


def seems_dead(error: Unreachable) -> bool:
    """Tell whether an error is that of a machine where nobody answers."""
    return not isinstance(error, WireCut) and error.key not in _THERE


def answers(port: Port) -> bool:
    """Tell whether a machine answers, and is the one that we know."""
    try:
        port.run(("true",), timeout=20)
    except Unreachable as error:
        return error.key in _THERE
    except Refused as error:
        return error.key not in _NOT_IT
    except ClawrackError:
        return True
    return True


@contextmanager
def awake(
    tombs: Sequence[Tomb], wish: Wish, visit: Callable[[Tomb], Port], holder: str = ""
) -> Generator[Callable[[], list[Returned]]]:
    """Knock at the graves while the block lasts; yield what waits for, and returns, those who answered.

    With a holder, agents there that live elsewhere by now are stopped: two copies of one are worse than none.
    """
    taken = {(machine.address, machine.jump) for machine in wish.machines.values()}
    graves = [tomb for tomb in tombs if (tomb.address, tomb.jump) not in taken | {(HERE, "")}]
    with ThreadPoolExecutor(1, "clawrack-graves") as pool:
        later = pool.submit(many, lambda tomb: _knock(tomb, visit, wish, holder), graves)
        yield lambda: [found for found in later.result() if isinstance(found, Returned)]


def within(tombs: Sequence[Tomb], wish: Wish, seen: Seen) -> Iterator[Returned]:
    """Yield the machines that are in the fleet again, and have agents of before that no file places there."""
    for tomb in tombs:
        for name, there in seen.machines.items():
            if there is None or not tomb.id or there.id != tomb.id:
                continue
            left = [a for a in tomb.agents if a in there.agents and not _lives(wish, a, name)]
            if left:
                old = [a for a in _elsewhere(tomb, wish, name) if a in left]
                yield _returned(tomb, left, on=name, stopped=tuple(a for a in old if not _awake(there.agents[a])))


def doubles(tombs: Sequence[Tomb], wish: Wish, seen: Seen) -> Iterator[tuple[str, str]]:
    """Yield machine and agent of every old self that runs, or would, on a machine that came back."""
    for tomb in tombs:
        for name, there in seen.machines.items():
            if there and tomb.id and there.id == tomb.id:
                yield from ((name, agent) for agent in _elsewhere(tomb, wish, name) if _awake(there.agents.get(agent)))


def _elsewhere(tomb: Tomb, wish: Wish, machine: str) -> list[str]:
    """Return the agents of a tombstone that live on another machine by now."""
    homes = {agent: found.machine for agent, found in wish.agents.items()}
    return [a for a in tomb.agents if homes.get(a, machine) != machine or (a in tomb.moved and a not in homes)]


def _awake(found: SeenAgent | None) -> bool:
    return found is not None and bool(found.container) and (found.state == "running" or not found.on_purpose)


def stop(port: Port, holder: str, agents: Iterable[str]) -> tuple[str, ...]:
    """Stop old selves on purpose, proven by their machine; nothing of theirs is removed. Return those that had to be.

    Raises:
        Refused: somebody else changes the machine.
        Unreachable: it is gone again.
    """
    with held(port, holder) as site:
        return tuple(agent for agent in agents if site.guard.stop(site.lease, agent))


def _lives(wish: Wish, agent: str, machine: str) -> bool:
    return agent in wish.agents and wish.agents[agent].machine == machine


def _knock(tomb: Tomb, visit: Callable[[Tomb], Port], wish: Wish, holder: str) -> Returned | None:
    try:
        if not tomb.jump:  # what is behind a jump host can be knocked at from there alone
            socket.create_connection((tomb.address, tomb.port), _KNOCK).close()
    except OSError:
        return None
    try:
        with closing(visit(tomb)) as port:
            there = observe.look(port)
            old = [agent for agent in _elsewhere(tomb, wish, "") if _awake(there.agents.get(agent))]
            stopped = stop(port, holder, old) if old and holder else ()
    except ClawrackError as error:
        dead = isinstance(error, Unreachable) and error.key not in _THERE
        if dead or isinstance(error, GuardAbsent) or error.key.startswith("hostkey."):
            return None
        return _returned(tomb, tomb.agents, trouble=line(str(error)))
    return _returned(tomb, sorted(there.agents), stopped=stopped)


def _returned(
    tomb: Tomb, agents: Iterable[str], *, on: str = "", trouble: str = "", stopped: tuple[str, ...] = ()
) -> Returned:
    return Returned(
        machine=tomb.name, address=tomb.address, agents=tuple(map(line, agents)), forgotten=line(tomb.forgotten),
        within=on, trouble=trouble, stopped=stopped,
        command=shlex.join(("clawrack", "machine", "remove", tomb.stem, "--returned")),
    )  # fmt: skip


def _read(path: Path) -> Tomb:
    try:
        found = read(path, Tomb)
    except BadInput:
        formats.check("tombstone", formats.in_yaml(path, "version"), str(path))
        raise
    formats.check("tombstone", formats.Said(found.version), str(path))
    _plain(found, str(path))
    return found


def _plain(tomb: Tomb, where: str) -> None:
    """See that a file which may come from elsewhere says what becomes paths, commands and lines of a terminal plainly.

    Raises:
        BadInput: a name or the address is none that could exist.
    """
    machine_name(tomb.name, where)
    for agent in (*tomb.agents, *tomb.moved):
        agent_name(agent, where)
    parse(f"{tomb.user}@[{tomb.address}]:{tomb.port}", where)
    hops_of(tomb.jump, where)


def _path(folder: Path, tomb: Tomb) -> Path:
    return folder / "tombs" / f"{tomb.stem}.yaml"
