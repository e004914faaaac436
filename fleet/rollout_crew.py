"""What a rollout works with: the interpreter's hands, the agents' files, and a person's Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from fleet.apply import Hands
from fleet.model import Agent, Machine


@dataclass(frozen=True)
class Papers:
    """The agents' files.

    Attributes:
        read: returns the text of agents/NAME.yaml, None where there is none.
        write: writes it from an agent.
        put_back: writes a text there, or takes the file away where it is None.
        machine: writes machines/NAME.yaml.
    """

    read: Callable[[str], str | None]
    write: Callable[[str, Agent], None]
    put_back: Callable[[str, str | None], None]
    machine: Callable[[str, Machine], None]


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
