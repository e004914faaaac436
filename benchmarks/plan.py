"""How long a plan takes: 10,000 agents on 1,000 machines, of which each runs the version before. CPU seconds, medians.

Deciding is all between what the files and the machines say and the plan with its hash: placing, resolving images,
rendering every configuration, planning. Loading reads the folder: a file for each machine and agent. No machine is
asked; what they would say is made up. One line of JSON. Run: ``uv run benchmarks/plan.py [AGENTS [MACHINES]]``.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml
from msgspec.structs import replace

from fleet import load
from fleet.deciding import decide
from fleet.meter import release
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, Wish
from fleet.plan_view import Planned
from fleet.resolve import Sort
from templates.meter.meter import VERSION

ROUNDS = 5
KIND = "openclaw"
BEFORE, AFTER = "2026.8.2", "2026.9.6"
METER = f"sha256:{'e' * 64}"
IMAGES = {BEFORE: f"sha256:{'a' * 64}", AFTER: f"sha256:{'b' * 64}"}
Result = TypeVar("Result")


def main() -> None:
    """Print the figures."""
    agents, machines = [int(word) for word in sys.argv[1:3]] or [10_000, 1_000]
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), agents, machines)
        loading, wish = timed(lambda: load.load(Path(folder)))
    seen = as_seen(wish)
    deciding, made = timed(lambda: decided(wish, seen))
    then = after(seen, made)
    again, same = timed(lambda: decided(wish, then))
    assert len(made.plan.actions) == agents + machines
    assert not same.plan
    print(
        json.dumps(
            {
                "benchmark": "plan",
                "agents": agents,
                "machines": machines,
                "actions": len(made.plan.actions),
                "deciding_cpu_s": round(deciding, 3),
                "nothing_to_do_cpu_s": round(again, 3),
                "loading_cpu_s": round(loading, 3),
                "with_loading_cpu_s": round(loading + deciding, 3),
                "libyaml": hasattr(yaml, "CSafeLoader"),
            }
        )
    )


def decided(wish: Wish, seen: Seen) -> Planned:
    """Return the plan, its hash made once."""
    made = decide(wish, seen, knows, {})
    assert made.plan.fingerprint
    return made


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the median of the CPU seconds that it took, and what it returned."""
    took, result = once(work)
    rest = [once(work)[0] for _ in range(ROUNDS - 1)]
    return statistics.median([took, *rest]), result


def once(work: Callable[[], Result]) -> tuple[float, Result]:
    """Return the CPU seconds that it took, and what it returned."""
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def write(folder: Path, agents: int, machines: int) -> None:
    """Write the fleet's folder: every agent is to run the newer version."""
    ref = f"clawrack/meter:{VERSION}-0"
    for n in range(machines):
        address = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
        machine = Machine(address=address, id=f"{n:032x}", architecture="amd64", meter=METER, meter_ref=ref)
        load.save_machine(folder, f"m-{n}", machine)
    image = IMAGES[BEFORE]
    for n in range(agents):
        home = f"m-{n % machines}"
        agent = Agent(kind=KIND, machine=home, version=AFTER, image=image, image_of=BEFORE, page=20_000 + n)
        load.save_agent(folder, f"a-{n}", agent)


def knows(sort: Sort) -> tuple[str, str]:
    """Return an image, as if it had been built here."""
    return IMAGES[sort.version], f"clawrack/{sort.of}:{sort.version}-0123456789ab"


def as_seen(wish: Wish) -> Seen:
    """Return what the machines would say: all is well, and every agent runs the version before."""
    living: dict[str, dict[str, SeenAgent]] = {name: {} for name in wish.machines}
    for name, agent in wish.agents.items():
        living[agent.machine][name] = running(name)
    return Seen(machines={name: machine(one, living[name]) for name, one in wish.machines.items()})


def machine(one: Machine, agents: dict[str, SeenAgent]) -> SeenMachine:
    """Return what one machine would say."""
    return SeenMachine(
        id=one.id, agents=agents, images=frozenset({METER, IMAGES[BEFORE]}), architecture="amd64", engine="29.1",
        store="classic", meter=release(METER), meter_image=METER, meter_state="running", free=1 << 38, memory=1 << 36,
    )  # fmt: skip


def running(name: str) -> SeenAgent:
    """Return what a machine would say of an agent."""
    return SeenAgent(
        name=name, kind=KIND, version=BEFORE, release=f"{name:0<16.16}", state="running", image=IMAGES[BEFORE]
    )


def after(seen: Seen, made: Planned) -> Seen:
    """Return what the machines would say once the plan was carried out."""

    def newer(name: str, agent: SeenAgent) -> SeenAgent:
        return replace(agent, version=AFTER, release=made.targets[name].release, image=IMAGES[AFTER])

    def all_newer(there: SeenMachine) -> SeenMachine:
        agents = {name: newer(name, agent) for name, agent in there.agents.items()}
        return replace(there, agents=agents, images=there.images | {IMAGES[AFTER]})

    return Seen(machines={name: all_newer(there) for name, there in seen.machines.items() if there})


if __name__ == "__main__":
    main()
