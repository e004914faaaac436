"""This computer, behind the same port as the others."""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, cast

from fleet.base.errors import ActionFailed, ClawrackError, Unreachable
from fleet.base.secret import Secret
from fleet.machine import process, quote, sudo
from fleet.machine.port import MIB, Channel, Ran, Window
from fleet.machine.process import Deadline, Session
from fleet.machine.shell.begin import OPENING, Ahead, Rise
from fleet.machine.shell.local import LocalTerminal, login_shell
from fleet.machine.socketlike import ProcessSocket

if TYPE_CHECKING:
    import docker

_SOCKET = "/var/run/docker.sock"
_CHUNK = 1 << 16
_MOST = 1 << 21  # bytes read ahead of whoever takes them
_OPENING = 20.0
_MERCY = 2.0  # seconds between TERM and KILL


class _NotStarted(Exception):
    """The kernel would not start a command; ``code`` and ``said`` are what a shell would make of it."""

    def __init__(self, word: str, error: OSError) -> None:
        super().__init__(word)
        self.code = 127 if isinstance(error, FileNotFoundError) else 126
        self.said = f"{word}: {error.strerror}"


class LocalProcess:
    """A command on this computer, in a process group of its own."""

    def __init__(self, words: Sequence[str]) -> None:
        quote.check(words)
        self._child = _popen(words)
        assert self._child.stdin and self._child.stdout and self._child.stderr  # noqa: PT018, S101 - pipes were asked for
        self._stdin: IO[bytes] | None = self._child.stdin
        self._outputs = (self._child.stdout, self._child.stderr)
        self._open = set(self._outputs)
        self._selector = selectors.DefaultSelector()
        for file in (self._child.stdin, *self._outputs):
            os.set_blocking(file.fileno(), False)
        for file in self._outputs:
            self._selector.register(file, selectors.EVENT_READ)
        self._pidfd = os.pidfd_open(self._child.pid) if hasattr(os, "pidfd_open") else None
        if self._pidfd is not None:
            self._selector.register(self._pidfd, selectors.EVENT_READ)
        self._full = False

    def fileno(self) -> int:
        """Return a descriptor that is readable when something happened."""
        return cast("selectors.EpollSelector", self._selector).fileno()

    def resize(self, window: Window) -> None:
        """Do nothing: it has no terminal."""

    def wait(self, seconds: float) -> None:
        """Wait until something happens, at most so long."""
        watch_input = self._full and self._stdin is not None
        if watch_input and self._stdin:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        self._selector.select(seconds if self._pidfd is not None else min(seconds, 0.05))
        if watch_input and self._stdin:
            self._selector.unregister(self._stdin)

    def take(self) -> tuple[bytes, bytes]:
        """Return the output and error output that came since."""
        out, err = self._outputs
        return self._drain(out), self._drain(err)

    def _drain(self, file: IO[bytes]) -> bytes:
        got: list[bytes] = []
        while file in self._open and sum(map(len, got)) < _MOST:
            try:
                piece = os.read(file.fileno(), _CHUNK)
            except BlockingIOError:
                break
            if not piece:
                self._open.discard(file)
                self._selector.unregister(file)
            got.append(piece)
        return b"".join(got)

    def put(self, data: bytes) -> int:
        """Give it input; return how many bytes it took. What it no longer reads counts as taken."""
        if self._stdin is None:
            return len(data)
        try:
            taken = os.write(self._stdin.fileno(), data)
        except BlockingIOError:
            taken = 0
        except BrokenPipeError:
            self.end_input()
            return len(data)
        self._full = not taken
        return taken

    def end_input(self) -> None:
        """Say that no more input comes."""
        stdin, self._stdin = self._stdin, None
        if stdin:
            with contextlib.suppress(BrokenPipeError):
                stdin.close()

    def over(self) -> bool:
        """Tell whether no more output will come."""
        return not self._open

    def code(self) -> int | None:
        """Return how it ended (128 + n for signal n), None while it runs."""
        code = self._child.poll()
        if code is not None and self._pidfd is not None:
            self._selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        return code if code is None or code >= 0 else 128 - code

    def kill(self) -> None:
        """End it and all of its group: TERM, and KILL for what is still there two seconds later."""
        self.end_input()
        if self.code() is None:
            self._signal(signal.SIGTERM)
            try:
                self._child.wait(_MERCY)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._child.wait(_MERCY)
            self.code()
        for file in self._outputs:
            file.close()
        self._selector.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # sudo's processes are root's
            os.killpg(self._child.pid, number)


