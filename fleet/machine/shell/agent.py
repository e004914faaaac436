"""A shell, or a command, in an agent's container: through the guard, which is all that a login with sudo may run."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, ClawrackError, Refused
from fleet.machine import sudo
from fleet.machine.guard import GUARD, parse, sentence
from fleet.machine.port import Port, Ran, Window
from fleet.machine.process import Deadline, Session
from fleet.machine.shell.begin import OPENING, begun

# The guard's reasons, and what is told.
_REASONS = {
    "no-agent": "shell.no_agent",
    "not-running": "shell.stopped",
    "no-shell": "shell.no_shell",
    "not-installed": "guard.absent",
    "verb-unknown": "shell.old_guard",
}


@contextmanager
def inside(port: Port, agent: str, words: Sequence[str] = (), *, window: Window | None = None) -> Generator[Session]:
    """Start a command in an agent's container, as the container's user, in its cage.

    Args:
        port: the agent's machine.
        agent: its name.
        words: the command; none for a shell.
        window: the terminal that it gets; None for pipes.

    Raises:
        Refused: the agent does not run, has no shell in its image, or the machine's guard is too old.
        ActionFailed: the machine said no.
        Unreachable: it does not answer.
    """
    mark = sudo.new_mark()
    with port.session((GUARD, "shell", agent, mark, *words), window=window, root=True) as far:
        patience = Deadline(port.name, OPENING)
        yield begun(far, mark, port.name, patience, lambda ran: _refusal(ran, port.name, agent))


def _refusal(ran: Ran, machine: str, agent: str) -> ClawrackError:
    said = (ran.out + ran.err).replace(b"\r", b"")  # a terminal's line ends
    refused = sudo.why(Ran(ran.code, b"", said), machine)
    if refused:
        return refused
    told = parse(said)
    reason = told.get("reason", "")
    absent = not reason and b"not found" in said
    key = "guard.absent" if absent else _REASONS.get(reason)
    if key:
        return Refused(key, where=f"{machine}/{agent}", machine=machine, agent=agent)
    why = sentence(reason, told.get("detail", "")) if reason else line(said) or f"exit {ran.code}"
    return ActionFailed("guard.failed", where=machine, machine=machine, reason=why)
