"""Which image each agent and each meter is to run from: pure, but for what is asked through `Knows`.

An image is looked for where it costs nothing: in the agent's own file, at the agent itself where it runs that version
already, in what this computer has built, and at others of the same kind, version and sort of engine. What others have
may once have been read back from their machine or from a backup: so no machine decides alone what others run from. An
agent takes what its own machine has, or what two machines at least have, and more than have anything else. What is
known nowhere stays without an id: a plan says that it is made or asked for first, and `filled` puts it in.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from fleet.actions import AnyAction, Deploy, PlaceImage, PlaceMeter
from fleet.kinds import METER, kind
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, Target, Wish
from fleet.plan import Plan
from fleet.plan_agent import Meter
from fleet.versions import older

Found = tuple[str, str]
"""The id of an image and where it came from (``ref``); both empty where it is not known."""
UNKNOWN: Found = ("", "")
OURS = "clawrack/meter:"
QUORUM = 2
"""How many machines must have an image before a third one is given it for that."""


class Sort(NamedTuple):
    """What an image depends on; ``store`` decides on its id (`fleet.model.SeenMachine`)."""

    of: str
    version: str
    architecture: str
    store: str


class Unmade(NamedTuple):
    """An image that a machine needs and nobody knows the id of yet."""

    of: str
    version: str
    machine: str


Knows = Callable[[Sort], Found | None]
"""Returns the image of a sort where this computer has it; nothing is made, and nobody is asked."""


class Resolved(NamedTuple):
    """A wish in which what could be known is, and what is known of the machines' meters."""

    wish: Wish
    meters: dict[str, Meter]


def resolve(wish: Wish, seen: Seen, knows: Knows, carried: str) -> Resolved:
    """Return the wish with the images of all that is on machines that answered; on the others nothing is planned.

    Args:
        wish: every agent placed.
        seen: the fleet as its machines say.
        knows: what this computer has.
        carried: the version of the meter that this clawrack carries.
    """
    there = {name: found for name, found in seen.machines.items() if found and found.engine and name in wish.machines}
    book = _Book(wish, there, knows)
    agents = {
        name: book.agent(name, agent, there[agent.machine]) if agent.machine in there else agent
        for name, agent in wish.agents.items()
    }
    living = {agent.machine for agent in agents.values()}
    told = {name: book.machine(name, carried) for name in there if name in living}
    machines = wish.machines | {name: machine for name, (machine, _) in told.items()}
    return Resolved(replace(wish, machines=machines, agents=agents), {name: meter for name, (_, meter) in told.items()})


class _Book:
    """What is known of images, looked up once for each sort."""

    def __init__(self, wish: Wish, there: Mapping[str, SeenMachine], knows: Knows) -> None:
        self._machines = wish.machines
        self._there = there
        self._knows = knows
        self._found: dict[Sort, Found] = {}
        self._had: dict[Sort, dict[Found, set[str]]] = {}
        for _, agent in sorted(wish.agents.items()):
            if agent.image and agent.machine in there and agent.image_of == _version(agent):
                had = self._had.setdefault(sort_of(agent.kind, agent.image_of, there[agent.machine]), {})
                had.setdefault((agent.image, agent.ref), set()).add(agent.machine)

    def agent(self, name: str, agent: Agent, there: SeenMachine) -> Agent:
        """Return the agent with its version and image; one that its machine lacks and nobody can name is looked for."""
        version = _version(agent)
        if agent.image and agent.image_of == version and (agent.ref or agent.image in there.images):
            return agent if agent.version else replace(agent, version=version)
        sort = sort_of(agent.kind, version, there)
        image, ref = _running(version, there.agents.get(name), agent) or self.of(sort, agent.machine)
        return replace(agent, version=version, image=image, ref=ref, image_of=version if image else "")

    def machine(self, name: str, carried: str) -> tuple[Machine, Meter]:
        """Return the machine with the meter's image that it should run, and what is known of that."""
        machine = self._machines[name]
        if not machine.meter and self._there[name].meter_image:  # its file lost it: what runs stays
            return replace(machine, meter=self._there[name].meter_image), Meter()
        runs = meter_version(machine.meter_ref)
        if machine.meter and not (runs and older(runs, carried)):
            return machine, Meter(version=runs)
        image, ref = self.of(sort_of(METER, carried, self._there[name]), name)
        return replace(machine, meter=image, meter_ref=ref), Meter(version=carried, runs=runs)

    def of(self, sort: Sort, machine: str) -> Found:
        """Return the image of a sort, for a machine."""
        if sort not in self._found:
            self._found[sort] = self._knows(sort) or _agreed(self._had.get(sort, {})) or UNKNOWN
        return self._found[sort] if self._found[sort] != UNKNOWN else self._own(sort, machine)

    def _own(self, sort: Sort, machine: str) -> Found:
        """Return what other agents of the machine run from; it tells nothing to any other machine."""
        return next((image for image, machines in self._had.get(sort, {}).items() if machine in machines), UNKNOWN)


