"""A machine at the end of a wire: the one SSH class.

Fabric's Connection opens the connection; everything after runs on its transport, one exec channel per command. What is
stricter than Fabric and paramiko, and what is quicker, is told in docs/decisions/0005-one-ssh-class.md.
"""

import contextlib
import secrets
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from fleet.base import clean
from fleet.base.errors import ActionFailed, ClawrackError, Refused, TimedOut, Unreachable, WireCut
from fleet.base.secret import Secret
from fleet.machine import opening, process, quote, sudo, transport
from fleet.machine.guard import GUARD
from fleet.machine.hostkey import HostKey
from fleet.machine.login import Login
from fleet.machine.port import MIB, Ran, Window
from fleet.machine.process import Deadline, Session
from fleet.machine.refusals import HostKeyUnknown
from fleet.machine.shell.begin import Ahead, Rise, begun
from fleet.machine.socketlike import ProcessSocket
from fleet.machine.stream import Stream
from fleet.machine.target import Target

if TYPE_CHECKING:
    import docker

_OPENING = 20.0
_OTHER_ROOT = "admin"
_MENU = 1 << 16
_STDIO = ("docker", "system", "dial-stdio")
"""What sudo allows a login of ours, word for word."""
_ITS_DOCKER = (
    *("/bin/sh", "-c"),
    """d=$(sed -n "s|^DOCKER='\\(.*\\)'\\$|\\1|p" "$1" 2>/dev/null); exec "${d:-docker}" system dial-stdio""",
    "sh",
)
"""The engine's command as the guard was told it: a NAS' is often in no path. The guard's own path follows."""
_SOCKET = "/var/run/docker.sock"
# Ends the command when our end of its input closes: a server does not, and a quiet `logs -f` would stay for ever.
_TIED = (
    '"$@" </dev/null & p=$!; exec 3<&0 >&- 2>&-; { cat <&3; kill "$p"; } >/dev/null 2>&1 & w=$!; '
    'wait "$p"; s=$?; kill "$w"; exit "$s"'
)


