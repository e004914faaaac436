"""Everything before the first change: which machine, what is it, does it fit, what would be done, is that wanted?"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import structs

from fleet.actions import AnyAction
from fleet.api import Fleet
from fleet.base.errors import Refused
from fleet.base.event import Event, Listener
from fleet.base.names import agent_name
from fleet.base.words import say
from fleet.kinds import kind
from fleet.machine.port import Port
from fleet.machine.target import parse
from fleet.model import HERE, Wish
from installer import again
from installer.answers import Answers, Firewall
from installer.bootstrap import KeyTwice
from installer.detect import detect
from installer.detect.doubts import OTHER, VALUES, Doubt, doubts, told
from installer.facts import Facts, look
from installer.makers import called, ground, vendor
from installer.mirrors.measure import tried
from installer.model_key import Chooser, Chosen, check_told
from installer.preflight import judge, need_of, refuse
from installer.preflight.mends import exposed
from installer.provision import prepare
from installer.reach import Reached
from installer.wizard.interview import Interview
from installer.wizard.question import Option, Question

if TYPE_CHECKING:
    from installer.offline.bundle import Bundle


@dataclass(frozen=True)
class Tools:
    """What the setup needs from outside.

    Attributes:
        fleet: to which machine and agent are added.
        journals: the folder of the machines' journals.
        reach: reaches the machine of the answers.
        image: has the image of a kind or ``meter`` (second) on a machine, by source (third), a path being a bundle's;
            returns its id and name.
        ahead: begins on this computer what the image of a kind (second) will need, for an architecture, by source.
        bundle: opens a bundle.
    """

    fleet: Fleet
    journals: Path
    reach: Callable[[Answers, Interview], Reached]
    image: Callable[[Port, str, str | Path, Listener], tuple[str, str]]
    ahead: Callable[[str, str, str], None]
    bundle: "Callable[[Path], Bundle]"


@dataclass(frozen=True)
class Looked:
    """What is known once every question has its answer, and nothing was changed.

    Attributes:
        there: the machine.
        facts: what was seen there.
        agent: the agent's name.
        new: whether it is to be made.
        firewall: what becomes of it.
        key: the provider's key that it is to use; None for practice, or for what it uses already.
    """

    there: Reached
    facts: Facts
    agent: str
    new: bool
    firewall: Firewall = "keep"
    key: Chosen | None = None


class Lead:
    """The talk that leads to a setup; going back in it asks again, and logs in to no machine twice.

    Args:
        answers: what was told beforehand.
        tools: what the setup needs from outside.
        listen: hears what was found.
        asks: the person, or nobody.
    """

    def __init__(self, answers: Answers, tools: Tools, listen: Listener, asks: Interview) -> None:
        self._answers = answers
        self._tools = tools
        self._listen = listen
        self._asks = asks
        self._met: dict[str, tuple[Reached, Facts]] = {}
        self._chooser = Chooser(answers, asks, listen)

    def whole(self) -> Looked:
        """Ask what was not told, look at the machine, and have the person agree; nothing is changed.

        Raises:
            Refused: the machine does not fit, or the person does not want it.
            ClawrackError: the machine cannot be reached, or its login not opened.
        """
        check_told(self._answers)
        return self._asks.lead(self._script)

    def foretold(self, looked: Looked, listen: Listener) -> None:
        """Run every check for real and tell what would be done; nothing is changed."""
        journals, wanted = self._tools.journals, looked.firewall
        prepare(looked.there.port, looked.facts, journals, listen, plan_only=True, firewall=wanted)
        self._foretell(looked, listen)

    def _script(self) -> Looked:
        typed = self._machine()
        there, facts = self._meet(typed)
        if self._answers.no_agent:
            return self._alone(there, facts, typed)
        agent = self._usual_name(there.name)
        looked = Looked(there, facts, agent, new=self._new(agent))
        self._fits(there, facts, new=looked.new)
        looked = replace(looked, firewall=self._firewall(looked))
        if looked.new and not (self._answers.plan or self._answers.bundle):
            self._tools.ahead(detect(facts).architecture.value, self._answers.kind, self._answers.image_source)
        looked = replace(looked, key=self._chooser.choose(there.name, there.port, new=looked.new))
        while looked.new and not (self._answers.yes or self._answers.plan) and not self._agreed(looked, typed):
            looked = self._renamed(looked)
        return looked

    def _alone(self, there: Reached, facts: Facts, typed: str) -> Looked:
        """Judge a machine that gets no agent now; what it needs is that of one, for that is what it is for."""
        new = there.name not in self._tools.fleet.wish().machines
        self._fits(there, facts, new=new)
        looked = Looked(there, facts, agent="", new=False)
        looked = replace(looked, firewall=self._firewall(replace(looked, new=new)))
        if new and not (self._answers.yes or self._answers.plan):
            self._agreed(looked, typed)
        return looked

    def _machine(self) -> str:
        """Return the machine as a person types it."""
        if self._answers.machine or self._answers.yes:
            return self._answers.machine or HERE
        known = self._tools.fleet.wish().machines

        def check(text: str) -> None:
            if text != HERE and text not in known:
                parse(text)

        return self._asks.ask(Question(id="machine", default=HERE), check)

    def _meet(self, typed: str) -> tuple[Reached, Facts]:
        """Return the machine, and what was seen there."""
        if typed not in self._met:
            asked = structs.replace(self._answers, machine=typed)
            there = self._asks.once(lambda: self._reach(asked))
            self._met[typed] = there, self._look(there)
            again.check_identity(*self._met[typed], self._noticed)
            if self._answers.harden and there.machine.local:
                raise Refused("harden.here", where=there.name)
        there, facts = self._met[typed]
        return there, self._settled(there, facts)

    @property
    def _noticed(self) -> again.Noticed:
        return again.Noticed(self._tools.fleet, self._listen, stops=not self._answers.plan)

    def _reach(self, asked: Answers) -> Reached:
        """Reach the machine.

        Raises:
            Refused: it is a copy of one of the fleet's; what runs on it is stopped.
        """
        try:
            return self._tools.reach(asked, self._asks)
        except KeyTwice as twice:
            raise self._noticed.by_key(twice) from twice

    def _settled(self, there: Reached, facts: Facts) -> Facts:
        """Add what a person says, or said before, that the machine is; they are asked what the evidence leaves open."""
        known = self._tools.fleet.wish().machines.get(there.name)
        for source in (known, self._answers) if known else (self._answers,):
            facts = told(facts, {part: getattr(source, part) for part in VALUES})
        for doubt in () if self._asks.silent else doubts(detect(facts)):
            facts = told(facts, {doubt.part: self._asks.ask(_question(doubt, there.name))})
        return facts

    def _look(self, there: Reached) -> Facts:
        """Look at the machine.

        An agent that is there has what it needs already: the network is tried where one may be made.
        """
        mine = {agent.machine for agent in self._tools.fleet.wish().agents.values()}
        net = not self._answers.bundle and (there.name not in mine or bool(self._answers.name))
        facts = tried(there.port, look(there.port, net=net))
        system = called(facts)
        self._listen(Event(kind="done", subject=there.name, step="setup.looked", params={"system": system}))
        return facts

    def _new(self, agent: str) -> bool:
        return agent not in self._tools.fleet.wish().agents

    def _fits(self, there: Reached, facts: Facts, *, new: bool) -> None:
        """Judge the machine; what is in the way stops here, before anything is changed."""
        wanted = need_of(kind(self._answers.kind))
        if not new:  # what it needs, it has
            wanted = replace(wanted, data=0, engine=0)
        problems = judge(facts, wanted)
        refuse(problems, there.name)
        if new and self._answers.bundle:
            self._tools.bundle(self._answers.bundle).fits(facts, self._answers.kind, there.name)
        for problem in problems:
            note = Event(kind="note", subject=there.name, step=f"{problem.key}.what", params={**problem.params})
            self._listen(note)

    def _usual_name(self, machine: str) -> str:
        """Return the agent's name: as told; else that of the machine's agent of this kind; else the next free one."""
        agents, wanted = self._tools.fleet.wish().agents, self._answers.kind
        if self._answers.name:
            self._checked(self._answers.name, machine)
            return self._answers.name
        mine = [name for name, agent in agents.items() if (agent.machine, agent.kind) == (machine, wanted)]
        free = (f"{wanted}-{n}" if n > 1 else wanted for n in range(1, len(agents) + 2))
        kept = self._asks.kept("name")
        return min(mine) if mine else kept or next(name for name in free if name not in agents)

    def _firewall(self, looked: Looked) -> Firewall:
        """Return what becomes of the firewall; asked of a person where there is none and anybody can knock."""
        maker = vendor(detect(looked.facts))
        if self._answers.firewall == "ssh-only" and maker:
            raise Refused("nas.firewall", where=looked.there.name, system=maker.title)
        if self._answers.firewall or self._asks.silent or self._answers.plan or not looked.new:
            return self._answers.firewall or "keep"
        if not exposed(looked.facts, detect(looked.facts)):
            return "keep"
        options = tuple(Option(value, say(f"wizard.firewall.{value}")) for value in ("keep", "ssh-only"))
        params = {"machine": looked.there.name, "ports": ", ".join(looked.facts.get("listening").split()) or "-"}
        answer = self._asks.ask(Question(id="firewall", form="choice", default="keep", options=options, params=params))
        return "ssh-only" if answer == "ssh-only" else "keep"

    def _renamed(self, looked: Looked) -> Looked:
        """Return it with the agent's name as the person says it."""
        machine = looked.there.name
        question = Question(id="name", default=looked.agent, params={"machine": machine})
        agent = self._asks.ask(question, lambda name: self._checked(name, machine))
        return replace(looked, agent=agent, new=self._new(agent))

    def _checked(self, name: str, machine: str) -> None:
        """See that an agent on this machine can have the name."""
        agents = self._tools.fleet.wish().agents
        agent_name(name)
        if name in agents and not agents[name].machine:
            raise Refused("fleet.agent_nowhere", where=name, agent=name)
        if name in agents and agents[name].machine != machine:
            raise Refused("fleet.agent_elsewhere", agent=name, machine=agents[name].machine)

    def _agreed(self, looked: Looked, typed: str) -> bool:
        """Say all that is going to be done; go on only where the person says so, or wants another name (False)."""
        said: list[str] = []

        def hear(event: Event) -> None:
            if event.kind == "note":
                said.append(say(event.step, **event.params))

        self.foretold(looked, hear)
        params = {
            "agent": looked.agent,
            "machine": looked.there.name,
            "system": called(looked.facts),
            "typed": typed,
        }
        if self._asks.silent:
            instead = "add.instead" if self._answers.no_agent else "wizard.go.instead"
            raise Refused("question.nobody", question=say("wizard.go", **params), command=say(instead, **params))
        options = tuple(Option(value, say(f"wizard.go.{value}")) for value in self._ways())
        answer = self._asks.ask(
            Question(id="go", form="choice", default="yes", options=options, params=params, page=tuple(said))
        )
        if answer == "back":
            self._asks.back()
        if answer == "no":
            raise Refused("setup.declined")
        return answer == "yes"

    def _ways(self) -> tuple[str, ...]:
        """Return the answers to the review page; a name that was told on the line is not asked for again."""
        named = self._answers.name or self._answers.no_agent
        return ("yes", "back", "no") if named else ("yes", "name", "back", "no")

    def _foretell(self, looked: Looked, listen: Listener) -> None:
        there, wish = looked.there, self._tools.fleet.wish()
        which = kind(self._answers.kind)

        def tell(step: str, **params: str) -> None:
            listen(Event(kind="note", subject=there.name, step=step, params=params))

        for gate in there.passes:
            tell("setup.would.pass", gate=gate)
        stands = ground(looked.facts, detect(looked.facts))
        if stands.settings and there.name not in wish.machines:
            tell("nas.would.folder", path=stands.data)
            if stands.hook:
                tell(f"nas.would.{stands.hook.form}", path=stands.hook.path)
        if self._answers.harden:
            tell("setup.would.harden")
        if there.name in wish.machines:
            for action in self._tools.fleet.plan(part(wish, there.name)).actions:
                tell("setup.would.action", does=say(action.step, **_named(action)), why=say(action.reason))
        else:
            tell("setup.would.meter")
        if looked.new:
            tell("setup.would.agent", agent=looked.agent, kind=which.name, version=which.version)
        if looked.key:
            tell("setup.would.key", title=looked.key.way.title, model=looked.key.model)


def _question(doubt: Doubt, machine: str) -> Question:
    options = tuple(Option(value, say(f"detect.{doubt.part}.{value}")) for value in doubt.options[:-1])
    other = Option(OTHER, say(f"wizard.{doubt.part}.{OTHER}"))
    return Question(
        id=doubt.part, form="choice", default=doubt.options[0], options=(*options, other), params={"machine": machine}
    )


def part(wish: Wish, machine: str) -> Wish:
    """Return the part of the wish that is this machine's."""
    mine = {name: found for name, found in wish.agents.items() if found.machine == machine}
    return Wish(machines={machine: wish.machines[machine]}, agents=mine)


def _named(action: AnyAction) -> dict[str, str]:
    return {key: str(getattr(action, key)) for key in ("agent", "of", "machine") if hasattr(action, key)}
