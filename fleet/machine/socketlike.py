"""What the standard library's HTTP client takes for a socket, over a channel or a command's input and output."""

import io
import time
from collections.abc import Callable

from fleet.base.errors import ClawrackError, TimedOut, WireCut
from fleet.machine.port import Ran
from fleet.machine.process import Process

_STEP = 1.0
_BUFFER = 1 << 16
_PIECE = 1 << 15
_SAID = 4096


class ProcessSocket:
    """A connected socket over a channel or a command. One thread at a time.

    Args:
        process: what is at the other end.
        where: the machine's name, for messages.
        timeout: seconds for one call; None for ever.
        done: called once, when it closes.
        mute: makes the error to raise of a command that ended without having said a word.
    """

    def __init__(
        self,
        process: Process,
        where: str,
        timeout: float | None,
        *,
        done: Callable[[], object] | None = None,
        mute: Callable[[Ran], ClawrackError] | None = None,
    ) -> None:
        self._process = process
        self._where = where
        self._timeout = timeout
        self._done = done
        self._mute = mute
        self._err = b""
        self._ahead = memoryview(b"")
        self._readers = 0
        self._closed = False

    def settimeout(self, seconds: float | None, /) -> None:
        """Set how long one call may take, in seconds."""
        self._timeout = seconds

    def sendall(self, data: bytes, /) -> None:
        """Send all of the data.

        Raises:
            TimedOut: the other side took nothing for the time allowed. WireCut: the machine is gone.
        """
        view = memoryview(data)
        until = self._until()
        while view:
            sent = self._process.put(bytes(view[:_PIECE]))
            view = view[sent:]
            if sent:
                until = self._until()
            else:
                self._wait(until)

    def recv(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes, none at the end.

        Raises:
            TimedOut: nothing came in the time allowed. WireCut: the machine is gone.
        """
        until = self._until()
        while not self._ahead:
            over = self._process.over()
            out, err = self._process.take()
            self._ahead = memoryview(out)
            self._err += err[: _SAID - len(self._err)]
            if out:
                self._mute = None
            elif over:
                return self._end(until)
            else:
                self._wait(until)
        taken, self._ahead = bytes(self._ahead[:size]), self._ahead[size:]
        return taken

    def _end(self, until: float) -> bytes:
        """Return the end of what came; raise where nothing ever did."""
        if not self._mute:
            return b""
        while (code := self._process.code()) is None:
            self._wait(until)
        raise self._mute(Ran(code, b"", self._err))

    def idle(self) -> bool:
        """Tell whether the other side has neither spoken nor hung up since it was last read."""
        try:
            return not self._closed and not self._ahead and not self._process.over()
        except WireCut:
            return False

    def makefile(self, mode: str = "rb", buffering: int | None = None) -> io.BufferedReader:
        """Return a file that reads from here; the connection ends when both are closed."""
        del mode, buffering
        self._readers += 1
        return io.BufferedReader(_Reading(self), _BUFFER)

    def close(self) -> None:
        """End the connection, when nobody reads from it any more."""
        self._closed = True
        self._end_if_last()

    def reader_closed(self) -> None:
        """Learn that a file made here was closed."""
        self._readers -= 1
        self._end_if_last()

    def _end_if_last(self) -> None:
        if self._closed and self._readers <= 0:
            self._process.kill()
            done, self._done = self._done, None
            if done:
                done()

    def _until(self) -> float:
        return time.monotonic() + (self._timeout if self._timeout is not None else 1e9)

    def _wait(self, until: float) -> None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimedOut("wire.timed_out", where=self._where, seconds=f"{self._timeout:g}")
        self._process.wait(min(_STEP, left))


class _Reading(io.RawIOBase):
    def __init__(self, sock: ProcessSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride] - as given
        data = self._sock.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.reader_closed()
