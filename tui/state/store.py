"""The one truth of the screen: messages in, rows out, and once in a tick what has changed since the last."""

from collections.abc import Iterable

import msgspec

from fleet.base.clean import line
from fleet.views import AgentView, MachineView, UsageRow
from tui.state.happened import Events
from tui.state.heard import Doing, Ended, Message, Silent, Told, Trouble, Used, Wished, WishedAgent, WishedMachine
from tui.state.rows import AgentRow, Fresh, MachineRow, Pulse, Row
from tui.state.summary import Summary, summed
from tui.state.tidy import LARGEST, tidy

LONGEST_ACTION = 900.0
"""Seconds after which something of which we have heard no end is no longer shown as under way."""
SLOWEST = 600.0  # seconds between two questions
MOST_STRAYS = 100
MOST_LEDGER = 5000  # rows of one machine's ledger that are kept, the newest


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """What is different since the last time it was asked; ids of rows, each in one set at most.

    ``changed`` also holds rows that have to be drawn again because of the time: ages, and what is under way.
    """

    changed: frozenset[str]
    added: frozenset[str]
    removed: frozenset[str]
    summary: Summary
    generation: int


class Store:
    """The rows of the fleet by id, and what happened to them.

    Attributes:
        rows: by id; to be read only.
        events: what changed, the last 2,000.
        generation: counts the deltas that were not empty.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.events = Events()
        self.generation = 0
        self._members: dict[str, tuple[str, ...]] = {}
        self._pulses: dict[str, Pulse] = {}
        self._said: dict[str, tuple[MachineView, tuple[AgentView, ...], tuple[str, ...]]] = {}
        self._ledgers: dict[str, tuple[UsageRow, ...]] = {}
        self._reports: dict[str, tuple[str, tuple[UsageRow, ...]]] = {}
        self._doing: dict[str, Doing] = {}
        self._touched: set[str] = set()
        self._drawn: frozenset[str] = frozenset()
        self._marks: dict[str, tuple[Fresh, int]] = {}
        self._summary = Summary()
        self._trouble = ""
        self._loaded = False

    def hear(self, message: Message) -> None:
        """Take one message in; nothing in it is trusted."""
        match message:
            case Wished():
                self._wished(message)
            case Told():
                self._told(message)
            case Silent():
                self._silent(message)
            case Used():
                self._used(message)
            case Doing():
                self._begun(message)
            case Ended():
                self._ended(message)
            case Trouble():
                self._troubled(message)

    def take(self, now: float) -> Delta:
        """Return all that changed since the last take, in one."""
        self._pass_time(now)
        there = self.rows.keys()
        added = frozenset(there - self._drawn)
        removed = frozenset(self._drawn - there)
        changed = frozenset(self._touched & there) - added
        if added or removed:
            self._drawn = frozenset(there)
        if added or removed or changed or self._trouble != self._summary.trouble or not self.generation:
            self.generation += 1
            self._summary = summed(self.rows, self._members, now, (len(self._doing), self._trouble, self._loaded))
        self._touched.clear()
        return Delta(changed=changed, added=added, removed=removed, summary=self._summary, generation=self.generation)

    def members(self, machine: str) -> tuple[str, ...]:
        """Return the ids of a machine's agents."""
        return self._members.get(machine, ())

    def ledger(self, row: str) -> tuple[UsageRow, ...]:
        """Return what was used by the agent, or on the machine, of this row: a row for each day, agent and model."""
        machine, _, agent = row.partition("/")
        return tuple(one for one in self._ledgers.get(machine, ()) if not agent or one.agent == agent)

    # --- what is heard ---

    def _wished(self, message: Wished) -> None:
        machines = {(place := tidy(one)).name: place for one in message.machines if _plain(one.name)}
        agents = {f"{(home := tidy(one)).machine}/{home.name}": home for one in message.agents if _plain(one.name)}
        agents = {row: home for row, home in agents.items() if home.machine in machines}
        for row in self.rows.keys() - machines.keys() - agents.keys():
            self._forget(row, message.at)
        self._members = _grouped(agents)
        for place in machines.values():
            self._place(place, message)
        for row, home in agents.items():
            self._home(row, home, message.at)
        self._loaded = True

    def _place(self, place: WishedMachine, message: Wished) -> None:
        pulse = self._pulses.setdefault(place.name, Pulse(0.0))
        pulse.beat = min(max(message.beat, 0.0), SLOWEST)
        count = len(self.members(place.name))
        row = self.rows.get(place.name)
        if isinstance(row, MachineRow):
            view = msgspec.structs.replace(row.view, address=place.address, agents=count)
            self._put(msgspec.structs.replace(row, view=view, agents=count))
            return
        view = MachineView(name=place.name, address=place.address, state="silent", agents=count)
        self._put(MachineRow(id=place.name, view=view, pulse=pulse, agents=count, doing=self._doing.get(place.name)))
        self._note_added(place.name, message.at)

    def _home(self, row: str, home: WishedAgent, at: float) -> None:
        old = self.rows.get(row)
        if isinstance(old, AgentRow):
            view = msgspec.structs.replace(old.view, kind=home.kind, version=home.version, model=home.model)
            self._put(msgspec.structs.replace(old, view=view))
            return
        view = AgentView(
            name=home.name,
            machine=home.machine,
            state="unknown",
            kind=home.kind,
            version=home.version,
            model=home.model,
        )
        pulse = self._pulses[home.machine]
        self._put(AgentRow(id=row, view=view, pulse=pulse, doing=self._doing.get(row)))
        self._said.pop(home.machine, None)  # what it said before this agent was in the folder is no answer about it
        self._note_added(row, at)

    def _note_added(self, row: str, at: float) -> None:
        if self._loaded:  # at first everything is new, which is no news
            self.events.add(at, row, "added")

    def _forget(self, row: str, at: float) -> None:
        del self.rows[row]
        self.events.add(at, row, "removed")
        for kept in (self._pulses, self._said, self._ledgers, self._reports, self._marks):
            kept.pop(row, None)

    def _told(self, message: Told) -> None:
        row = self.rows.get(message.machine)
        if not isinstance(row, MachineRow):
            return  # it is in no file any more
        row.pulse.answered(message.at)
        said = (message.view, message.agents, message.strays)
        if self._said.get(row.id) == said and row.sort is None:
            return
        self._said[row.id] = said
        for agent in message.agents:
            self._agent_told(tidy(agent), message)
        self._machine_told(row, message)

    def _machine_told(self, row: MachineRow, message: Told) -> None:
        view = tidy(message.view)
        view = msgspec.structs.replace(view, name=row.name, agents=row.agents)
        strays = tuple(line(name) for name in message.strays[:MOST_STRAYS])
        if view.state != row.view.state and row.id in self._marks and self._marks[row.id][0] != "never":
            self.events.add(message.at, row.id, "state", (row.view.state, view.state), view.trouble)
        for name in sorted(set(strays) - set(row.strays)):
            self.events.add(message.at, row.id, "stray", ("", name))
        self._put(msgspec.structs.replace(row, view=view, strays=strays, sort=None, why=""))
        self._count(row.id)

    def _agent_told(self, view: AgentView, message: Told) -> None:
        row = self.rows.get(f"{message.machine}/{view.name}")
        if not isinstance(row, AgentRow):
            return  # a stray, or not in the folder any more
        view = msgspec.structs.replace(view, machine=message.machine)
        if row.view.state not in {view.state, "unknown"}:
            self.events.add(message.at, row.id, "state", (row.view.state, view.state), view.reason)
        if view.state == "unknown":  # it answered, but knows nothing of agents: what was known stays
            view = msgspec.structs.replace(row.view, state="unknown")
        self._put(msgspec.structs.replace(row, view=view))

    def _silent(self, message: Silent) -> None:
        row = self.rows.get(message.machine)
        if not isinstance(row, MachineRow):
            return
        row.pulse.missed(message.at)
        self._put(msgspec.structs.replace(row, sort=message.sort, why=line(message.text, 400)))

    def _used(self, message: Used) -> None:
        report = (message.today, message.rows)
        if message.machine not in self._pulses or self._reports.get(message.machine) == report:
            return
        self._reports[message.machine] = report
        newest = sorted(map(tidy, message.rows), key=lambda one: one.day)[-MOST_LEDGER:]
        self._ledgers[message.machine] = tuple(newest)
        today: dict[str, list[UsageRow]] = {}
        for one in newest:
            if one.day == message.today:
                today.setdefault(one.agent, []).append(one)
        for row in self.members(message.machine):
            self._add_up(row, today.get(row.partition("/")[2], ()))
        self._count(message.machine)

    def _add_up(self, row: str, today: Iterable[UsageRow]) -> None:
        """Write the sums of an agent's ledger of today into its row."""
        total = [min(LARGEST, sum(getattr(one, name) for one in today)) for name in ("input", "output", "calls")]
        agent = self.rows[row]
        self._put(msgspec.structs.replace(agent, tokens_in=total[0], tokens_out=total[1], calls=total[2]))

    def _count(self, machine: str) -> None:
        """Write the sums of a machine's agents into its row."""
        agents = [row for row in map(self.rows.get, self.members(machine)) if isinstance(row, AgentRow)]
        self._put(
            msgspec.structs.replace(
                self.rows[machine],
                running=sum(row.view.state == "running" for row in agents),
                tokens_in=sum(row.tokens_in for row in agents),
                tokens_out=sum(row.tokens_out for row in agents),
                calls=sum(row.calls for row in agents),
            )
        )

    def _begun(self, message: Doing) -> None:
        message = _cleaned(message)
        before = self._doing.get(message.subject)
        if before is None or before.action != message.action:
            self.events.add(message.at, message.subject, "doing", (message.action, ""))
        else:  # a further step of the same: its age is that of the whole
            message = msgspec.structs.replace(message, at=before.at)
        self._set_doing(message.subject, message)

    def _ended(self, message: Ended) -> None:
        text = line(message.text, 400)
        subject, action = line(message.subject), line(message.action)
        self.events.add(message.at, subject, "ended", (action, message.outcome), text)
        self._set_doing(subject, None)

    def _set_doing(self, subject: str, doing: Doing | None) -> None:
        if doing is None:
            self._doing.pop(subject, None)
        else:
            self._doing[subject] = doing
        if subject in self.rows:
            self._put(msgspec.structs.replace(self.rows[subject], doing=doing))

    def _troubled(self, message: Trouble) -> None:
        text = line(message.text, 400)
        if text and text != self._trouble:
            self.events.add(message.at, "", "trouble", text=text)
        self._trouble = text

    def _put(self, row: Row) -> None:
        if self.rows.get(row.id) != row:
            self.rows[row.id] = row
            self._touched.add(row.id)

    # --- what only the time does ---

    def _pass_time(self, now: float) -> None:
        for subject, doing in list(self._doing.items()):
            if now - doing.at > LONGEST_ACTION:
                self.hear(Ended(at=now, subject=subject, action=doing.action, outcome="unknown"))
            elif subject in self.rows:
                self._touched.add(subject)
        for machine, pulse in self._pulses.items():
            fresh = pulse.fresh(now)
            mark = (fresh, 0 if fresh == "live" else _bucket(pulse.age(now)))
            if self._marks.get(machine) != mark:
                self._grown_old(machine, fresh, now)
                self._marks[machine] = mark

    def _grown_old(self, machine: str, fresh: Fresh, now: float) -> None:
        before = self._marks.get(machine, ("never", 0))[0]
        row = self.rows[machine]
        if fresh == "dark" and before != "dark" and isinstance(row, MachineRow):
            self.events.add(now, machine, "dark", ("", row.sort or "timeout"), row.why)
        if before == "dark" and fresh == "live":
            self.events.add(now, machine, "back")
        self._touched.add(machine)
        self._touched.update(self.members(machine))


def _plain(name: str) -> bool:
    """Return whether a name can be part of a row's id; a damaged recording may hold anything."""
    return bool(name) and "/" not in name


def _grouped(agents: dict[str, WishedAgent]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for row, home in agents.items():
        found.setdefault(home.machine, []).append(row)
    return {machine: tuple(rows) for machine, rows in found.items()}


def _cleaned(message: Doing) -> Doing:
    params = {line(name): line(value) for name, value in message.params.items()}
    return msgspec.structs.replace(
        message, subject=line(message.subject), action=line(message.action), step=line(message.step), params=params
    )


def _bucket(seconds: float) -> int:
    """Return a number that changes when the age that is shown does: each second, then minute, then hour."""
    return int(seconds) if seconds < 60 else 60 + int(seconds // 60) if seconds < 3600 else 10**6 + int(seconds // 3600)  # noqa: PLR2004 - see there
