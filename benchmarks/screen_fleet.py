"""A recording of a fleet that never was, for the screen: made by numbers, always the same.

    python benchmarks/screen_fleet.py FILE [--machines 200] [--agents 1000] [--seconds 30]

Worse than life: every machine answers every 2.5 s, and each time each of its agents has something new to show, so that
a screen that draws four times in a second finds a tenth of its rows changed each time. One machine in twenty goes
silent for a while, ledgers grow, and now and then somebody restarts an agent.
"""

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from fleet.views import AgentState, AgentView, MachineView, UsageRow
from tui.state.heard import Doing, Ended, Message, Silent, Told, Used, Wished, WishedAgent, WishedMachine
from tui.state.record import Recorder

EVERY = 2.5  # seconds
LEDGER_EVERY = 15.0
DAY = "2026-01-02"
STATES: tuple[AgentState, ...] = ("running",) * 12 + ("stopped", "starting", "gave-up")
REASONS = ("out of memory at 512 MB", "ended three times in a minute", "the provider refused the key", "")
MODELS = ("main", "practice", "local-8b", "large")
FIRST, SECOND = (
    ("night", "shop", "old", "small", "红", "north", "lab"),
    ("writer", "bot", "ops", "clerk", "掌柜", "guide"),
)


def names(machines: int, agents: int) -> dict[str, list[str]]:
    """Machines and the agents on them."""
    homes: dict[str, list[str]] = {f"rack-{n + 1:03d}": [] for n in range(machines)}
    for n in range(agents):
        homes[f"rack-{n % machines + 1:03d}"].append(f"{FIRST[n % 7]}-{SECOND[n % 6]}-{n}")
    return homes


def fleet(machines: int, agents: int, seconds: float, seed: int = 7) -> Iterator[Message]:
    """Yield what is heard, in the order of time."""
    dice = random.Random(seed)
    homes = names(machines, agents)
    yield Wished(
        at=0.0,
        machines=tuple(WishedMachine(name, f"10.0.{n // 250}.{n % 250}") for n, name in enumerate(homes)),
        agents=tuple(WishedAgent(a, m, "openclaw", "2026.5.2", "main") for m, some in homes.items() for a in some),
        beat=EVERY,
    )
    quiet = {name for n, name in enumerate(homes) if n % 20 == 7}
    heard = [
        message
        for n, (name, some) in enumerate(homes.items())
        for message in _machine(dice, (n, name), some, seconds, silent=name in quiet)
    ]
    yield from sorted(heard, key=lambda message: message.at)


def _machine(
    dice: random.Random, which: tuple[int, str], agents: list[str], seconds: float, *, silent: bool
) -> Iterator[Message]:
    number, name = which
    at, tick, ledger_at = 0.2 + EVERY * dice.random(), 0, 0.0
    while at < seconds:
        if silent and seconds / 3 < at < seconds * 2 / 3:
            yield Silent(at=at, machine=name, key="ssh.no_answer", text="No answer within 10 s", sort="timeout")
        else:
            yield Told(at=at, machine=name, view=_view(name, number, tick, agents),
                       agents=tuple(_agent(dice, name, agent, tick) for agent in agents))  # fmt: skip
            if at >= ledger_at:
                ledger_at = at + LEDGER_EVERY
                yield Used(at=at, machine=name, today=DAY, rows=tuple(_used(dice, name, one, tick) for one in agents))
        if agents and tick % 4 == 1 and number == 7 * tick % 199:  # one in ten seconds
            yield Doing(at=at, subject=f"{name}/{agents[0]}", action="restart")
            yield Ended(at=at + 2.0, subject=f"{name}/{agents[0]}", action="restart", outcome="done")
        at, tick = at + EVERY, tick + 1


def _view(name: str, number: int, tick: int, agents: list[str]) -> MachineView:
    return MachineView(
        name=name, address=f"10.0.{number // 250}.{number % 250}", state="ok", agents=len(agents), id=f"{number:032x}",
        architecture="amd64", engine="20.10.24", meter="running", firewall=True, free=(80 << 30) - tick * (1 << 28),
    )  # fmt: skip


def _agent(dice: random.Random, machine: str, name: str, tick: int) -> AgentView:
    state = dice.choice(STATES)
    return AgentView(
        name=name, machine=machine, state=state, kind="openclaw", version=f"2026.5.{2 + tick % 3}",
        model=dice.choice(MODELS), release="3ee8295e953cec7b", container=f"{tick:064x}", image="sha256:" + "7" * 64,
        started="2026-01-02T03:04:05Z", exit_code=None if state == "running" else 137,
        reason=dice.choice(REASONS) if state == "gave-up" else "",
    )  # fmt: skip


def _used(dice: random.Random, machine: str, agent: str, tick: int) -> UsageRow:
    calls = 10 + 3 * tick
    tokens = calls * dice.randrange(15_000)
    return UsageRow(agent=agent, machine=machine, day=DAY, model="main", calls=calls, input=tokens, output=tokens // 20)


def record(path: Path, machines: int = 200, agents: int = 1000, seconds: float = 30.0) -> None:
    """Write the recording."""
    recorder = Recorder(path, 0.0, f"{DAY}T00:00:00Z")
    for message in fleet(machines, agents, seconds):
        recorder.write(message)
    recorder.close()


def main() -> None:
    """Read the command line and write the recording."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--machines", type=int, default=200)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=30.0)
    told = parser.parse_args()
    record(told.file, told.machines, told.agents, told.seconds)


if __name__ == "__main__":
    main()
