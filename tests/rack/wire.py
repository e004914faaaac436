"""Bad wires: TCP proxies in front of a machine that are slow, break, say nothing, lose what is sent, or listen in."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Self

PIECE = 1 << 14


class Wire:
    """A proxy on `address`:`port` (loopback) to a far end; `carried` counts the bytes towards it.

    Each connection has a thread per direction; `close` ends all of them.
    """

    def __init__(self, host: str, port: int) -> None:
        self.far = (host, port)
        self.carried = 0
        self._ends: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = "127.0.0.1", int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self._ends.append(near)
                threading.Thread(target=self._meet, args=(near,), daemon=True).start()

    def _meet(self, near: socket.socket) -> None:
        """Connect a caller with the far end; a wire that says nothing does not."""
        try:
            far = socket.create_connection(self.far, 10)
        except OSError:
            _end(near)
            return
        self._ends.append(far)
        far.settimeout(None)
        threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()
        self._carry(near, far, outward=True)

    def _carry(self, source: socket.socket, sink: socket.socket, outward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                if outward:
                    self.carried += len(data)
                if not self._pass(data, sink, outward=outward):
                    break
        _end(source)
        _end(sink)

    def _pass(self, data: bytes, sink: socket.socket, *, outward: bool) -> bool:
        """Hand on one piece; False breaks the connection."""
        assert outward in {True, False}
        sink.sendall(data)
        return True

    def break_now(self) -> None:
        """Cut every connection there is; new ones are taken."""
        for end in self._ends:
            _end(end)
        self._ends.clear()

    def close(self) -> None:
        """Take no more connections and cut those there are."""
        _end(self._server)
        self.break_now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Slow(Wire):
    """At most `rate` bytes a second in each direction, all connections together."""

    def __init__(self, host: str, port: int, rate: float) -> None:
        self.rate = rate
        self._free = {True: 0.0, False: 0.0}  # when the wire has carried what it was given
        self._lock = threading.Lock()
        super().__init__(host, port)

    def _pass(self, data: bytes, sink: socket.socket, *, outward: bool) -> bool:
        with self._lock:
            self._free[outward] = max(self._free[outward], time.monotonic()) + len(data) / self.rate
            due = self._free[outward]
        time.sleep(max(0.0, due - time.monotonic()))
        return super()._pass(data, sink, outward=outward)


class Cut(Wire):
    """Breaks a connection once `after` bytes went towards the far end, in the middle of a piece."""

    def __init__(self, host: str, port: int, after: int) -> None:
        self.after = after
        super().__init__(host, port)

    def _pass(self, data: bytes, sink: socket.socket, *, outward: bool) -> bool:
        over = self.carried - self.after
        if outward and over > 0:
            super()._pass(data[: max(0, len(data) - over)], sink, outward=outward)
            return False
        return super()._pass(data, sink, outward=outward)


class Stalled(Wire):
    """Carries until `stall` is called, or nothing from the start; then it takes all and hands on nothing."""

    def __init__(self, host: str, port: int, *, from_the_start: bool = True) -> None:
        self._still = threading.Event()
        if from_the_start:
            self._still.set()
        super().__init__(host, port)

    def stall(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._still.set()

    def _pass(self, data: bytes, sink: socket.socket, *, outward: bool) -> bool:
        return True if self._still.is_set() else super()._pass(data, sink, outward=outward)


class Refusing(Wire):
    """Takes a connection and drops it before a word."""

    def _meet(self, near: socket.socket) -> None:
        _end(near)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