class LocalPort:
    """This computer.

    Args:
        name: the machine's name, for messages.
        sudo_password: for a login that is not root, while sudo still asks.
        docker_socket: where the Docker engine listens.
    """

    def __init__(
        self, name: str = "local", *, sudo_password: Secret | None = None, docker_socket: str = _SOCKET
    ) -> None:
        self._name = name
        self._sudo_password = sudo_password
        self._docker_socket = docker_socket
        self._docker: docker.APIClient | None = None

    @property
    def name(self) -> str:
        """The machine's name, for messages."""
        return self._name

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout: float = 60.0,
        cap: int = MIB,
        root: bool = False,
    ) -> Ran:
        """Run a command to its end; see Port."""
        deadline = Deadline(self._name, timeout)
        try:
            with self._started(words, root, deadline) as (child, said):
                ran = process.finish(child, stdin, deadline, cap)
        except _NotStarted as error:
            return Ran(error.code, b"", error.said.encode("utf-8", "replace"))
        ran = Ran(ran.code, ran.out, said + ran.err, cut=ran.cut) if said else ran
        refusal = sudo.why(ran, self._name) if root and _needs_sudo() else None
        if refusal:
            raise refusal
        return ran

    def lines(self, words: Sequence[str], *, root: bool = False, idle: float | None = None) -> Iterator[bytes]:
        """Follow a command's output; see Port."""
        try:
            with self._started(words, root, Deadline(self._name, _OPENING)) as (child, _):
                yield from process.lines(child, self._name, idle)
        except _NotStarted as error:
            raise ActionFailed("wire.command_failed", where=self._name, code=error.code, said=error.said) from error

    @contextlib.contextmanager
    def session(self, words: Sequence[str], *, window: Window | None = None, root: bool = False) -> Generator[Session]:
        """Start a command, or the login's shell, for the caller to talk to; see Port."""
        deadline = Deadline(self._name, OPENING)
        if window is None:
            try:
                with self._started(words or login_shell(), root, deadline) as (child, said):
                    yield Ahead(child, b"", said)
            except _NotStarted as error:
                raise ActionFailed("shell.not_started", where=self._name, code=error.code, said=error.said) from error
            return
        rise = Rise(self._sudo_password) if root and _needs_sudo() else None
        terminal = LocalTerminal(rise.words(words) if rise else words or login_shell(), window)
        try:
            yield rise.over(terminal, self._name, deadline) if rise else terminal
        finally:
            terminal.kill()

    def docker(self) -> "docker.APIClient":
        """Return a client of the Docker engine; see Port."""
        from fleet.machine.engine import client  # noqa: PLC0415 - docker takes 100 ms to import; few need it

        if self._docker is None:
            self._docker = client(self._dial_docker, self._name)
        return self._docker

    def dial(self, address: str, port: int, timeout: float = 10.0) -> Channel:
        """Connect to a TCP port; see Port."""
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            raise Unreachable("wire.no_dial", where=self._name, address=address, port=port) from error

    def close(self) -> None:
        """End the connections to Docker."""
        if self._docker is not None:
            self._docker.close()

    @contextlib.contextmanager
    def _started(self, words: Sequence[str], root: bool, deadline: Deadline) -> Generator[tuple[LocalProcess, bytes]]:
        by_sudo = root and _needs_sudo()
        mark = sudo.new_mark() if by_sudo and self._sudo_password else ""
        if by_sudo:
            words = sudo.asking(words, mark) if mark else sudo.plain(words)
        child = LocalProcess(words)
        try:
            said = b""
            if mark and self._sudo_password:
                said = sudo.hand_over(child, self._sudo_password, mark, self._name, deadline)
            yield child, said
        finally:
            child.kill()

    def _dial_docker(self, timeout: float) -> Channel:
        """Connect to the engine's socket where we may, else through sudo."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        try:
            connection.connect(self._docker_socket)
        except PermissionError:
            connection.close()
        except OSError as error:
            connection.close()
            raise Unreachable("docker.not_running", where=self._name) from error
        else:
            return connection
        held = contextlib.ExitStack()
        deadline = Deadline(self._name, min(_OPENING, timeout))
        child, _ = held.enter_context(self._started(("docker", "system", "dial-stdio"), True, deadline))
        return ProcessSocket(child, self._name, timeout, done=held.close, mute=self._no_engine)

    def _no_engine(self, ran: Ran) -> ClawrackError:
        return sudo.why(ran, self._name) or Unreachable("docker.not_running", where=self._name)


def _popen(words: Sequence[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    try:
        return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True, bufsize=0)
    except OSError as error:
        raise _NotStarted(words[0], error) from error


def _needs_sudo() -> bool:
    return os.geteuid() != 0