def sort_of(of: str, version: str, there: SeenMachine) -> Sort:
    """Return the sort of image that a machine needs."""
    return Sort(of, version, there.architecture, there.store)


def meter_version(ref: str) -> str:
    """Return the version that our own name of a meter's image says; empty where it is no name of ours."""
    return ref.removeprefix(OURS).rpartition("-")[0] if ref.startswith(OURS) else ""


def _version(agent: Agent) -> str:
    return agent.version or kind(agent.kind).version


def _agreed(had: Mapping[Found, Collection[str]]) -> Found | None:
    """Return what two machines at least have, and more than have anything else."""
    counts = sorted(((len(machines), image) for image, machines in had.items()), reverse=True)
    if not counts or counts[0][0] < QUORUM or (len(counts) > 1 and counts[1][0] == counts[0][0]):
        return None
    return counts[0][1]


def _running(version: str, mine: SeenAgent | None, agent: Agent) -> Found | None:
    """Return the image that the agent runs from already, where that is of the version and as its release says."""
    if mine is None or not mine.image or not mine.release or mine.version != version or "image" in mine.drift:
        return None
    return mine.image, agent.ref if agent.image == mine.image else ""


def unmade(plan: Plan) -> list[Unmade]:
    """Return what must be made or asked for before the plan can be carried out."""
    images = [action for action in plan.actions if isinstance(action, PlaceImage) and not action.image]
    return [Unmade(action.of, action.version, action.machine) for action in images]


def filled(plan: Plan, found: Mapping[Unmade, Found], target: Callable[[str, Agent], Target]) -> Plan:
    """Return the plan with the images that have become known, and the releases that they make.

    Args:
        plan: with images that are unmade.
        found: of each that was unmade.
        target: returns what an agent should be, by its name.
    """

    def agent_filled(agent: Agent) -> Agent:
        image, ref = found.get(Unmade(agent.kind, agent.version, agent.machine), UNKNOWN)
        return replace(agent, image=image, ref=ref, image_of=agent.version) if image and not agent.image else agent

    def action_filled(action: AnyAction) -> AnyAction:
        match action:
            case PlaceImage(image=""):
                image, ref = found[Unmade(action.of, action.version, action.machine)]
                return replace(action, image=image, ref=ref)
            case PlaceMeter(image=""):
                return replace(action, image=found[Unmade(METER, action.version, action.machine)][0])
            case Deploy(release=""):
                return replace(action, release=target(action.agent, agents[action.agent]).release)
            case _:
                return action

    agents = {name: agent_filled(agent) for name, agent in plan.agents.items()}
    machines = {
        name: replace(machine, meter=image, meter_ref=ref)
        for name, machine in plan.machines.items()
        for image, ref in [_meter_of(name, found) or (machine.meter, machine.meter_ref)]
    }
    return replace(plan, actions=tuple(map(action_filled, plan.actions)), agents=agents, machines=machines)


def _meter_of(machine: str, found: Mapping[Unmade, Found]) -> Found | None:
    return next((image for one, image in found.items() if one.of == METER and one.machine == machine), None)
