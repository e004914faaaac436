"""Server-sent events, cut out of the bytes as they come: whole events, byte for byte as they were sent."""

import re
from collections.abc import Iterator

MOST_BYTES = 8 << 20
"""Of one event: an image as text is one."""
_END = re.compile(rb"\r?\n\r?\n|\r\r")


class TooLong(Exception):
    """An event does not end."""


class Events:
    """Gathers bytes and gives events."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._looked = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield every event that is complete now, with the empty line at its end.

        Raises:
            TooLong: what is held is longer than any event may be.
        """
        self._held += data
        while found := _END.search(self._held, self._looked):
            yield bytes(self._held[: found.end()])
            del self._held[: found.end()]
            self._looked = 0
        self._looked = max(0, len(self._held) - 3)
        if len(self._held) > MOST_BYTES:
            raise TooLong

    def rest(self) -> bytes:
        """Return what is left at the end: an event without its empty line, mostly nothing."""
        return bytes(self._held)


def data_of(event: bytes) -> bytes:
    """Return an event's data, its lines joined."""
    lines = (line for line in event.splitlines() if line.startswith(b"data:"))
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines)
