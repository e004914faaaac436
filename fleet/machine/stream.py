"""One channel of an SSH connection: bytes both ways, never more in memory than its window."""

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import paramiko
from paramiko.buffered_pipe import BufferedPipe
from paramiko.common import cMSG_CHANNEL_REQUEST, cMSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message

from fleet.base.errors import ActionFailed, TimedOut, WireCut
from fleet.machine.port import Window

WINDOW = 1 << 21
PACKET = 1 << 15
_MOMENT = 0.5  # seconds

if TYPE_CHECKING:

    class _Channel(paramiko.Channel):
        """What paramiko's channel has and its stubs leave out."""

        def _check_add_window(self, n: int) -> int: ...
        def _handle_request(self, m: Message) -> None: ...
        def _window_adjust(self, m: Message) -> None: ...
        def _set_transport(self, transport: object) -> None: ...
        def _set_window(self, window_size: int, max_packet_size: int) -> None: ...
        def _set_remote_channel(self, chanid: int, window_size: int, max_packet_size: int) -> None: ...

    Pipe = BufferedPipe[Any]
else:
    _Channel = paramiko.Channel
    Pipe = BufferedPipe


class _Connection(Protocol):
    """What a stream needs of its connection."""

    def is_active(self) -> bool: ...
    def post(self, message: Message) -> None: ...


class _Bell(threading.Event):
    """Rings when anything happens. Two buffers share it, so a buffer that runs empty may not silence it."""

    def __init__(self) -> None:
        super().__init__()
        self._pipe: tuple[int, int] | None = None
        self._pipe_lock = threading.Lock()

    def set(self) -> None:
        super().set()
        with self._pipe_lock:
            self._write()

    def clear(self) -> None:
        """Do nothing: paramiko's buffers call this."""

    def silence(self) -> None:
        super().clear()
        with self._pipe_lock, contextlib.suppress(BlockingIOError):
            while self._pipe and os.read(self._pipe[0], 4096):
                pass

    def handle(self) -> int:
        """Return a descriptor that is readable while it rings."""
        with self._pipe_lock:
            if self._pipe is None:
                self._pipe = os.pipe()
                for end in self._pipe:
                    os.set_blocking(end, False)
                if self.is_set():
                    self._write()
            return self._pipe[0]

    def take_down(self) -> None:
        """Close the descriptor."""
        with self._pipe_lock:
            pipe, self._pipe = self._pipe, None
        for end in pipe or ():
            os.close(end)

    def _write(self) -> None:
        if self._pipe:
            with contextlib.suppress(BlockingIOError):  # full is readable too
                os.write(self._pipe[1], b"!")


class _Bounded(Pipe):
    """A buffer that ends the connection when the other side sends more than its window allows."""

    def feed(self, data: bytes) -> None:
        if len(self) + len(data) > 2 * WINDOW:
            raise paramiko.SSHException("more data than the window allows")
        super().feed(data)


