"""From a bare machine to an agent that answers: reach it, judge it, prepare it, deploy, say hello.

Each part looks before it acts, so the whole can be killed anywhere and run again: it carries on, and on a finished
machine it changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import msgspec

from fleet import load, observe
from fleet.actions import AnyAction
from fleet.api import Fleet
from fleet.base.errors import Refused, Unreachable
from fleet.base.event import Event, Listener
from fleet.base.event import Kind as EventKind
from fleet.base.names import agent_name
from fleet.base.words import say
from fleet.images.recipe import Architecture
from fleet.kinds import kind
from fleet.machine.port import Port
from fleet.model import HERE, Agent, Wish
from installer.answers import Answers, Asks, Receipt
from installer.facts import Facts, look
from installer.preflight import Need, judge, refuse
from installer.provision import prepare
from installer.reach import Reached

ARCHITECTURES = frozenset(get_args(Architecture))
"""Those that an image can be made for."""


@dataclass(frozen=True)
class Tools:
    """What the setup needs from outside.

    Attributes:
        fleet: to which machine and agent are added.
        journals: the folder of the machines' journals.
        reach: reaches the machine of the answers.
        image: has the image of a kind or ``meter`` (second) on a machine, by source (third); returns its id and name.
    """

    fleet: Fleet
    journals: Path
    reach: Callable[[Answers, Asks], Reached]
    image: Callable[[Port, str, str, Listener], tuple[str, str]]


def setup(answers: Answers, tools: Tools, listen: Listener, asks: Asks) -> Receipt | None:
    """Carry the setup out; None where only a plan was asked for.

    Raises:
        ClawrackError: what stopped it; running it again carries on.
    """
    run = _Run(_asked(answers, asks), tools, listen)
    kind(answers.kind)  # a mistyped kind or name is told before anything is touched
    if answers.name:
        agent_name(answers.name)
    there = tools.reach(run.answers, asks)
    agent = run.agent_name(there.name)
    new = agent not in tools.fleet.wish().agents
    facts = run.judged(there, new=new)
    if answers.plan:
        prepare(there.port, facts, tools.journals, listen, plan_only=True)
        run.foretold(there, agent)
        return None
    if not answers.yes and new:
        _consent(asks, agent, there.name, facts, run.answers.machine)
    there = replace(there, port=there.stay(listen))
    changed = bool(prepare(there.port, facts, tools.journals, listen))
    wish = run.written(there, agent)
    return run.deployed(wish, agent, changed=changed)


def _consent(asks: Asks, agent: str, machine: str, facts: Facts, typed: str) -> None:
    """Say what is going to be made, and go on only where the person says yes."""
    system = facts.get("os.PRETTY_NAME") or facts.get("uname_s")
    if not asks.confirm("setup.ask.go", agent=agent, machine=machine, system=system, typed=typed):
        raise Refused("setup.declined")


def _asked(answers: Answers, asks: Asks) -> Answers:
    """Ask what was not told: which machine."""
    machine = answers.machine or (HERE if answers.yes else asks.text("setup.ask.machine", HERE))
    return msgspec.structs.replace(answers, machine=machine)


@dataclass(frozen=True)
class _Run:
    """One setup under way."""

    answers: Answers
    tools: Tools
    listen: Listener

    def judged(self, there: Reached, *, new: bool) -> Facts:
        """Look at the machine and judge it; what is in the way stops here, before anything is changed.

        An agent that is there has what it needs already: network and room are asked for a new one only.
        """
        facts = look(there.port, net=new)
        system = facts.get("os.PRETTY_NAME") or facts.get("uname_s")
        self.listen(Event(kind="done", subject=there.name, step="setup.looked", params={"system": system}))
        needs = kind(self.answers.kind).needs
        disk = needs.disk // 2 if new else 0
        problems = judge(facts, Need(memory=needs.memory, data=disk, engine=disk, architectures=ARCHITECTURES))
        refuse(problems, there.name)
        for problem in problems:
            self.listen(Event(kind="note", subject=there.name, step=f"{problem.key}.what", params={**problem.params}))
        return facts

    def agent_name(self, machine: str) -> str:
        """Return the agent's name: as told; else that of the machine's agent of this kind; else the next free one."""
        agents, wanted = self.tools.fleet.wish().agents, self.answers.kind
        if self.answers.name:
            name = agent_name(self.answers.name)
            if name in agents and agents[name].machine != machine:
                raise Refused("fleet.agent_elsewhere", agent=name, machine=agents[name].machine)
            return name
        mine = [name for name, agent in agents.items() if (agent.machine, agent.kind) == (machine, wanted)]
        free = (f"{wanted}-{n}" if n > 1 else wanted for n in range(1, len(agents) + 2))
        return min(mine) if mine else next(name for name in free if name not in agents)

    def foretold(self, there: Reached, agent: str) -> None:
        """Say what would follow once the machine is ready; nothing is changed."""
        wish = self.tools.fleet.wish()
        which = kind(self.answers.kind)

        def tell(step: str, **params: str) -> None:
            self.listen(Event(kind="note", subject=there.name, step=step, params=params))

        if there.name in wish.machines:
            for action in self.tools.fleet.plan(_part(wish, there.name)).actions:
                tell("setup.would.action", does=say(action.step, **_named(action)), why=say(action.reason))
        else:
            tell("setup.would.meter")
        if agent not in wish.agents:
            tell("setup.would.agent", agent=agent, kind=which.name, version=which.version)

    def written(self, there: Reached, agent: str) -> Wish:
        """Write the machine's and the agent's files, images resolved; return the wish for this machine alone."""
        self._write_machine(there)
        if agent not in self.tools.fleet.wish().agents:
            which = kind(self.answers.kind)
            image, ref = self.tools.image(there.port, which.name, self.answers.image_source, self.listen)
            made = Agent(kind=which.name, machine=there.name, version=which.version, image=image, ref=ref)
            load.save_agent(self.tools.fleet.folder, agent, made)
        return _part(self.tools.fleet.wish(), there.name)

    def _write_machine(self, there: Reached) -> None:
        machines = self.tools.fleet.wish().machines
        seen, before = observe.look(there.port), machines.get(there.name)
        twin = next((name for name, m in machines.items() if m.id == seen.id and name != there.name), "")
        if twin:
            raise Refused("setup.same_machine", where=there.name, machine=twin)
        meter, ref = (before.meter, before.meter_ref) if before else (seen.meter_image, "")
        if not meter:
            meter, ref = self.tools.image(there.port, "meter", "build", self.listen)
        facts = {"id": seen.id, "architecture": seen.architecture, "meter": meter, "meter_ref": ref}
        machine = msgspec.structs.replace(there.machine, **facts)
        if machine != before:
            load.save_machine(self.tools.fleet.folder, there.name, machine)

    def deployed(self, wish: Wish, agent: str, *, changed: bool) -> Receipt:
        """Bring the machine to its wish; a fresh agent is said hello to, another one is only looked at."""
        fleet = self.tools.fleet
        todo = fleet.plan(wish)
        if todo.unknown:
            raise Unreachable("plan.unknown", where=todo.unknown[0], machine=todo.unknown[0])
        fleet.apply(todo, self.listen)
        receipt = _receipt(wish, agent, changed=changed or bool(todo))
        self._ready(receipt)
        release = fleet.agent(agent).release
        if wish.agents[agent].proven == release:
            return receipt
        receipt = self._greeted(receipt)
        load.save_agent(fleet.folder, agent, msgspec.structs.replace(wish.agents[agent], proven=release))
        return receipt

    def _greeted(self, receipt: Receipt) -> Receipt:
        question, tell = say("setup.hello"), self._teller(receipt, "setup.message")
        tell("begun", 0)
        answer = self.tools.fleet.ask(receipt.agent, question)
        tell("done", answer.seconds)
        told = {"question": question, "answer": answer.text, "seconds": round(answer.seconds, 1), "changed": True}
        return msgspec.structs.replace(receipt, **told)

    def _ready(self, receipt: Receipt) -> None:
        self.tools.fleet.ready(receipt.agent)
        self._teller(receipt, "step.gate")("already", 0)

    def _teller(self, receipt: Receipt, step: str) -> Callable[[EventKind, float], None]:
        subject, params = f"{receipt.machine}/{receipt.agent}", {"agent": receipt.agent}
        return lambda kind, elapsed: self.listen(
            Event(kind=kind, subject=subject, step=step, params=params, elapsed=elapsed)
        )


def _part(wish: Wish, machine: str) -> Wish:
    """Return the part of the wish that is this machine's."""
    mine = {name: found for name, found in wish.agents.items() if found.machine == machine}
    return Wish(machines={machine: wish.machines[machine]}, agents=mine)


def _named(action: AnyAction) -> dict[str, str]:
    return {key: str(getattr(action, key)) for key in ("agent", "of", "machine") if hasattr(action, key)}


def _receipt(wish: Wish, agent: str, *, changed: bool) -> Receipt:
    found = wish.agents[agent]
    return Receipt(
        agent=agent,
        kind=found.kind,
        version=found.version,
        machine=found.machine,
        address=wish.machines[found.machine].address,
        model=found.model,
        changed=changed,
        talk=f'clawrack agent ask {agent} "…"',
        stop=f"clawrack agent stop {agent}",
        remove=f"clawrack agent remove {agent}",
        leave=f"clawrack machine remove {found.machine}",
    )
