"""Questions to the person at the terminal.

Where nobody is there, a question is an error that says what to type instead.
"""

import getpass
import sys
from collections.abc import Generator
from contextlib import contextmanager

from clawrack.cli.terminal import PROMPTING, terminal
from fleet.base.clean import line
from fleet.base.errors import BadInput, Refused
from fleet.base.secret import Secret
from fleet.base.words import find, say


class Person:
    """Somebody who answers at the terminal."""

    def text(self, key: str, default: str = "", **params: object) -> str:
        """Return a line of text; an empty one means the default."""
        shown = say(key, **params) + (f" [{line(default)}]" if default else "")
        return _typed(shown) or default

    def confirm(self, key: str, **params: object) -> bool:
        """Return whether the answer was yes; only yes means yes."""
        answer = _typed(f"{say(key, **params)} [{say('question.yes_or_no')}]")
        return answer.lower() in {"y", "yes", "是", "好", "对"}

    def secret(self, key: str, **params: object) -> Secret:
        """Return what was typed without showing it."""
        with _prompting():
            try:
                return Secret(getpass.getpass(f"{say(key, **params)} "))
            except EOFError as error:
                raise KeyboardInterrupt from error


class Nobody:
    """Nobody is at the terminal, or asking is not wanted.

    Args:
        command: the line to type that would not need the question.
    """

    def __init__(self, command: str) -> None:
        self._command = command

    def text(self, key: str, default: str = "", **params: object) -> str:
        """Return the default.

        Raises:
            Refused: there is none.
        """
        if default:
            return default
        raise self._refused(key, params)

    def confirm(self, key: str, **params: object) -> bool:
        """Refuse: a yes that nobody said is none."""
        raise self._refused(key, params)

    def secret(self, key: str, **params: object) -> Secret:
        """Refuse: there is nobody to type it."""
        raise self._refused(key, params)

    def _refused(self, key: str, params: dict[str, object]) -> Refused:
        instead = f"{key}.instead"
        command = say(instead, **params) if find(instead) else self._command
        return Refused("question.nobody", question=say(key, **params), command=command)


Asked = Person | Nobody


def someone(command: str, *, silent: bool) -> Asked:
    """Return who answers: nobody where ``silent`` or where no terminal is there."""
    return Nobody(command) if silent or not at_terminal() else Person()


def at_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def sure(name: str, key: str, command: str, *, yes: bool) -> None:
    """Have the name typed before something is removed.

    Args:
        name: of what will be removed.
        key: the question in the words.
        command: the line to type where nobody can be asked.
        yes: the person said so on the command line.

    Raises:
        Refused: something else was typed, or nobody is there and ``yes`` was not said.
    """
    if yes:
        return
    if not at_terminal():
        raise Refused("question.needs_yes", command=command)
    if _typed(say(key, name=name)) != name:
        raise Refused("question.not_the_name", name=name, command=command)


def piped_secret() -> Secret:
    """Return the first line of standard input.

    Raises:
        BadInput: it is empty.
    """
    value = sys.stdin.readline().rstrip("\r\n")
    if not value:
        raise BadInput("question.empty_stdin")
    return Secret(value)


def _typed(question: str) -> str:
    to = terminal(sys.stderr)
    with _prompting():
        print(to.paint(question, "bold"), end=" ", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt
    return answer.strip()


@contextmanager
def _prompting() -> Generator[None]:
    """Clear the line, and keep it for the question until it is answered."""
    PROMPTING.set()
    try:
        if terminal(sys.stderr).live:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
        yield
    finally:
        PROMPTING.clear()
