"""A fleet for tests of the screen: what its machines said, and hands that write down what they are asked to do."""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from fleet.base.errors import ClawrackError, OurBug
from fleet.base.event import Event, Listener
from fleet.base.outcome import AlreadyTrue, Done, Outcome
from fleet.logs import Asked, LogLine, Note
from fleet.views import AgentState, AgentView, MachineView, UsageRow
from tui.app import FleetApp
from tui.state.heard import Message, Silent, Told, Used, Wished, WishedAgent, WishedMachine
from tui.watch import Put
from tui.wiring import Wiring

if TYPE_CHECKING:
    from fleet.api import Fleet

MACHINES = {"nas": "192.168.1.5", "pc-1": "192.168.1.21", "pc-2": "192.168.1.22", "pc-10": "192.168.1.30"}
AGENTS: dict[str, tuple[str, AgentState, str]] = {
    "helper": ("nas", "running", "practice"),
    "shop-bot": ("nas", "running", "gpt-5.4"),
    "night-writer": ("pc-1", "gave-up", "claude-sonnet"),
    "wang-ops": ("pc-1", "stopped", "gpt-5.4"),
    "xiao-ming": ("pc-2", "running", "deepseek-v3"),
    "fanyi": ("pc-2", "starting", "deepseek-v3"),
    "archive": ("pc-10", "running", "local-8b"),
}
DAY = "2026-11-21"


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def view(name: str, **more: Any) -> AgentView:
    machine, state, model = AGENTS[name]
    reason = "its configuration is wrong (exit 78)" if state == "gave-up" else ""
    values: dict[str, Any] = {"machine": machine, "state": state, "model": model, "reason": reason} | more
    return AgentView(
        name=name, kind="openclaw", version="2026.5.4", release="r3", started="2026-11-21T09:12:00Z", **values
    )


def wished(at: float) -> Wished:
    agents = tuple(WishedAgent(n, m, "openclaw", "2026.5.4", model) for n, (m, _, model) in AGENTS.items())
    return Wished(at=at, machines=tuple(WishedMachine(n, a) for n, a in MACHINES.items()), agents=agents)


def told(machine: str, at: float, **states: AgentState) -> Told:
    """What a machine says; an agent's state by its name, with `_` for `-`."""
    mine = [name for name, row in AGENTS.items() if row[0] == machine]
    agents = tuple(view(name, state=states.get(name.replace("-", "_"), AGENTS[name][1])) for name in mine)
    about = MachineView(
        name=machine, address=MACHINES[machine], state="ok", agents=len(mine), id="m-1234", architecture="x86_64",
        engine="27.3.1", meter="1.2.0", firewall=True, free=120 << 30,
    )  # fmt: skip
    return Told(at=at, machine=machine, view=about, agents=agents, strays=("old-one",) if machine == "pc-2" else ())


def silent(machine: str, at: float) -> Silent:
    return Silent(at=at, machine=machine, key="ssh.no_answer", text=f"{machine}: no answer on port 22", sort="timeout")


def used(machine: str, at: float) -> Used:
    mine = [name for name, row in AGENTS.items() if row[0] == machine]
    rows = tuple(
        UsageRow(agent=name, machine=machine, day=day, model=AGENTS[name][2], calls=calls, input=calls * 900, output=77)
        for name in mine
        for day, calls in (("2026-11-20", 40), (DAY, 12))
    )
    return Used(at=at, machine=machine, today=DAY, rows=rows)


def said(at: float) -> list[Message]:
    """A fleet of which one machine is dark."""
    live = [name for name in MACHINES if name != "pc-10"]
    return [
        wished(at - 60), *(told(name, at - 1) for name in live), *(used(name, at - 1) for name in live),
        told("pc-10", at - 50), used("pc-10", at - 50), silent("pc-10", at - 30), silent("pc-10", at - 20),
    ]  # fmt: skip


@dataclass
class Hands:
    """Does nothing and writes it down; `fails` names methods that fail with this error."""

    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    fails: dict[str, ClawrackError] = field(default_factory=dict[str, ClawrackError])
    following: list[bool] = field(default_factory=list[bool])
    log: list[str] = field(default_factory=lambda: [f"line {number}" for number in range(60)])

    def _do(self, method: str, name: str, listen: Listener) -> Outcome:
        self.calls.append((method, name))
        listen(Event(kind="begun", subject=name, step="reason.asked"))
        if method in self.fails:
            raise self.fails[method]
        return AlreadyTrue() if name == "already" else Done()

    def start(self, name: str, listen: Listener) -> Outcome:
        return self._do("start", name, listen)

    def stop(self, name: str, listen: Listener) -> Outcome:
        return self._do("stop", name, listen)

    def restart(self, name: str, listen: Listener) -> Outcome:
        return self._do("restart", name, listen)

    def remove_agent(self, name: str, *, keep_state: bool, listen: Listener) -> None:
        self._do(f"remove {'kept' if keep_state else 'erased'}", name, listen)

    def ask(self, name: str, message: str) -> Any:
        self.calls.append(("ask", f"{name}: {message}"))
        return SimpleNamespace(text=f"You said: {message}\n\x1b[31m[red]second line")

    @contextmanager
    def page(self, name: str) -> Generator[Any]:
        self.calls.append(("page", name))
        yield SimpleNamespace(url="http://127.0.0.1:28789/#nonce", local="http://127.0.0.1:28789")
        self.calls.append(("page closed", name))

    def logs_of(
        self, names: Sequence[str], asked: Asked, tell: Callable[[Note], None], stop: threading.Event
    ) -> Iterator[LogLine]:
        assert asked.follow
        for text in self.log:
            for name in names:
                yield LogLine(agent=name, machine=AGENTS[name][0], at="", line=text)
        tell(Note(names[0], AGENTS[names[0]][0], key="logs.ended"))
        self.following.append(True)
        stop.wait(60)
        self.following.append(False)


class Scripted:
    """A source that says what it was given at its start."""

    def __init__(self, put: Put, begin: list[Message]) -> None:
        self._put, self._begin = put, begin
        self.urged: list[str] = []

    def start(self) -> None:
        for message in self._begin:
            self._put(message)

    def stop(self) -> None:
        self._begin.clear()

    def urge(self, machine: str = "") -> None:
        self.urged.append(machine)


class Stage(FleetApp):
    """The screen on a fleet of tests; the clock stands until it is set."""

    def __init__(
        self, begin: Callable[[float], list[Message]] = said, hands: Hands | None = None, *, read_only: bool = False
    ) -> None:
        self.time = Clock()
        self.hands = hands or Hands()
        super().__init__(
            Wiring(
                source=lambda put: Scripted(put, begin(self.time.now)),
                hands=cast("Fleet", self.hands),
                foreseen=_foreseen,
                run=lambda words: self.hands.calls.append(("run", " ".join(words))),
                clock=self.time,
                read_only=read_only,
            )
        )

    def wall(self, at: float) -> time.struct_time:
        return time.gmtime(1_795_273_000 + at)


def _foreseen(error: BaseException) -> ClawrackError:
    return (
        error if isinstance(error, ClawrackError) else OurBug("bug.unforeseen", report="-", kind=type(error).__name__)
    )
