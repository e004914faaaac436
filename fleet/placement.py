"""On which machine each agent lives: pure, deterministic, and nobody moves.

An agent that has a home keeps it: its file names the machine, or it was seen running on one and its file is lost. The
others go where their tags, the architecture, memory and disk allow; of those machines where fewest of the same group
live, then fewest at all, then by name. Who finds no place is told which requirement nobody meets.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from fleet import drift
from fleet.base.errors import BadInput
from fleet.kinds import Kind, Needs, kind
from fleet.model import Agent, Seen, SeenAgent, Unplaced, Wish

GB = 1 << 30


class Placed(msgspec.Struct, frozen=True):
    """Where agents live.

    Attributes:
        homes: the machine of each, by its name.
        unplaced: those that have no home and find none, or of which nobody can say where it is.
    """

    homes: dict[str, str] = {}
    unplaced: tuple[Unplaced, ...] = ()

    def of(self, wish: Wish) -> Wish:
        """Return the wish with every agent's machine filled in; those without one are left out."""
        agents = {
            name: agent if agent.machine == home else msgspec.structs.replace(agent, machine=home)
            for name, agent in wish.agents.items()
            if (home := self.homes.get(name))
        }
        return msgspec.structs.replace(wish, agents=agents)


def place(wish: Wish, seen: Seen, known: Callable[[str], Kind] = kind) -> Placed:
    """Return where every agent lives.

    Args:
        wish: the fleet as its files say; a machine in an agent's file is where it lives.
        seen: the fleet as its machines say; what did not answer gets nothing new.
        known: returns a kind by its name.
    """
    there = drift.homes(seen)
    homes: dict[str, str] = {}
    unplaced: list[Unplaced] = []
    waiting: list[str] = []
    for name in sorted(wish.agents):
        found = _home(name, wish, seen, there.get(name, []))
        if isinstance(found, Unplaced):
            unplaced.append(found)
        elif found:
            homes[name] = found
        else:
            waiting.append(name)
    search = _Search(wish, seen, known, _rooms(wish, seen, homes, known))
    for name in waiting:
        found = search.place(name)
        if isinstance(found, Unplaced):
            unplaced.append(found)
        else:
            homes[name] = found
    return Placed(dict(sorted(homes.items())), tuple(sorted(unplaced, key=lambda one: one.agent)))


def _home(name: str, wish: Wish, seen: Seen, there: list[str]) -> str | Unplaced:
    """Return where an agent lives already; empty where it lives nowhere yet.

    That one which lives where its file says is also seen elsewhere is the plan's matter (fleet/drift.py).
    """
    agent = wish.agents[name]
    at_work = [machine for machine in there if not drift.settled(_agents(seen, machine)[name])]
    found = [agent.machine] if agent.machine else at_work or there
    if len(found) > 1:
        return _no(name, "place.twice", machines=", ".join(found))
    if not found:
        silent = [machine for machine in sorted(wish.machines) if seen.machines.get(machine) is None]
        lost = agent.image and silent  # it was deployed once, and its file does not say where any more
        return _no(name, "place.maybe_elsewhere", others=", ".join(silent)) if lost else ""
    return _unfit(name, found[0], wish, seen) or found[0]


def _unfit(name: str, home: str, wish: Wish, seen: Seen) -> Unplaced | None:
    """Return why an agent cannot be at its home as the files say."""
    lives, wished = _agents(seen, home).get(name), wish.agents[name].kind
    if lives is None or not (lives.release or lives.trial):
        drained = seen.machines.get(home) is not None and wish.machines[home].drained
        return _no(name, "place.home_drained", machine=home) if drained else None
    other = lives.kind not in ("", wished)
    return _no(name, "place.kind", machine=home, runs=lives.kind, kind=wished) if other else None


@dataclass
class _Room:
    """What a machine that answered has left: bytes of memory and disk; who lives there, by group."""

    memory: int
    disk: int
    agents: int = 0
    groups: Counter[str] = field(default_factory=Counter[str])

    def takes(self, needs: Needs) -> bool:
        return self.memory >= needs.memory and self.disk >= needs.disk

    def take(self, needs: Needs, group: str, *, new: bool) -> None:
        self.memory -= needs.memory
        self.disk -= needs.disk if new else 0
        self.agents += 1
        self.groups[group] += 1


def _rooms(wish: Wish, seen: Seen, homes: dict[str, str], known: Callable[[str], Kind]) -> dict[str, _Room]:
    """Return what machines have left beside those who live there, or are on their way there."""
    rooms = {name: _Room(told.memory, told.free) for name, told in seen.machines.items() if told}
    everyone = wish.everyone
    for name, home in homes.items():
        if home in rooms:
            lives = name in _agents(seen, home)
            rooms[home].take(_needs(known, everyone[name].kind), everyone[name].group, new=not lives)
    for home, room in rooms.items():
        for name, agent in _agents(seen, home).items():
            if homes.get(name) != home:
                which = agent.kind or (everyone[name].kind if name in everyone else "")
                room.take(_needs(known, which), "", new=False)
    return rooms


