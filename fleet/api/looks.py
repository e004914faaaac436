"""What a fleet is, and what it says: nothing here changes anything, but that old selves of agents are stopped."""

from collections.abc import Iterator, Sequence
from threading import Event as Flag

from fleet import folder, logs, observe, plan_view, resolve, tombs, usage
from fleet.actions import Deploy, Mend
from fleet.adopt import watching
from fleet.api.ground import Ground
from fleet.base.errors import ClawrackError
from fleet.base.event import Listener, ignore
from fleet.deciding import decide
from fleet.diff import Lying, lying
from fleet.kinds import check_version, kind
from fleet.logs import Asked, Ears, LogLine, Source
from fleet.machine.guard import Guard, GuardAbsent
from fleet.machine.many import many
from fleet.machine.written import Span
from fleet.model import Seen, Wish
from fleet.plan import Plan, strays
from fleet.plan_view import Planned, PlanView
from fleet.views import AgentView, Look, MachineView, Status, Usage, UsageRow


class Looks(Ground):
    """A fleet, looked at."""

    def seen(self, wish: Wish, *, images: bool = False) -> tuple[Seen, dict[str, ClawrackError]]:
        """Return the fleet as its machines say it is, and why some did not answer, by name."""
        asked = {name: self._opener(name, machine) for name, machine in wish.machines.items()}
        found = observe.observe(asked, images=images)
        return observe.observe(asked, images=images) if self._laid_to_rest(found[0]) else found

    def _laid_to_rest(self, seen: Seen) -> bool:
        """Stop agents on machines that came back from the dead and live elsewhere by now; whether there were any.

        The one thing that looking changes: two copies of one agent are worse than none.
        """
        stones = tombs.load(self.folder)
        old = tuple(tombs.doubles(stones, self.wish(), seen)) if stones else ()
        for machine, agent in old:
            tombs.stop(self.port(machine), self.hands.holder, [agent])
        return bool(old)

    def plan(self, wish: Wish | None = None, *, again: bool = False) -> Plan:
        """Return what turns the seen fleet into the wished one: the whole, or the part that is given.

        Nothing is made for it: an image that nobody knows yet has no id in it, see `made`. With ``again`` releases that
        failed before are tried again.
        """
        return self.planned(wish, again=again).plan

    def planned(self, wish: Wish | None = None, *, again: bool = False) -> Planned:
        """Return the same, with all that it was planned upon."""
        files = wish or folder.check(self.folder)
        seen, troubles = self.seen(files, images=True)
        return decide(files, seen, self.knows, troubles, again=again)

    def shown(self, found: Planned, part: Plan | None = None) -> PlanView:
        """Return a plan, or a part of it, as it is shown: with the lines that change, read from the machines."""
        return plan_view.view(found, self._lying(found.plan if part is None else part), part)

    def _lying(self, todo: Plan) -> dict[tuple[str, str], Lying]:
        """Return the files of releases that are about to change, where their machines tell them."""
        asked: dict[str, list[str]] = {}
        for action in todo.actions:
            if isinstance(action, Mend) or (isinstance(action, Deploy) and action.replaces):
                asked.setdefault(action.machine, []).append(action.agent)
        machines = self.wish().machines
        told = many(lambda name: Guard(self.open(name, machines[name])).files(asked[name]), list(asked))
        found = {name: lying(rows) for name, rows in zip(asked, told, strict=True) if isinstance(rows, list)}
        return {(name, agent): lies for name, agents in found.items() for agent, lies in agents.items()}

    def made(self, todo: Plan, listen: Listener = ignore) -> Plan:
        """Return the plan with every image known: what was not is asked for or built now, once for each sort.

        Raises:
            Refused: a version is below its kind's floor.
            ClawrackError: an image can not be had.
        """
        for action in todo.actions:
            if isinstance(action, Deploy) and action.version and action.agent in todo.agents:
                check_version(kind(todo.agents[action.agent].kind), action.version, action.subject)
        wish, found = self.wish(), dict[resolve.Unmade, resolve.Found]()
        for one in resolve.unmade(todo):
            port = self.open(one.machine, self._machine(one.machine, wish))
            found[one] = self.resolve(port, one.of, one.version, listen)
        return resolve.filled(todo, found, self.target) if found else todo

    def status(self) -> Status:
        """Return the whole fleet in one look."""
        wish = self.wish()
        stones = tombs.load(self.folder)
        with tombs.awake(stones, wish, self.graves.visit, self.hands.holder) as others:
            seen, troubles = self.seen(wish)
            returned = (*tombs.within(stones, wish, seen), *others())
        machines = tuple(observe.machine_view(n, m, seen, troubles, wish) for n, m in sorted(wish.machines.items()))
        agents = tuple(observe.agent_view(n, a, seen) for n, a in sorted(wish.agents.items()))
        told = {f"{found.within}/{agent}" for found in returned for agent in found.agents}
        left = tuple(sorted({*strays(wish, seen)} - told))
        return Status(machines, agents, left, returned, watching.views(self.folder))

    def machines(self) -> list[MachineView]:
        """Return every machine."""
        return list(self.status().machines)

    def machine(self, name: str) -> MachineView:
        """Return one machine.

        Raises:
            BadInput: there is no such machine.
        """
        wish = self.wish()
        machine = self._machine(name, wish)
        seen, troubles = self.seen(Wish(machines={name: machine}))
        return observe.machine_view(name, machine, seen, troubles, wish)

    def look(self, name: str, wish: Wish | None = None) -> Look:
        """Ask one machine, and nobody else, what it and its agents are; ``wish`` saves reading the folder.

        Raises:
            BadInput: there is no such machine.
            Refused: it is another machine, or does not let us in.
            Unreachable: it does not answer.
        """
        wish = wish or self.wish()
        machine = self._machine(name, wish)
        seen, troubles = Seen(), dict[str, ClawrackError]()
        try:
            seen = Seen(machines={name: observe.look(self.open(name, machine))})
        except GuardAbsent as error:  # it answers, and was never prepared
            troubles[name] = error
        mine = sorted((agent, found) for agent, found in wish.agents.items() if found.machine == name)
        return Look(
            observe.machine_view(name, machine, seen, troubles, wish),
            tuple(observe.agent_view(agent, found, seen) for agent, found in mine),
            tuple(sorted(strays(wish, seen))),
        )

    def agents(self) -> list[AgentView]:
        """Return every agent."""
        return list(self.status().agents)

    def agent(self, name: str) -> AgentView:
        """Return one agent, asking its machine only.

        Raises:
            BadInput: there is no such agent.
        """
        wish = self.wish()
        if name in wish.agents and not wish.agents[name].machine:  # it has no place yet
            return observe.agent_view(name, wish.agents[name], Seen())
        agent, machine = self._agent(name)
        seen, _ = observe.observe({agent.machine: self._opener(agent.machine, machine)})
        return observe.agent_view(name, agent, seen)

    def used(self, name: str, wish: Wish | None = None) -> tuple[UsageRow, ...]:
        """Return what the ledger of one machine's meter holds; ``wish`` saves reading the folder.

        Raises:
            BadInput: there is no such machine.
            ActionFailed: its meter gives no report.
            Unreachable: it does not answer.
        """
        port = self.open(name, self._machine(name, wish or self.wish()))
        return tuple(usage.rows(name, Guard(port).usage()))

    def usage(self) -> Usage:
        """Return what the meters' ledgers hold, and which machines did not tell."""
        machines = self.wish().machines
        told = many(lambda name: usage.rows(name, Guard(self.open(name, machines[name])).usage()), list(machines))
        found = list(zip(machines, told, strict=True))
        rows = [row for _, answer in found if isinstance(answer, list) for row in answer]
        return Usage(tuple(rows), tuple(name for name, answer in found if not isinstance(answer, list)))

    def logs(
        self, name: str, *, follow: bool = False, tail: int | None = 100, stop: Flag | None = None
    ) -> Iterator[str]:
        """Yield the agent's log, cleaned, line by line; with ``follow`` for as long as somebody listens.

        Following goes on over restarts and upgrades. ``stop`` ends it from another thread.

        Raises:
            BadInput: there is no such agent.
            ActionFailed: there is no log.
            Unreachable: its machine did not answer at first; later it is asked again.
        """
        asked = Asked(follow, Span(tail=tail))
        return (found.line for found in self.logs_of([name], asked, logs.strict, stop))

    def logs_of(self, names: Sequence[str], asked: Asked, tell: Ears, stop: Flag | None = None) -> Iterator[LogLine]:
        """Yield the lines of several agents' logs in one order; see `fleet.logs.read`.

        Raises:
            BadInput: there is no such agent.
        """
        found = [(name, *self._agent(name)) for name in names]
        sources = [Source(name, a.machine, self._opener(a.machine, m)) for name, a, m in found]
        return logs.read(sources, asked, tell, stop)
