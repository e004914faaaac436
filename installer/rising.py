"""A machine whose login is not root: root's rights are asked for when the first command needs them, and only then.

On a machine that is ready the guard is all that is needed, and sudo gives it without a password; so a second run asks
nobody anything.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from fleet.base.errors import ActionFailed, Refused
from fleet.base.secret import Secret
from fleet.machine.local import LocalPort
from fleet.machine.port import MIB, Channel, Port, Ran, Window
from installer import remote

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import docker

    from fleet.machine.process import Session

_WANTED = frozenset({"sudo.password_needed", "sudo.not_allowed"})


class RisingPort:
    """A port that becomes root by a password, once it must.

    Args:
        port: the machine, as its login, without a password.
        ask: returns the login's password; called at most once. None where there is none to be had.
        again: makes the port once more, with the password for sudo, which stays in memory only.
    """

    def __init__(self, port: Port, ask: Callable[[], Secret | None], again: Callable[[Secret], Port]) -> None:
        self._port = port
        self._ask = ask
        self._again = again
        self._risen: Port | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The machine's name."""
        return self._port.name

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout: float = 60.0,
        cap: int = MIB,
        root: bool = False,
    ) -> Ran:
        """Run a command to its end; see Port.

        Raises:
            Refused: sudo wants a password and there is none (``bootstrap.no_password``).
            BadInput: the password is wrong; it was tried once.
        """
        if not root:
            return self._port.run(words, stdin=stdin, timeout=timeout, cap=cap)
        if self._risen is None and isinstance(stdin, bytes):
            try:
                return self._port.run(words, stdin=stdin, timeout=timeout, cap=cap, root=True)
            except ActionFailed as error:
                if error.key not in _WANTED:
                    raise
        return self._rise().run(words, stdin=stdin, timeout=timeout, cap=cap, root=True)

    def lines(self, words: Sequence[str], *, root: bool = False, idle: float | None = None) -> Iterator[bytes]:
        """Follow a command's output; see Port."""
        return (self._risen or self._port).lines(words, root=root, idle=idle)

    def session(
        self, words: Sequence[str], *, window: Window | None = None, root: bool = False
    ) -> "AbstractContextManager[Session]":
        """Start a command whose two ends are the caller's; see Port."""
        return (self._risen or self._port).session(words, window=window, root=root)

    def docker(self) -> "docker.APIClient":
        """Return a client of the machine's Docker engine; see Port."""
        return (self._risen or self._port).docker()

    def dial(self, address: str, port: int, timeout: float = 10.0) -> Channel:
        """Connect, from the machine, to a TCP port; see Port."""
        return self._port.dial(address, port, timeout)

    def close(self) -> None:
        """End every connection."""
        self._port.close()
        if self._risen:
            self._risen.close()

    def _rise(self) -> Port:
        """Return the port with the password, proven by one attempt."""
        with self._lock:
            if self._risen is None:
                password = self._ask()
                if password is None:
                    raise Refused("bootstrap.no_password", where=self.name)
                risen = self._again(password)
                ran = risen.run(("id", "-u"), root=True)
                if ran.out.strip() != b"0":
                    raise ActionFailed("sudo.failed", where=self.name, said=remote.last_words(ran))
                self._risen = risen
            return self._risen


def here(port: LocalPort, ask: Callable[[], Secret | None]) -> Port:
    """Return this computer with root's rights for whoever runs clawrack; ``ask`` returns that login's password."""
    return RisingPort(port, ask, lambda password: LocalPort(port.name, sudo_password=password))
