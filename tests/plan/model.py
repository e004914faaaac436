"""The model of a fleet that plans are replayed on, and the cases' form."""

from typing import Any

import msgspec

from fleet.actions import AnyAction, Deploy, Mend, PlaceImage, PlaceMeter, Remove, Restart, Rollback, Start, Stop
from fleet.drift import Drift
from fleet.kinds import home_of, kind
from fleet.model import Seen, SeenAgent, SeenMachine, Target, Wish
from fleet.plan import Plan, plan
from fleet.plan_agent import Known, Meter
from fleet.render import configs, target

change = msgspec.structs.replace


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    wish: Wish
    seen: Seen
    plan: list[str]
    unknown: list[str] = []
    strays: list[str] = []
    unwell: list[str] = []
    drift: list[str] = []
    deployed: list[str] = []
    again: bool = False
    meters: dict[str, Meter] = {}

    @property
    def known(self) -> Known:
        return Known(meters=self.meters, deployed=self.deployed, again=self.again)

    def planned(self, seen: Seen | None = None, *, again: bool | None = None) -> Plan:
        known = self.known if again is None else Known(meters=self.meters, deployed=self.deployed, again=again)
        return plan(self.wish, seen or self.seen, targets(self.wish), known)


def targets(wish: Wish) -> dict[str, Target]:
    return {
        name: target(name, agent, kind(agent.kind), configs(home_of(agent.kind))) for name, agent in wish.agents.items()
    }


def case(plain: dict[str, Any]) -> Case:
    """Read a case; WISHED stands for the release that the wish makes, DOWN for an engine that does not answer."""
    read = msgspec.convert(plain, Case)
    made = targets(read.wish)

    def wished(agent: SeenAgent) -> SeenAgent:
        mine = made[agent.name].release if agent.name in made else ""
        return change(
            agent,
            release=mine if agent.release == "WISHED" else agent.release,
            trial=mine if agent.trial == "WISHED" else agent.trial,
            failed=tuple(mine if release == "WISHED" else release for release in agent.failed),
        )

    def machine(there: SeenMachine) -> SeenMachine:
        engine = {"": "29.1", "DOWN": ""}.get(there.engine, there.engine)
        return change(there, engine=engine, agents={name: wished(seen) for name, seen in there.agents.items()})

    machines = {name: machine(there) if there else None for name, there in read.seen.machines.items()}
    return change(read, seen=Seen(machines=machines))


def line(action: AnyAction) -> str:
    what = getattr(action, "agent", "") or getattr(action, "of", "")
    return " ".join(filter(None, (type(action).__name__, what, "on", action.machine, "because", action.reason)))


def drifted(found: Drift) -> str:
    return " ".join(filter(None, (found.agent, "on", found.machine, found.what, found.then)))


def replay(seen: Seen, plan: Plan) -> Seen:
    machines = dict(seen.machines)
    for action in plan.actions:
        there = machines[action.machine]
        assert there is not None
        machines[action.machine] = step(there, action)
    return Seen(machines=machines)


def step(there: SeenMachine, action: AnyAction) -> SeenMachine:
    agents = dict(there.agents)
    match action:
        case PlaceImage():
            return change(there, images=there.images | {action.image})
        case PlaceMeter():
            assert action.image in there.images, "the meter's image must be there before"
            return change(there, meter_image=action.image, meter="", meter_state="running")
        case Deploy():
            assert there.meter_state == "running", "the meter must run before an agent is deployed"
            failed = agents[action.agent].failed if action.agent in agents else ()
            agents[action.agent] = SeenAgent(
                name=action.agent, release=action.release, state="running", version=action.version, failed=failed
            )
        case Rollback():
            agents[action.agent] = change(agents[action.agent], release=action.release, trial="", state="running")
        case Mend():
            mended = change(agents[action.agent], drift=())
            agents[action.agent] = mended if mended.on_purpose else change(mended, state="running")
        case Start() | Restart():
            agents[action.agent] = change(agents[action.agent], state="running", on_purpose=False)
        case Stop():
            agents[action.agent] = change(agents[action.agent], state="stopped", on_purpose=True)
        case Remove():
            del agents[action.agent]
    return change(there, agents=agents)