class Stream(_Channel):
    """A channel that tells when something happened: data, room to send, the end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._bell = _Bell()
        self.in_buffer = _Bounded()
        self.in_stderr_buffer = _Bounded()
        self.in_buffer.set_event(self._bell)
        self.in_stderr_buffer.set_event(self._bell)
        self.where = ""
        self.signal = 0
        self._command = False
        self._on_terminal = False
        self.refusal: int | None = None

    def attach(self, transport: "_Connection") -> None:
        """Belong to a connection."""
        self._wire = transport
        self._set_transport(transport)
        self._set_window(WINDOW, PACKET)

    def join(self, number: int, window: int, packet: int) -> None:
        """Belong to a channel that the other side opened: its number there, and what it takes."""
        self._set_remote_channel(number, window, packet)

    # What arrives, called by the connection's thread.

    def on_request(self, message: Message) -> None:
        """Take an exit status, or an exit signal, which paramiko does not know."""
        start = message.packet.tell()
        if message.get_text() == "exit-signal":
            message.get_boolean()
            number = getattr(signal, f"SIG{message.get_text()}", signal.SIGKILL)
            self.signal = int(number)
            self.status_event.set()
        else:
            message.packet.seek(start)
            self._handle_request(message)
        self._bell.set()

    def on_room(self, message: Message) -> None:
        """Learn that more may be sent."""
        self._window_adjust(message)
        self._bell.set()

    # What a command is to us.

    def exec(self, line: bytes) -> None:
        """Start a command. The server's yes is not waited for: its no ends the channel."""
        self._command = True
        message = self._request("exec", answered=True)
        message.add_string(line)
        self._post(message)

    def login(self) -> None:
        """Start the login's own shell; as for ``exec``, a no ends the channel."""
        self._command = True
        self._post(self._request("shell", answered=True))

    def terminal(self, window: Window, seconds: float) -> None:
        """Have a terminal for what is started next.

        Raises:
            ActionFailed: the server gives none.
            TimedOut, WireCut: as usual.
        """
        self._on_terminal = True
        message = self._request("pty-req", answered=True)
        message.add_string(window.kind)
        _add_size(message, window)
        message.add_string(b"")  # its modes: the server's usual ones
        self.event.clear()
        self.event_ready = False
        self._post(message)
        if not self.event.wait(seconds):
            raise TimedOut("wire.timed_out", where=self.where, seconds=round(seconds))
        if not self.event_ready:
            self.check()
            raise ActionFailed("shell.no_terminal", where=self.where)

    def resize(self, window: Window) -> None:
        """Tell the size of its terminal."""
        if not self.closed:
            message = self._request("window-change", answered=False)
            _add_size(message, window)
            self._post(message)

    def fileno(self) -> int:
        """Return a descriptor that is readable when something happened; ``kill`` closes it."""
        return self._bell.handle()

    def wait(self, seconds: float) -> None:
        """Wait until something happens, at most so long."""
        self._bell.wait(seconds)
        self._bell.silence()

    def take(self) -> tuple[bytes, bytes]:
        """Return the output and error output that came since, and let the other side send as much again."""
        out, err = self.in_buffer.empty(), self.in_stderr_buffer.empty()
        room = self._check_add_window(len(out) + len(err)) if out or err else 0
        if room:
            message = Message()
            message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
            message.add_int(self.remote_chanid)
            message.add_int(room)
            self._post(message)
        return out, err

    def put(self, data: bytes) -> int:
        """Send the beginning of the data without waiting for room; return how many bytes went.

        Raises:
            WireCut: the connection is gone.
        """
        if self.closed:
            self.check()
            return len(data)
        self.settimeout(0.0)
        try:
            sent = self.send(data[:PACKET])
        except TimeoutError:
            return 0
        except (OSError, EOFError) as error:
            self.check()
            if not self.closed:
                raise WireCut("wire.cut", where=self.where) from error
            return len(data)
        self.check()
        return sent or len(data)

    def end_input(self) -> None:
        """Say that no more input comes; on a terminal, as a person does."""
        if self._on_terminal:
            self.put(b"\x04")
            return
        try:
            self.shutdown_write()
        except (OSError, EOFError) as error:
            raise WireCut("wire.cut", where=self.where) from error

    def over(self) -> bool:
        """Tell whether no more output will come.

        Raises:
            WireCut: because the connection is gone, before the other side had said its last.
        """
        if self.eof_received or self.closed:
            self.check()
            return True
        return False

    def exited(self) -> bool:
        """Tell whether the command's exit status is known."""
        return self.exit_status >= 0 or self.signal > 0

    def code(self) -> int | None:
        """Return the exit status (128 + n for signal n), None while the command runs.

        Raises:
            ActionFailed: the server would not start it, or does not say how it ended.
        """
        if self.exited():
            return 128 + self.signal if self.signal else self.exit_status
        if self.closed:
            self._settle()
            self.check()
            raise ActionFailed("ssh.no_exec", where=self.where)
        return None

    def _settle(self) -> None:
        """Wait until it is known why: paramiko closes channels a moment before it says that the wire is gone."""
        until = time.monotonic() + _MOMENT
        while self._wire.is_active() and time.monotonic() < until:
            time.sleep(_MOMENT / 50)

    def check(self) -> None:
        """Raise WireCut when the connection is gone and the command had not ended."""
        if not self._wire.is_active() and not self.exited() and not self.eof_received:
            raise WireCut("wire.cut", where=self.where)

    def kill(self) -> None:
        """Ask for the command's end (servers may not grant it) and close the channel."""
        self._bell.take_down()
        if self.closed:
            return
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException, WireCut):
            if self._command and not self.exited():
                self._ask_to_end()
            self.close()

    def _ask_to_end(self) -> None:
        message = self._request("signal", answered=False)
        message.add_string("TERM")
        self._post(message)

    def _request(self, kind: str, *, answered: bool) -> Message:
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(self.remote_chanid)
        message.add_string(kind)
        message.add_boolean(answered)
        return message

    def _post(self, message: Message) -> None:
        try:
            self._wire.post(message)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise WireCut("wire.cut", where=self.where) from error


def _add_size(message: Message, window: Window) -> None:
    """Add a terminal's size in characters, and in pixels, of which we know nothing."""
    for number in (window.columns, window.rows, 0, 0):
        message.add_int(number)
