"""What an agent wrote, as its engine kept it."""

from collections.abc import Iterator
from typing import cast

from docker.errors import APIError, NotFound

from fleet.base.clean import line
from fleet.base.errors import ActionFailed
from fleet.machine.port import Port

LONGEST = 64 << 10  # bytes of one line that are kept


def follow(port: Port, agent: str, *, on: bool, tail: int) -> Iterator[str]:
    """Yield the log's lines, cleaned; with ``on`` for as long as somebody listens.

    Args:
        port: the agent's machine.
        agent: its name.
        on: whether to wait for more.
        tail: how many of the last lines to begin with.

    Raises:
        ActionFailed: there is no such container, or the engine said no.
    """
    try:
        pieces = cast(
            "Iterator[bytes]",
            port.docker().logs(f"clawrack-{agent}", stream=True, follow=on, tail=tail),
        )
        for text in _lines(pieces):
            yield line(text, 2000)
    except NotFound as error:
        raise ActionFailed("ask.stopped", where=port.name, agent=agent) from error
    except APIError as error:
        raise ActionFailed("guard.failed", where=port.name, machine=port.name, reason=line(str(error))) from error


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        rest = rest[-LONGEST:]
    if rest:
        yield rest
