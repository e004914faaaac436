"""What a rollout works with: the interpreter's hands, the agents' files, and a person's Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from fleet.apply import Hands
from fleet.base.errors import Refused
from fleet.model import Agent, Machine


@dataclass(frozen=True)
class Papers:
    """The agents' files.

    Attributes:
        read: returns the text of agents/NAME.yaml, None where there is none.
        save: writes it from an agent.
        restore: writes a text there, or takes the file away where it is None.
        machine: writes machines/NAME.yaml.
        known: the texts of each agent's file that are as the plan saw the agent, or as the rollout wrote it. Any other
            is a person's, written since, and is left as it is.
    """

    read: Callable[[str], str | None]
    save: Callable[[str, Agent], None]
    restore: Callable[[str, str | None], None]
    machine: Callable[[str, Machine], None]
    known: dict[str, set[str | None]] = field(default_factory=dict[str, set[str | None]])

    def edited(self, name: str) -> bool:
        """Tell whether somebody changed the agent's file since the plan saw it."""
        return self.read(name) not in self.known.get(name, ())

    def write(self, name: str, agent: Agent) -> None:
        """Write agents/NAME.yaml from an agent.

        Raises:
            Refused: somebody changed it since the plan saw it.
        """
        if self.edited(name):
            raise Refused("rollout.edited", where=f"agents/{name}.yaml", agent=name)
        self.save(name, agent)
        self.known[name].add(self.read(name))

    def put_back(self, name: str, text: str | None) -> None:
        """Write a text there that was there before, or take the file away; what somebody wrote since stays."""
        if not self.edited(name):
            self.restore(name, text)


@dataclass(frozen=True)
class Crew:
    """What a rollout needs from outside: the hands of the interpreter, and the agents' files."""

    hands: Hands
    papers: Papers


@contextmanager
def interrupts(told: threading.Event) -> Generator[None]:
    """Have the first Ctrl-C in this block only told, so that no line of the record is lost to it; the second counts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def first(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.signal(signal.SIGINT, usual)
        told.set()

    usual = signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
