"""The port to one machine: what the rest of the fleet may ask of it, whether it is this one or at the end of a wire."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # docker takes 100 ms to import, and most commands never need it
    from contextlib import AbstractContextManager

    import docker

    from fleet.machine.process import Session

MIB = 1 << 20
_TERM = re.compile(r"[A-Za-z0-9._+-]{1,40}")


@dataclass(frozen=True, slots=True)
class Window:
    """A terminal: its size in characters, and what it says it is (``TERM``)."""

    columns: int = 80
    rows: int = 24
    term: str = "xterm"

    @property
    def kind(self) -> str:
        """What it says it is, where that is a word that a machine can be told."""
        return self.term if _TERM.fullmatch(self.term) else "xterm"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left behind.

    Attributes:
        code: exit status; 128 + n where signal n ended it.
        out: standard output, at most the cap asked for.
        err: standard error, likewise.
        cut: whether either was longer than its cap.
    """

    code: int
    out: bytes
    err: bytes
    cut: bool = False


class Channel(Protocol):
    """A connection to an address that the machine can reach, like a connected socket."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of the data."""
        ...

    def recv(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end."""
        ...

    def settimeout(self, seconds: float | None, /) -> None:
        """Set how long one call may take, in seconds."""
        ...

    def close(self) -> None:
        """End the connection."""
        ...


class Port(Protocol):
    """One machine. Threads may share it.

    Every method may raise Unreachable (WireCut, TimedOut): then what it asked for may or may not have happened.
    """

    @property
    def name(self) -> str:
        """The machine's name, for messages."""
        ...

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout: float = 60.0,
        cap: int = MIB,
        root: bool = False,
    ) -> Ran:
        """Run a command to its end.

        Args:
            words: the program and its arguments; never a shell string.
            stdin: what it reads, at once or in pieces.
            timeout: seconds for the whole of it.
            cap: bytes kept of each output; what is longer ends the command.
            root: as root, by sudo where the login is another.
        """
        ...

    def lines(self, words: Sequence[str], *, root: bool = False, idle: float | None = None) -> Iterator[bytes]:
        """Yield the output line by line while the command runs; closing the iterator ends the command.

        A line has no line end, and at most 64 KiB: what is longer is left out. ActionFailed is raised at the end of a
        command that ended by itself and not with 0.

        Args:
            words: the program and its arguments.
            root: as root, by sudo where the login is another.
            idle: seconds of silence after which the machine counts as unreachable; None for ever.
        """
        ...

    def session(
        self, words: Sequence[str], *, window: Window | None = None, root: bool = False
    ) -> "AbstractContextManager[Session]":
        """Start a command whose two ends are the caller's; it is ended with the block.

        Args:
            words: the program and its arguments; none for the login's own shell.
            window: the terminal that it gets; None for pipes.
            root: as root, by sudo where the login is another.
        """
        ...

    def docker(self) -> "docker.APIClient":
        """Return a client of the machine's Docker engine: for reading, and for loading images."""
        ...

    def dial(self, address: str, port: int, timeout: float = 10.0) -> Channel:
        """Connect, from the machine, to a TCP port that it can reach."""
        ...

    def close(self) -> None:
        """End every connection."""
        ...
