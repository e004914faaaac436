"""The fleet as its machines say it is: every machine asked at once, each in one round trip or two."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from fleet.base.clean import line, number
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused
from fleet.base.names import agent_name
from fleet.base.words import say
from fleet.drift import twice
from fleet.machine import containers
from fleet.machine.guard import Guard, GuardAbsent, sentence
from fleet.machine.many import many
from fleet.machine.port import Port
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, State, Wish
from fleet.views import AgentState, AgentView, MachineState, MachineView

_STATES: dict[str, State] = {
    "created": "created",
    "running": "running",
    "restarting": "restarting",
    "paused": "stopped",
    "exited": "stopped",
    "dead": "dead",
}
"""The engine's word for a container's state, and ours."""


_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,127}")
"""How Docker lets containers be called (daemon/names), up to a dot, which is where our guard's keys part."""


def observe(ports: dict[str, Callable[[], Port]], *, images: bool = False) -> tuple[Seen, dict[str, ClawrackError]]:
    """Ask machines what they are.

    Args:
        ports: opens each machine, by name.
        images: also ask which images its engine has.

    Returns:
        What was seen (None for a machine that did not answer), and why some did not answer, by name.
    """
    answers = many(lambda name: look(ports[name](), images=images), list(ports))
    found = dict(zip(ports, answers, strict=True))
    seen = {name: answer if isinstance(answer, SeenMachine) else None for name, answer in found.items()}
    return Seen(machines=seen), {name: a for name, a in found.items() if isinstance(a, ClawrackError)}


def look(port: Port, *, images: bool = False) -> SeenMachine:
    """Ask one machine what it is.

    Raises:
        GuardAbsent: it has no guard of ours.
        Unreachable: it does not answer.
    """
    told = read(Guard(port).look())
    if not images or not told.engine:
        return told
    return msgspec.structs.replace(told, images=containers.images(port), store=containers.store(port))


def read(pairs: Iterable[tuple[str, str]]) -> SeenMachine:
    """Return what a guard's ``look`` says; what is called as no agent and no container can be is left out.

    An agent's name becomes the name of its file here, so a machine could lead to any other.
    """
    told, rows = dict[str, str](), dict[str, list[str]]()
    for key, value in pairs:
        told[key] = value
        rows.setdefault(key, []).append(value)
    names = [name for name in _named("agent", told) if _can_be_agent(name)]
    return SeenMachine(
        id=told.get("id", ""),
        agents={name: _agent(name, told, rows) for name in names},
        architecture=told.get("docker.platform", "").rpartition("/")[2],
        engine=told.get("docker.version", ""),
        meter=told.get("meter.release", ""),
        meter_image=told.get("meter.image", ""),
        meter_state=_STATES.get(told.get("meter.state", ""), "absent"),
        free=number(told.get("disk_free", "")) or 0,
        memory=number(told.get("memory", "")) or 0,
        others=tuple(sorted(row.partition(" ")[0] for row in rows.get("other", ()))),
        unnamed=tuple(name for name in _named("stray", told) if _CONTAINER.fullmatch(name)),
        firewall=told.get("firewall") == "ok",
    )


def _named(what: str, told: Mapping[str, str]) -> list[str]:
    return sorted({key.split(".")[1] for key in told if key.startswith(f"{what}.")})


def _can_be_agent(name: str) -> bool:
    try:
        agent_name(name)
    except BadInput:
        return False
    return True


def _agent(name: str, told: Mapping[str, str], rows: Mapping[str, list[str]]) -> SeenAgent:
    def of(key: str) -> str:
        return told.get(f"agent.{name}.{key}", "")

    def each(key: str) -> tuple[str, ...]:
        return tuple(rows.get(f"agent.{name}.{key}", ()))

    return SeenAgent(
        name=name,
        kind=of("kind"),
        release=of("release"),
        trial=of("trial"),
        container=of("container"),
        image=of("image"),
        state=_STATES.get(of("state"), "absent"),
        started=of("started_at"),
        exit_code=number(of("exit_code")),
        on_purpose=of("stopped") == "1",
        reason=sentence(of("reason"), of("reason.detail")),
        address=of("address"),
        subnet=of("subnet"),
        version=of("version"),
        kept=each("kept"),
        failed=each("failed"),
        drift=tuple(sorted(each("drift"))),
    )


def machine_view(
    name: str, machine: Machine, seen: Seen, troubles: dict[str, ClawrackError], wish: Wish
) -> MachineView:
    """Return a machine as people are shown it."""
    there = seen.machines.get(name)
    trouble = troubles.get(name)
    agents = sum(agent.machine == name for agent in wish.agents.values())
    place = machine.address if machine.local or machine.port == 22 else f"{machine.address}:{machine.port}"  # noqa: PLR2004
    return MachineView(
        name=name,
        address=place,
        state=_machine_state(there, trouble),
        agents=agents,
        id=there.id if there else machine.id,
        architecture=(there.architecture if there else "") or machine.architecture,
        engine=there.engine if there else "",
        meter=there.meter_state if there and there.engine else "",
        firewall=bool(there and there.firewall),
        free=there.free if there else 0,
        trouble=line(str(trouble)) if trouble else _twin(name, seen) or _trouble(name, there, agents),
    )


def _twin(name: str, seen: Seen) -> str:
    """Return that another machine carries the same id, or an empty text."""
    other = twice(seen).get(name)
    return str(Refused("twin.two", where=name, machine=name, other=other)) if other else ""


def _trouble(name: str, there: SeenMachine | None, agents: int) -> str:
    """Return what is wrong with a machine that answers, or an empty text; one without agents needs no meter."""
    if there and not there.engine:
        return str(ActionFailed("engine.down", where=name, machine=name))
    if there and agents and there.meter_state != "running":
        return say("trouble.meter", machine=name)
    return ""


def _machine_state(there: SeenMachine | None, trouble: ClawrackError | None) -> MachineState:
    if there is None:
        return "unprepared" if isinstance(trouble, GuardAbsent) else "silent"
    return "ok" if there.engine else "no-engine"


def agent_view(name: str, agent: Agent, seen: Seen) -> AgentView:
    """Return an agent as people are shown it."""
    there = seen.machines.get(agent.machine)
    mine = there.agents.get(name) if there else None
    base: dict[str, Any] = {
        "name": name, "machine": agent.machine, "kind": agent.kind, "version": agent.version, "model": agent.model,
    }  # fmt: skip
    known = bool(there and there.engine)  # without its engine a machine does not know what runs
    if mine is None:
        return AgentView(state="absent" if known or not agent.machine else "unknown", **base)
    return AgentView(
        state=_agent_state(mine) if known else "unknown",
        release=mine.release,
        container=mine.container,
        image=mine.image,
        address=mine.address,
        started=mine.started,
        exit_code=mine.exit_code,
        reason=mine.reason,
        **base,
    )


def _agent_state(mine: SeenAgent) -> AgentState:
    if mine.trial:
        return "trial"
    if mine.state == "running":
        return "running"
    if mine.on_purpose:
        return "stopped"
    if mine.reason:
        return "gave-up"
    return "starting" if mine.container else "absent"
