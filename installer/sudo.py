"""Root by a password, for as long as a machine is being prepared; afterwards the guard is what sudo allows."""

from collections.abc import Iterable, Iterator, Sequence

import docker

from fleet.base.errors import Refused
from fleet.base.secret import Secret
from fleet.machine.port import MIB, Channel, Port, Ran
from installer.facts import Facts
from installer.remote import last_words

# sudo reads one line, the password, where it wants one; where it wants none, the password is still in the pipe. The
# marker tells the two apart, so that the password never becomes input of the command.
_MARKER = "clawrack-go"
_GATE = f'IFS= read -r a; [ "$a" = {_MARKER} ] || IFS= read -r a; a=; exec "$@"'
_SUDO = ("env", "LC_ALL=C", "sudo", "-k", "-S", "-p", "")


class SudoPort:
    """A port whose ``root=True`` goes through sudo with a password, written to standard input only."""

    def __init__(self, inner: Port, password: Secret) -> None:
        self._inner = inner
        self._password = password

    @property
    def name(self) -> str:
        """The machine's name."""
        return self._inner.name

    @property
    def inner(self) -> Port:
        """The port without the password."""
        return self._inner

    def prove(self) -> None:
        """Become root once: one attempt, for several may lock the account.

        Raises:
            Refused: the password is wrong, the user may not, or sudo wants a terminal (``sudo.*``).
            Unreachable: the wire was cut.
        """
        ran = self._inner.run((*_SUDO, "--", "id", "-u"), stdin=f"{self._password.reveal()}\n".encode())
        if ran.code == 0 and ran.out.strip() == b"0":
            return
        said = ran.err + ran.out
        raise Refused(_why(said), where=self.name, said=last_words(ran))

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes | Iterable[bytes] = b"",
        timeout: float = 60.0,
        cap: int = MIB,
        root: bool = False,
    ) -> Ran:
        """Run a command to its end, as the port's protocol has it."""
        if not root:
            return self._inner.run(words, stdin=stdin, timeout=timeout, cap=cap)
        through = (*_SUDO, "--", "sh", "-c", _GATE, "gate", *words)
        return self._inner.run(through, stdin=self._led(stdin), timeout=timeout, cap=cap)

    def _led(self, stdin: bytes | Iterable[bytes]) -> Iterator[bytes]:
        """Yield the password and the marker, then the input."""
        yield f"{self._password.reveal()}\n{_MARKER}\n".encode()
        yield from (stdin,) if isinstance(stdin, bytes) else stdin

    def lines(self, words: Sequence[str], *, root: bool = False, idle: float | None = None) -> Iterator[bytes]:
        """Follow a command; root only where sudo asks for no password."""
        return self._inner.lines(words, root=root, idle=idle)

    def docker(self) -> docker.APIClient:
        """Return a client of the machine's engine."""
        return self._inner.docker()

    def dial(self, address: str, port: int, timeout: float = 10.0) -> Channel:
        """Connect, from the machine, to a TCP port that it can reach."""
        return self._inner.dial(address, port, timeout)

    def close(self) -> None:
        """End every connection."""
        self._inner.close()


def become_root(port: Port, facts: Facts, password: Secret | None) -> Port:
    """Return a port whose ``root=True`` works, proven.

    Args:
        port: the machine, logged in as whoever the facts name.
        facts: what was seen there.
        password: the login's, where sudo asks for one.

    Raises:
        Refused: there is no way to root, or the password is wrong (``preflight.no_root``, ``sudo.*``).
        Unreachable: the wire was cut.
    """
    rights = facts.get("sudo")
    if rights in {"root", "nopasswd"}:
        return port
    if rights != "password":
        raise Refused("preflight.no_root", where=port.name, user=facts.get("user") or "?")
    if password is None:
        raise Refused("sudo.no_password", where=port.name, user=facts.get("user") or "?")
    through = SudoPort(port, password)
    through.prove()
    return through


def _why(said: bytes) -> str:
    """Return the key of the reason why sudo refused."""
    if b"tty" in said or b"terminal is required" in said:
        return "sudo.tty"
    if b"not in the sudoers" in said or b"not allowed" in said or b"may not run" in said:
        return "sudo.not_allowed"
    return "sudo.wrong_password"
