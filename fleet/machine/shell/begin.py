"""A session at its beginning: nothing that sudo or the guard says on the way passes for the command's own output."""

from collections.abc import Callable, Sequence

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, ClawrackError
from fleet.base.secret import Secret
from fleet.machine import sudo
from fleet.machine.port import Ran
from fleet.machine.process import Deadline, Session

OPENING = 60.0  # seconds until the command has begun
_MOST = 1 << 16
_TELLING = ("/bin/sh", "-c", 'printf "%s\\n" "$1"; shift; exec "$@"', "sh")
Why = Callable[[Ran], ClawrackError]


class Ahead:
    """A session some of whose output has been read already."""

    def __init__(self, session: Session, out: bytes, err: bytes) -> None:
        self._session = session
        self._ahead = (out, err)
        self.wait, self.put, self.end_input = session.wait, session.put, session.end_input
        self.code, self.kill = session.code, session.kill
        self.fileno, self.resize = session.fileno, session.resize

    def take(self) -> tuple[bytes, bytes]:
        """Return the output and error output that came since."""
        (out, err), self._ahead = self._ahead, (b"", b"")
        more = self._session.take()
        return out + more[0], err + more[1]

    def over(self) -> bool:
        """Tell whether no more output will come."""
        return not any(self._ahead) and self._session.over()


def begun(  # noqa: PLR0913, PLR0917 - a prompt is rare
    session: Session,
    mark: str,
    where: str,
    deadline: Deadline,
    why: Why,
    prompt: tuple[str, Secret] | None = None,
) -> Session:
    """Return the session from behind a line that says that the command begins; what stood before it is dropped.

    Args:
        session: on a terminal, or on pipes.
        mark: the line; a terminal's has a carriage return too.
        where: the machine, for messages.
        deadline: how long it may take.
        why: makes the error of one that ended before it began, from all that it said.
        prompt: a text that asks for a password, and the password; it is given once.

    Raises:
        ClawrackError: what ``why`` makes.
        BadInput: the password is wrong.
        TimedOut, WireCut: as usual.
    """
    seen = (b"", b"")
    while True:
        over = session.over()
        more = session.take()
        seen = (seen[0] + more[0], seen[1] + more[1])
        for number, text in enumerate(seen):
            head, found, rest = text.partition(mark.encode())
            if found and b"\n" in rest:
                after = rest.partition(b"\n")[2]
                return Ahead(session, *((after, seen[1]) if number == 0 else (seen[0], after)))
            if prompt and prompt[0].encode() in head:
                seen = _answered(session, seen, prompt, where, deadline)
        if over or len(seen[0]) + len(seen[1]) > _MOST:
            raise _ended(session, seen, why)
        session.wait(min(1.0, deadline.left()))


def _answered(
    session: Session, seen: tuple[bytes, bytes], prompt: tuple[str, Secret], where: str, deadline: Deadline
) -> tuple[bytes, bytes]:
    """Give the password; one that was asked for again was wrong."""
    out, err = (text.replace(prompt[0].encode(), b"") for text in seen)
    if b"try again" in out + err:
        session.kill()
        raise sudo.why(Ran(1, b"", out + err), where) or ActionFailed("sudo.failed", where=where, said=line(out + err))
    data = prompt[1].reveal().encode() + b"\n"
    while data:
        data = data[session.put(data) :]
        if data:
            session.wait(min(0.1, deadline.left()))
    return out, err


def _ended(session: Session, seen: tuple[bytes, bytes], why: Why) -> ClawrackError:
    code = session.code() if session.over() else None
    session.kill()
    return why(Ran(1 if code is None else code, *seen))


class Rise:
    """Becoming root on a terminal: by sudo that asks nobody, or with its password.

    Args:
        password: None where there is none.
    """

    def __init__(self, password: Secret | None) -> None:
        self._password = password
        self._mark, self._prompt = sudo.new_mark(), sudo.new_mark()

    def words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the words that run others as root."""
        if not self._password:
            return sudo.plain(words)
        return ("env", "LC_ALL=C", "sudo", "-k", "-S", "-p", self._prompt, "--", *_TELLING, self._mark, *words)

    def over(self, session: Session, where: str, deadline: Deadline) -> Session:
        """Return the session from where the command begins; without a password nothing tells, and it is as it was.

        Raises:
            BadInput: the password is wrong. ActionFailed: sudo said no.
        """
        if not self._password:
            return session

        def why(ran: Ran) -> ClawrackError:
            said = ran.out + ran.err
            return sudo.why(Ran(1, b"", said), where) or ActionFailed("sudo.failed", where=where, said=line(said))

        return begun(session, self._mark, where, deadline, why, (self._prompt, self._password))