class SshPort:
    """One machine over SSH. Threads may share it; one connection serves them all, and is opened again when it died.

    Args:
        name: the machine's name, for messages.
        target: where it is and who we are there.
        login: the key, or a password.
        host_key: the pinned key; None refuses, with the fingerprint shown.
        sudo_password: for a login that is not root, while sudo still asks.
        docker_socket: where the machine's Docker engine listens.
    """

    def __init__(  # noqa: PLR0913 - all but the first four have their usual values
        self,
        name: str,
        target: Target,
        login: Login,
        host_key: HostKey | None,
        *,
        sudo_password: Secret | None = None,
        docker_socket: str = _SOCKET,
    ) -> None:
        self._name = name
        self._target = target
        self._login = login
        self._host_key = host_key
        self._sudo_password = sudo_password
        self._docker_socket = docker_socket
        self._is_root: bool | None = None
        self._lock = threading.Lock()
        self._link: opening.Link | None = None
        self._docker_lock = threading.Lock()
        self._docker: docker.APIClient | None = None

    @property
    def name(self) -> str:
        """The machine's name, for messages."""
        return self._name

    @property
    def target(self) -> Target:
        """Where the machine is, and who we are there."""
        return self._target

    @property
    def login(self) -> Login:
        """By what we log in."""
        return self._login

    def fresh(self) -> "SshPort":
        """Return the same machine by a connection of its own, not opened yet, and without a password for sudo."""
        return SshPort(self._name, self._target, self._login, self._host_key, docker_socket=self._docker_socket)

    def methods(self) -> tuple[str, ...]:
        """Return how the machine lets this login in now, by a connection of its own; see ``opening.methods``.

        Raises:
            HostKeyUnknown: nobody has vouched for it.
        """
        if self._host_key is None:
            raise HostKeyUnknown(str(self._target), "?", "?")
        return opening.methods(self._target, self._host_key)

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
        with self._started(words, root, deadline, feeds=stdin != b"") as (stream, said):
            ran = process.finish(stream, stdin, deadline, cap)
        ran = Ran(ran.code, ran.out, said + ran.err, cut=ran.cut) if said else ran
        refusal = sudo.why(ran, self._name) if root and self._needs_sudo() else None
        if refusal:
            raise refusal
        return ran

    def lines(self, words: Sequence[str], *, root: bool = False, idle: float | None = None) -> Iterator[bytes]:
        """Follow a command's output; see Port."""
        with self._started(words, root, Deadline(self._name, _OPENING), tied=True, feeds=False) as (stream, _):
            yield from process.lines(stream, self._name, idle)

    @contextlib.contextmanager
    def session(self, words: Sequence[str], *, window: Window | None = None, root: bool = False) -> Generator[Session]:
        """Start a command, or the login's shell, for the caller to talk to; see Port."""
        deadline = Deadline(self._name, opening.ALL_OF_IT)
        if window is None:
            with self._started(words, root, deadline) as (stream, said):
                yield Ahead(stream, b"", said)
            return
        rise = Rise(self._sudo_password) if root and self._needs_sudo() else None
        line = quote.line(rise.words(words) if rise else words) if words else None
        with self._executing(self.connect(deadline), line, deadline, window) as stream:
            yield rise.over(stream, self._name, deadline) if rise else stream

    def docker(self) -> "docker.APIClient":
        """Return a client of the machine's Docker engine; see Port."""
        from fleet.machine.engine import client  # noqa: PLC0415 - docker takes 100 ms to import; few need it

        with self._docker_lock:
            if self._docker is None:
                self._docker = client(self._dial_docker, self._name)
            return self._docker

    def dial(self, address: str, port: int, timeout: float = 10.0) -> ProcessSocket:
        """Connect from the machine to a TCP port that it can reach; see Port."""
        try:
            return ProcessSocket(self.through(address, port, timeout), self._name, timeout)
        except Refused as error:
            if error.key != "ssh.forwarding_off":
                raise
        return self._dial_by_guard(address, port, timeout)

    def through(self, address: str, port: int, timeout: float) -> Stream:
        """Open a channel to a TCP port that the machine can reach.

        Raises:
            Refused: it forwards nothing.
            Unreachable: it cannot reach that, or is not there itself.
        """
        try:
            return self._open("direct-tcpip", transport.tcp_target(address, port), timeout)
        except transport.NotOpened as error:
            if error.code == transport.PROHIBITED:
                raise Refused("ssh.forwarding_off", where=self._name) from error
            raise Unreachable("wire.no_dial", where=self._name, address=address, port=port) from error

    def _dial_by_guard(self, address: str, port: int, timeout: float) -> ProcessSocket:
        """Connect to an agent where sshd forwards nothing: a NAS maker's, mostly, which is not ours to set."""
        held, deadline, mark = contextlib.ExitStack(), Deadline(self._name, timeout + _OPENING), sudo.new_mark()

        def why(ran: Ran) -> ClawrackError:
            if b"reason=no-answer" in ran.out:
                return Unreachable("wire.no_dial", where=self._name, address=address, port=port)
            return Refused("ssh.forwarding_off", where=self._name)

        words = (GUARD, "dial", address, str(port), mark)
        try:
            stream, _ = held.enter_context(self._started(words, True, deadline))
            return ProcessSocket(begun(stream, mark, self._name, deadline, why), self._name, timeout, done=held.close)
        except BaseException:
            held.close()
            raise

    def connect(self, deadline: Deadline | None = None) -> opening.Link:
        """Return the connection, opened now if there is none that lives.

        Raises:
            ClawrackError: as ``opening.open_link`` says.
        """
        deadline = deadline or Deadline(self._name, opening.ALL_OF_IT)
        with self._lock:
            if self._link is None or not self._link.wire.is_active():
                self._link = opening.open_link(self._target, self._login, self._host_key, deadline)
            return self._link

    def _open(self, kind: str, fields: bytes, timeout: float) -> Stream:
        """Open a channel that runs nothing; on a connection that turns out to be dead, once more on a new one."""
        try:
            return self.connect().wire.open(kind, fields, timeout)
        except WireCut:
            return self.connect().wire.open(kind, fields, timeout)

    def close(self) -> None:
        """End the connection, and all that runs on it."""
        with self._lock:
            link, self._link = self._link, None
        if link:
            link.close()

    def _needs_sudo(self) -> bool:
        """Tell whether root is another login; QNAP's is called admin, and so are logins that are not root."""
        if self._target.user != _OTHER_ROOT:
            return self._target.user != "root"
        if self._is_root is None:
            self._is_root = self.run(("id", "-u")).out.strip() == b"0"
        return not self._is_root

    @contextlib.contextmanager
    def _started(
        self, words: Sequence[str], root: bool, deadline: Deadline, *, tied: bool = False, feeds: bool = True
    ) -> Generator[tuple[Stream, bytes]]:
        """Start a command, as root if asked; give its stream, and what it said before its input was ready."""
        by_sudo = root and self._needs_sudo()
        mark = sudo.new_mark() if by_sudo and self._sudo_password else ""
        if by_sudo:
            words = sudo.asking(words, mark) if mark else sudo.plain(words)
        line = quote.line(("/bin/sh", "-c", _TIED, "sh", *words) if tied and not mark else words)
        link = self.connect(deadline)
        if (feeds or mark) and not link.shell:
            self._see_shell(link, deadline)
        with self._executing(link, line, deadline) as stream:
            said = b""
            if mark and self._sudo_password:
                said = sudo.hand_over(stream, self._sudo_password, mark, self._name, deadline)
            yield stream, said

    @contextlib.contextmanager
    def _executing(
        self, link: opening.Link, line: bytes | None, deadline: Deadline, window: Window | None = None
    ) -> Generator[Stream]:
        """Start a line, or where there is none the login's shell, on a terminal where one is asked for."""
        with link.slots.one(self._name, deadline) as slot:
            stream = slot.open(lambda: link.wire.open("session", b"", min(_OPENING, deadline.left())))
            try:
                if window:
                    stream.terminal(window, min(_OPENING, deadline.left()))
                stream.login() if line is None else stream.exec(line)
                yield stream
            finally:
                stream.kill()

    def _see_shell(self, link: opening.Link, deadline: Deadline) -> None:
        """See that commands reach a shell, before one is fed: an appliance's menu may take input for its choices.

        Raises:
            Refused: what is there does not do what a shell does.
        """
        said = secrets.token_hex(8)
        line = quote.line(("printf", "%s%s", "clawrack-", said))
        patience = Deadline(self._name, min(_OPENING, deadline.left()))
        with self._executing(link, line, patience) as stream:
            try:
                ran = process.finish(stream, b"", patience, _MENU)
            except (TimedOut, ActionFailed) as error:
                raise Refused("ssh.no_shell", where=self._name, shown="…") from error
        if not ran.out.endswith(b"clawrack-" + said.encode()):
            raise Refused("ssh.no_shell", where=self._name, shown=clean.line(ran.out + ran.err, 80))
        link.shell = True

    def _dial_docker(self, timeout: float) -> ProcessSocket:
        """Connect to the machine's Docker engine: its socket where the login may use it, else through sudo."""
        if not self._needs_sudo():
            try:
                fields = transport.unix_target(self._docker_socket)
                stream = self._open("direct-streamlocal@openssh.com", fields, min(_OPENING, timeout))
            except transport.NotOpened:
                pass  # Docker is down, or sockets are not forwarded: the server does not say which
            else:
                return ProcessSocket(stream, self._name, timeout)
        held = contextlib.ExitStack()
        deadline = Deadline(self._name, min(_OPENING, timeout))
        words = _STDIO if self._needs_sudo() else (*_ITS_DOCKER, GUARD)
        stream, _ = held.enter_context(self._started(words, True, deadline))
        return ProcessSocket(stream, self._name, timeout, done=held.close, mute=self._no_engine)

    def _no_engine(self, ran: Ran) -> ClawrackError:
        """Return why there is no Docker behind a command that ended without a word."""
        refusal = sudo.why(ran, self._name) if self._needs_sudo() else None
        return refusal or Unreachable("docker.not_running", where=self._name)
