"""What is going to be put on a machine, and what may stand in its way."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from installer.detect import Verdict
from installer.facts import Facts

Severity = Literal["stop", "fix", "mend", "wait", "warn"]
KIB = 1024
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Need:
    """What is going to be put on the machine.

    Attributes:
        memory: bytes of memory that the machine should have in all; below three quarters of it nothing works.
        data: bytes of room where agents keep their state.
        engine: bytes of room where Docker keeps images.
        architectures: those that there is an image for, in Docker's names; empty where any will do.
        port: on which an agent of the kind listens where it is installed by hand; 0 for none.
    """

    memory: int = 0
    data: int = 0
    engine: int = 0
    architectures: frozenset[str] = frozenset()
    port: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in the way.

    Attributes:
        severity: ``stop`` this machine will not do; ``fix`` it will, once a person has done what the words say;
            ``mend`` preparing does it; ``wait`` passes by itself; ``warn`` goes on.
        key: names ``KEY.what``, ``KEY.why`` and ``KEY.next`` (what to type) in the words.
        params: the values of their placeholders.
    """

    severity: Severity
    key: str
    params: Mapping[str, object] = field(default_factory=dict[str, object])


def plain(text: str) -> str:
    """Return a login or a number of a machine, where it may stand in a command that a person types; else ``?``."""
    return text if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", text) else "?"


Problems = Iterator[Problem]
Check = Callable[[Facts, Verdict, Need], Problems]
