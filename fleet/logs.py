"""What an agent wrote, as its engine kept it."""

from collections.abc import Iterator

from fleet.base.clean import line
from fleet.machine import containers
from fleet.machine.port import Port

LONGEST = 64 << 10  # bytes of one line that are kept


def follow(port: Port, agent: str, *, on: bool, tail: int) -> Iterator[str]:
    """Return the log's lines, cleaned; with ``on`` for as long as somebody listens.

    Args:
        port: the agent's machine.
        agent: its name.
        on: whether to wait for more.
        tail: how many of the last lines to begin with.

    Raises:
        ActionFailed: there is no such container, or the engine said no.
    """
    pieces = containers.logs(port, f"clawrack-{agent}", follow=on, tail=tail)
    return (line(text, 2000) for text in _lines(pieces))


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        rest = rest[-LONGEST:]
    if rest:
        yield rest