def _agents(seen: Seen, machine: str) -> dict[str, SeenAgent]:
    told = seen.machines.get(machine)
    return told.agents if told else {}


def _needs(known: Callable[[str], Kind], name: str) -> Needs:
    """Return what a kind needs; of one that nobody knows here nothing can be said."""
    try:
        return known(name).needs
    except BadInput:
        return Needs(memory=0, disk=0)


_Sort = tuple[str, tuple[str, ...], str]
"""Agents of one sort find the same machines: their kind, tags and group."""


class _Search:
    """Finds a place for one agent after another; what is taken is taken."""

    def __init__(self, wish: Wish, seen: Seen, known: Callable[[str], Kind], rooms: dict[str, _Room]) -> None:
        self._wish, self._seen, self._known, self._rooms = wish, seen, known, rooms
        self._queues: dict[_Sort, list[tuple[int, int, str]]] = {}
        self._why: dict[_Sort, Unplaced] = {}
        self._twins = drift.twice(seen)

    def place(self, name: str) -> str | Unplaced:
        agent = self._wish.agents[name]
        sort = (agent.kind, agent.tags, agent.group)
        if sort not in self._why:
            home = self._best(sort, agent)
            if home:
                return home
            self._why[sort] = self._reason(name, agent)
        return msgspec.structs.replace(self._why[sort], agent=name)

    def _best(self, sort: _Sort, agent: Agent) -> str:
        """Return the best machine; a queue's entries may be older than the rooms, which only ever get smaller."""
        if sort not in self._queues:
            fitting = [name for name, stage in self._stages(agent) if stage == "room"]
            self._queues[sort] = sorted(self._key(name, agent) for name in fitting)
        queue, needs = self._queues[sort], _needs(self._known, agent.kind)
        while queue:
            key = queue[0]
            room = self._rooms[key[-1]]
            if not room.takes(needs):
                heapq.heappop(queue)
            elif key != self._key(key[-1], agent):
                heapq.heapreplace(queue, self._key(key[-1], agent))
            else:
                room.take(needs, agent.group, new=True)
                return key[-1]
        return ""

    def _key(self, machine: str, agent: Agent) -> tuple[int, int, str]:
        room = self._rooms[machine]
        return (room.groups[agent.group] if agent.group else 0, room.agents, machine)

    def _stages(self, agent: Agent) -> Iterator[tuple[str, str]]:
        """Yield every machine that has the agent's tags, and what keeps it from the agent; ``room`` where nothing."""
        for name, machine in sorted(self._wish.machines.items()):
            if not set(agent.tags) <= set(machine.tags):
                continue
            told = self._seen.machines.get(name)
            if told is None or drift.of_machine(name, machine, told, self._twins):
                yield name, "silent"
            elif machine.drained:
                yield name, "drained"
            elif (told.architecture or machine.architecture) not in self._architectures(agent):
                yield name, "architecture"
            else:
                yield name, "room"

    def _architectures(self, agent: Agent) -> tuple[str, ...]:
        try:
            return self._known(agent.kind).architectures
        except BadInput:
            return ()

    def _reason(self, name: str, agent: Agent) -> Unplaced:
        """Return which requirement nobody meets: the last of those that some machine came to."""
        stages = list(self._stages(agent))
        counts = Counter(stage for _, stage in stages)
        told = {key: str(counts[key]) for key in ("silent", "drained", "architecture", "room")}
        told |= {"tags": ", ".join(agent.tags), "machines": str(len(stages)), "kind": agent.kind}
        if not stages:
            return _no(name, "place.tags" if agent.tags else "place.nobody", **told)
        if not counts["room"]:
            last = next(stage for stage in ("architecture", "drained", "silent") if counts[stage])
            return _no(name, f"place.{last}", **told)
        return self._narrow(name, agent, [machine for machine, stage in stages if stage == "room"], told)

    def _narrow(self, name: str, agent: Agent, machines: list[str], told: dict[str, str]) -> Unplaced:
        """Return that there is room nowhere, with the most that a machine has."""
        needs = _needs(self._known, agent.kind)
        ample = [machine for machine in machines if self._rooms[machine].memory >= needs.memory]
        by_memory = max(sorted(machines), key=lambda one: self._rooms[one].memory)
        by_disk = max(sorted(ample), key=lambda one: self._rooms[one].disk, default="")
        left = self._rooms[by_disk].disk if ample else self._rooms[by_memory].memory
        told |= {
            "most": _gb(left),
            "machine": by_disk or by_memory,
            "needs": _gb(needs.disk if ample else needs.memory),
        }
        return _no(name, "place.disk" if ample else "place.memory", **told)


def _gb(size: int) -> str:
    """Return bytes in GB (2^30) or MB, rounded down: what nearly suffices does not seem to suffice."""
    size = max(0, size)
    return f"{size >> 20} MB" if size < GB else f"{size * 10 // GB / 10:.1f} GB"


def _no(name: str, reason: str, **params: str) -> Unplaced:
    return Unplaced(agent=name, reason=reason, params=params)
