"""A fleet to work with: what the door and the screen call.

A `Fleet` is opened on a folder by clawrack/wire.py, which hands it what reaches outside: how a port is opened, how an
image comes to a machine, where the journal lies.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, cast

import msgspec

from fleet import apply as applying
from fleet import load, logs, observe, talk, usage
from fleet.actions import AnyAction, Remove, Start, Stop
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, Unreachable
from fleet.base.event import Event, Listener, ignore
from fleet.base.outcome import AlreadyTrue, Done, Outcome
from fleet.deploy import door, secrets_of, wait
from fleet.gate import Who
from fleet.kinds import home_of, kind
from fleet.logs import Asked, Ears, LogLine, Source
from fleet.machine.guard import Guard
from fleet.machine.many import many
from fleet.machine.port import Port, Window
from fleet.machine.process import Session
from fleet.machine.shell_agent import inside
from fleet.machine.written import Span
from fleet.model import Agent, Machine, Seen, Wish
from fleet.page import Open, opened, spare
from fleet.plan import Plan, plan, strays
from fleet.render import configs, target
from fleet.talk import Answer
from fleet.views import AgentView, Look, MachineView, Status, Usage, UsageRow

if TYPE_CHECKING:
    from fleet.doctor.ask import Patient
    from fleet.doctor.finding import Diagnosis
    from fleet.doctor.mend import Act
    from fleet.doctor.rounds import Agrees, Rounds
    from fleet.site import Site


@dataclass(frozen=True)
class Fleet:
    """A fleet's folder and the hands to work on it.

    Attributes:
        folder: with fleet.yaml, machines/ and agents/.
        open: returns the port of a machine.
        hands: for applying plans.
        leave: takes everything of ours off a machine (name, how it is reached, whether agents' state stays).
        carried: returns the sha256 of the guard's archive that we carry.
    """

    folder: Path
    open: Callable[[str, Machine], Port]
    hands: applying.Hands
    leave: Callable[[str, Machine, bool, Listener], None]
    carried: Callable[[], str] = str

    def wish(self) -> Wish:
        """Return the fleet as its files say it should be.

        Raises:
            BadInput: a file is not as it should be.
        """
        return load.load(self.folder)

    def port(self, name: str) -> Port:
        """Return the port of a machine of the fleet.

        Raises:
            BadInput: there is no such machine.
        """
        machine = self.wish().machines.get(name)
        if machine is None:
            raise BadInput("fleet.no_machine", machine=name)
        return self.open(name, machine)

    def seen(self, wish: Wish, *, images: bool = False) -> tuple[Seen, dict[str, ClawrackError]]:
        """Return the fleet as its machines say it is, and why some did not answer, by name."""
        return observe.observe(
            {name: self._opener(name, machine) for name, machine in wish.machines.items()}, images=images
        )

    def _opener(self, name: str, machine: Machine) -> Callable[[], Port]:
        return lambda: self.open(name, machine)

    def plan(self, wish: Wish | None = None) -> Plan:
        """Return what turns the seen fleet into the wished one: the whole, or the part that is given."""
        wish = wish or self.wish()
        seen, _ = self.seen(wish, images=True)
        return plan(wish, seen, self._hands(wish).targets)

    def apply(self, todo: Plan, listen: Listener = ignore) -> None:
        """Carry a plan out.

        Raises:
            ClawrackError: the first thing that went wrong.
        """
        applying.apply(todo, self._hands(self.wish()), listen)

    def _hands(self, wish: Wish) -> applying.Hands:
        kinds = {name: kind(agent.kind) for name, agent in wish.agents.items()}
        return replace(
            self.hands,
            port=self.port,
            targets={n: target(n, a, kinds[n], configs(home_of(a.kind))) for n, a in wish.agents.items()},
            kinds=kinds,
            versions={name: agent.version for name, agent in wish.agents.items()},
        )

    def status(self) -> Status:
        """Return the whole fleet in one look."""
        wish = self.wish()
        seen, troubles = self.seen(wish)
        machines = tuple(observe.machine_view(n, m, seen, troubles, wish) for n, m in sorted(wish.machines.items()))
        agents = tuple(observe.agent_view(n, a, seen) for n, a in sorted(wish.agents.items()))
        return Status(machines, agents, tuple(sorted(strays(wish, seen))))

    def machines(self) -> list[MachineView]:
        """Return every machine."""
        return list(self.status().machines)

    def machine(self, name: str) -> MachineView:
        """Return one machine.

        Raises:
            BadInput: there is no such machine.
        """
        wish = self.wish()
        if name not in wish.machines:
            raise BadInput("fleet.no_machine", machine=name)
        seen, troubles = self.seen(Wish(machines={name: wish.machines[name]}))
        return observe.machine_view(name, wish.machines[name], seen, troubles, wish)

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
        except Refused as error:
            if error.key != "guard.absent":  # it answers, and was never prepared
                raise
            troubles[name] = error
        mine = sorted((agent, found) for agent, found in wish.agents.items() if found.machine == name)
        return Look(
            observe.machine_view(name, machine, seen, troubles, wish),
            tuple(observe.agent_view(agent, found, seen) for agent, found in mine),
            tuple(sorted(strays(wish, seen))),
        )

    def _machine(self, name: str, wish: Wish) -> Machine:
        if name not in wish.machines:
            raise BadInput("fleet.no_machine", machine=name)
        return wish.machines[name]

    def agents(self) -> list[AgentView]:
        """Return every agent."""
        return list(self.status().agents)

    def agent(self, name: str) -> AgentView:
        """Return one agent, asking its machine only.

        Raises:
            BadInput: there is no such agent.
        """
        agent, machine = self._agent(name)
        seen, _ = observe.observe({agent.machine: self._opener(agent.machine, machine)})
        return observe.agent_view(name, agent, seen)

    def _agent(self, name: str) -> tuple[Agent, Machine]:
        """Return an agent and its machine as their files say."""
        wish = self.wish()
        if name not in wish.agents:
            raise BadInput("fleet.no_agent", agent=name)
        agent = wish.agents[name]
        return agent, wish.machines[agent.machine]

    def ask(self, name: str, message: str, wait: float | None = None) -> Answer:
        """Send one message through an agent and return its answer; ``wait`` are the seconds that it may take.

        Raises:
            ActionFailed: it does not run, or it or its model gave no answer.
        """
        port, who = self._who(name)
        found = door(port, name, who.kind, secrets_of(Guard(port), name, who.kind))
        if not found.address:
            raise ActionFailed("ask.stopped", where=f"{port.name}/{name}", agent=name)
        return talk.ask(port, found, who, message, wait)

    def _who(self, name: str) -> tuple[Port, Who]:
        agent, machine = self._agent(name)
        return self.open(agent.machine, machine), Who(name, kind(agent.kind), agent.version)

    def ready(self, name: str) -> None:
        """Wait until the agent passes its gate.

        Raises:
            ActionFailed: it does not, in its time; or it was stopped or given up, and nobody starts it.
        """
        self._on(name)
        port, who = self._who(name)
        wait(port, Guard(port), who)

    def _on(self, name: str) -> None:
        """See that the agent runs, or that somebody starts it."""
        now = self.agent(name)
        if now.state in {"stopped", "absent"}:
            raise ActionFailed("ask.stopped", where=f"{now.machine}/{name}", agent=name)
        if now.state == "gave-up":
            raise ActionFailed("ask.gave_up", where=f"{now.machine}/{name}", agent=name, reason=now.reason)

    @contextmanager
    def page(self, name: str, listen: Listener = ignore) -> Generator[Open]:
        """Serve the agent's own page at its port of this computer until the block ends; see `fleet.page.opened`.

        Raises:
            BadInput: there is no such agent, or its kind has no page.
            ActionFailed: it does not run.
            Refused: something else has the port.
        """
        self._on(name)
        port, who = self._who(name)
        with opened(port, who, self.page_port(name), listen) as page:
            yield page

    def page_port(self, name: str) -> int:
        """Return the port of this computer at which the agent's page is opened."""
        return self._agent(name)[0].page_port

    def move_page(self, name: str, at: int, listen: Listener = ignore) -> None:
        """Open the agent's page at another port from now on; it restarts, for its page accepts calls from one alone.

        Raises:
            BadInput: that is no port for a page, or another agent's.
            Refused: something else on this computer has the port.
            ActionFailed: it did not come back with it; it goes on with the one before.
        """
        agent, machine = self._agent(name)
        self._on(name)
        spare(at, name, self.wish().agents)
        moved = msgspec.structs.replace(agent, page=at)
        load.save_agent(self.folder, name, moved)
        try:
            todo = self.plan(Wish(machines={agent.machine: machine}, agents={name: moved}))
            if todo.unknown:
                raise Unreachable("plan.unknown", where=agent.machine, machine=agent.machine)
            self.apply(todo, listen)
        except (ActionFailed, Refused):
            load.save_agent(self.folder, name, agent)
            raise

    def shell(
        self, name: str, words: Sequence[str] = (), *, window: Window | None = None
    ) -> AbstractContextManager[Session]:
        """Start a command, or a shell, in an agent's container, as its user; see `fleet.machine.shell_agent.inside`.

        Raises:
            BadInput: there is no such agent.
        """
        agent, machine = self._agent(name)
        return inside(self.open(agent.machine, machine), name, words, window=window)

    def login(
        self, name: str, words: Sequence[str] = (), *, window: Window | None = None
    ) -> AbstractContextManager[Session]:
        """Start a command, or the login's shell, on a machine.

        Raises:
            BadInput: there is no such machine.
        """
        return self.port(name).session(words, window=window)

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

    def start(self, name: str, listen: Listener = ignore) -> Outcome:
        """Start an agent and wait until it is ready."""
        outcome = self._one(Start(machine=self._agent(name)[0].machine, agent=name, reason="reason.asked"), listen)
        self.ready(name)
        return outcome

    def stop(self, name: str, listen: Listener = ignore) -> Outcome:
        """Stop an agent on purpose: it stays stopped after a reboot too."""
        return self._one(Stop(machine=self._agent(name)[0].machine, agent=name, reason="reason.asked"), listen)

    def restart(self, name: str, listen: Listener = ignore) -> Outcome:
        """Stop and start an agent, and wait until it is ready."""
        self.stop(name, listen)
        return self.start(name, listen)

    def _one(self, action: AnyAction, listen: Listener) -> Outcome:
        changed: list[bool] = []

        def hear(event: object) -> None:
            changed.append(getattr(event, "kind", "") == "done")
            cast("Callable[[object], None]", listen)(event)

        applying.apply(Plan(actions=(action,)), self._hands(self.wish()), hear)
        return Done() if any(changed) else AlreadyTrue()

    def remove_agent(self, name: str, *, keep_state: bool, listen: Listener = ignore) -> None:
        """Take an agent off its machine and out of the folder; its state stays on the machine where asked."""
        agent, _ = self._agent(name)
        self._one(Remove(machine=agent.machine, agent=name, keep=keep_state, reason="reason.asked"), listen)
        load.forget_agent(self.folder, name)

    def remove_machine(self, name: str, *, keep_state: bool, listen: Listener = ignore) -> None:
        """Take everything of ours off a machine, and the machine and its agents out of the folder.

        Raises:
            BadInput: there is no such machine.
            Unreachable: it does not answer; it stays in the folder.
        """
        wish = self.wish()
        if name not in wish.machines:
            raise BadInput("fleet.no_machine", machine=name)
        self.leave(name, wish.machines[name], keep_state, listen)
        for agent, found in wish.agents.items():
            if found.machine == name:
                load.forget_agent(self.folder, agent)
        load.forget_machine(self.folder, name)

    def used(self, name: str, wish: Wish | None = None) -> tuple[UsageRow, ...]:
        """Return what the ledger of one machine's meter holds; ``wish`` saves reading the folder.

        Raises:
            BadInput: there is no such machine.
            ActionFailed: its meter gives no report.
            Unreachable: it does not answer.
        """
        port = self.open(name, self._machine(name, wish or self.wish()))
        return tuple(usage.rows(name, Guard(port).usage()))

    def doctor(
        self, machine: str = "", agent: str = "", *, agrees: "Agrees | None" = None, listen: Listener = ignore
    ) -> "Diagnosis":
        """Return what is wrong with a machine, an agent, or the whole fleet.

        With ``agrees``, which says yes or no to what restarts an agent, what may be mended is, and looked at again.

        Raises:
            BadInput: there is no such machine or agent.
        """
        rounds = self._rounds(machine, agent, listen)
        return rounds.mend(agrees) if agrees else rounds.look()

    def _rounds(self, machine: str, agent: str, listen: Listener) -> "Rounds":
        from fleet.doctor import ports  # noqa: PLC0415 - the other commands do without
        from fleet.doctor.rounds import Rounds  # noqa: PLC0415 - likewise

        wish = self.wish()
        machine = self._agent(agent)[0].machine if agent else machine
        if machine and machine not in wish.machines:
            raise BadInput("fleet.no_machine", machine=machine)
        hands = self._hands(wish)
        names = [machine] if machine else sorted(wish.machines)
        mine = {n: (a, hands.kinds[n]) for n, a in wish.agents.items() if a.machine in names and agent in ("", n)}
        patients = [self._patient(name, wish, hands) for name in names]
        return Rounds(patients, self._act(hands, listen), agent, lambda: ports.taken(mine))

    def _patient(self, name: str, wish: Wish, hands: applying.Hands) -> "Patient":
        from fleet.doctor.ask import Patient  # noqa: PLC0415 - see _rounds

        machine = wish.machines[name]
        mine = {n: (a, hands.kinds[n], hands.targets[n]) for n, a in wish.agents.items() if a.machine == name}
        return Patient(name, machine, self._opener(name, machine), self.carried(), hands.holder, mine)

    def _act(self, hands: applying.Hands, listen: Listener) -> "Act":
        def act(site: "Site", action: AnyAction) -> bool:
            changed: list[bool] = []

            def hear(event: Event) -> None:
                changed.append(event.kind == "done" and event.step == action.step)
                listen(event)

            with hands.journal.action(action):
                applying.perform(action, site, hands, hear)
            return any(changed)

        return act

    def usage(self) -> Usage:
        """Return what the meters' ledgers hold, and which machines did not tell."""
        machines = self.wish().machines
        told = many(lambda name: usage.rows(name, Guard(self.open(name, machines[name])).usage()), list(machines))
        found = list(zip(machines, told, strict=True))
        rows = [row for _, answer in found if isinstance(answer, list) for row in answer]
        return Usage(tuple(rows), tuple(name for name, answer in found if not isinstance(answer, list)))
