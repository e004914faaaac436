"""A fleet's folder, its machines' ports, and who lives where."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from fleet import apply as applying
from fleet import load, near, tombs
from fleet.base.errors import Refused
from fleet.base.event import Listener
from fleet.deciding import target_of
from fleet.gate import Who
from fleet.kinds import kind
from fleet.leaving import Leaving
from fleet.machine.port import Port
from fleet.model import Agent, Machine, Target, Wish
from fleet.resolve import Knows, Sort

Resolves = Callable[[Port, str, str, Listener], tuple[str, str]]


def _unresolved(port: Port, of: str, version: str, listen: Listener) -> tuple[str, str]:
    raise LookupError(port.name, of, version, listen)


def _nothing(sort: Sort) -> None:
    del sort


@dataclass(frozen=True)
class Ground:
    """A fleet's folder and the hands to work on it: what every part of `fleet.api.Fleet` stands on.

    Attributes:
        folder: with fleet.yaml, machines/ and agents/.
        open: returns the port of a machine.
        hands: for applying plans.
        leave: takes everything of ours off a machine (name, how it is reached, what goes and what stays).
        graves: what reaches machines that were given up.
        carried: returns the sha256 of the guard's archive that we carry.
        resolve: returns the id and the ref of an image, as a machine's engine calls it (port; kind, or ``meter``;
            version; who listens). It may build here, and pull there what only a pull can name. Nothing is sent.
        knows: returns the id and the ref of an image that this computer has built; it makes nothing, and asks nobody.
    """

    folder: Path
    open: Callable[[str, Machine], Port]
    hands: applying.Hands
    leave: Callable[[str, Machine, Leaving, Listener], None]
    graves: tombs.Keeper = tombs.NOBODY
    carried: Callable[[], str] = str
    resolve: Resolves = _unresolved
    knows: Knows = _nothing

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
        return self.open(name, self._machine(name, self.wish()))

    def target(self, name: str, agent: Agent) -> Target:
        """Return what an agent should be."""
        return target_of(name, agent)

    def _opener(self, name: str, machine: Machine) -> Callable[[], Port]:
        return lambda: self.open(name, machine)

    def _hands(self, wish: Wish) -> applying.Hands:
        agents = wish.everyone
        return replace(
            self.hands,
            port=self.port,
            targets={name: self.target(name, agent) for name, agent in agents.items()},
            kinds={name: kind(agent.kind) for name, agent in agents.items()},
            versions={name: agent.version for name, agent in agents.items()},
        )

    def _machine(self, name: str, wish: Wish) -> Machine:
        if name not in wish.machines:
            raise near.no_machine(name, wish)
        return wish.machines[name]

    def _agent(self, name: str) -> tuple[Agent, Machine]:
        """Return an agent and its machine as their files say.

        Raises:
            BadInput: there is no such agent.
            Refused: no place was found for it yet.
        """
        wish = self.wish()
        if name not in wish.everyone:
            raise near.no_agent(name, wish)
        agent = wish.everyone[name]
        if not agent.machine:
            raise Refused("fleet.agent_nowhere", where=name, agent=name)
        return agent, wish.machines[agent.machine]

    def _who(self, name: str) -> tuple[Port, Who]:
        agent, machine = self._agent(name)
        return self.open(agent.machine, machine), Who(name, kind(agent.kind), agent.version)
