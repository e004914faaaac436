"""Being root on a machine whose login is not: which words, the password when one is needed, and what sudo's no means.

Without a password: ``sudo -n``, which asks nobody. With one, given once while a machine is prepared: sudo reads it from
standard input, but only if it wants one, and what it does not read the command would. So a few words of shell stand in
between: they say when they have started, and swallow everything up to a mark. A wrong password is seen before anything
else was sent, and input ends there: one attempt, no second try with our data as the password.
"""

import secrets
from collections.abc import Sequence

from fleet.base.clean import line
from fleet.base.errors import ActionFailed, BadInput, ClawrackError
from fleet.base.secret import Secret
from fleet.machine.port import Ran
from fleet.machine.process import Deadline, Process

_PLAIN = ("env", "LC_ALL=C", "sudo", "-n", "--")
_ASKING = ("env", "LC_ALL=C", "sudo", "-k", "-S", "-p", "", "--")
_SWALLOW = 'printf "%s\\n" "$1" >&2; while IFS= read -r l; do [ "$l" = "$1" ] && break; done; l=; shift; exec "$@"'

# sudo's own sentences, in its source language (LC_ALL=C), and what we say. First match wins.
_SENTENCES = (
    (b"must have a tty", "sudo.wants_tty"),
    (b"a terminal is required", "sudo.password_needed"),
    (b"a password is required", "sudo.password_needed"),
    (b"no password was provided", "sudo.wrong_password"),
    (b"incorrect password attempt", "sudo.wrong_password"),
    (b"Sorry, try again", "sudo.wrong_password"),
    (b"not in the sudoers file", "sudo.not_allowed"),
    (b"may not run sudo", "sudo.not_allowed"),
    (b"is not allowed to execute", "sudo.not_allowed"),
    (b"no new privileges", "sudo.not_allowed"),
    (b"effective uid is not 0", "sudo.not_allowed"),
)
_MISSING = (b"sudo: not found", b"sudo: No such file", b"sudo': No such file", b"can't execute 'sudo'")


def plain(words: Sequence[str]) -> tuple[str, ...]:
    """Return the words that run others as root without asking for a password."""
    return (*_PLAIN, *words)


def asking(words: Sequence[str], mark: str) -> tuple[str, ...]:
    """Return the words that run others as root, for ``hand_over`` to talk to."""
    return (*_ASKING, "/bin/sh", "-c", _SWALLOW, "sh", mark, *words)


def new_mark() -> str:
    """Return a line that nobody else sends."""
    return f"clawrack-{secrets.token_hex(16)}"


def hand_over(process: Process, password: Secret, mark: str, where: str, deadline: Deadline) -> bytes:
    """Give sudo the password and return when the command behind it starts, with error output that came after.

    Raises:
        BadInput: the password is wrong. ActionFailed: sudo said no.
        TimedOut, WireCut: as usual.
    """
    _put(process, password.reveal().encode() + b"\n", deadline)
    said, ready = b"", mark.encode() + b"\n"
    while ready not in said:
        over = process.over()
        said += process.take()[1]
        if ready in said:
            break
        wrong = b"try again" in said
        if over or wrong or len(said) > len(ready) + 4096:
            process.kill()
            raise why(Ran(1, b"", said), where) or ActionFailed("sudo.failed", where=where, said=line(said))
        process.wait(min(1.0, deadline.left()))
    _put(process, ready, deadline)
    return said.partition(ready)[2]


def _put(process: Process, data: bytes, deadline: Deadline) -> None:
    while data:
        data = data[process.put(data) :]
        if data:
            process.wait(min(1.0, deadline.left()))


def why(ran: Ran, where: str) -> ClawrackError | None:
    """Return sudo's refusal as an error; None where it was the command's own end."""
    if ran.code not in {1, 126, 127}:
        return None
    if any(said in ran.err for said in _MISSING):
        return ActionFailed("sudo.missing", where=where)
    if ran.code != 1 or (b"sudo" not in ran.err and b"try again" not in ran.err):
        return None
    key = next((key for said, key in _SENTENCES if said in ran.err), None)
    if key == "sudo.wrong_password":
        return BadInput(key, where=where)
    return ActionFailed(key, where=where, said=line(ran.err)) if key else None
