"""A yes or a line from the person at the terminal; where nobody is there, an error says what to type instead."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from clawrack.cli.terminal import PROMPTING, terminal
from fleet.base.errors import BadInput, Refused
from fleet.base.secret import Secret
from fleet.base.words import say


class Person:
    """Somebody at the terminal."""

    def confirm(self, key: str, **params: object) -> bool:
        """Return whether the answer was yes; only yes means yes."""
        answer = typed(f"{say(key, **params)} [{say('question.yes_or_no')}]")
        return answer.lower() in {"y", "yes", "是", "好", "对"}


class Nobody:
    """Nobody is at the terminal, or asking is not wanted.

    Args:
        command: the line to type that would not need the question.
    """

    def __init__(self, command: str) -> None:
        self._command = command

    def confirm(self, key: str, **params: object) -> bool:
        """Refuse: a yes that nobody said is none."""
        raise Refused("question.nobody", question=say(key, **params), command=self._command)


def someone(command: str, *, silent: bool) -> Person | Nobody:
    """Return who says yes or no: nobody where ``silent`` or where no terminal is there."""
    return Nobody(command) if silent or not at_terminal() else Person()


def at_terminal() -> bool:
    """Return whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def sure(name: str, key: str, command: str, *, yes: bool, silent: bool = False) -> None:
    """Have the name typed before something is removed.

    Args:
        name: of what will be removed.
        key: the question in the words.
        command: the line to type where nobody can be asked.
        yes: the person said so on the command line.
        silent: nobody is asked, though somebody may be there.

    Raises:
        Refused: something else was typed, or nobody is there and ``yes`` was not said.
    """
    if yes:
        return
    if silent or not at_terminal():
        raise Refused("question.needs_yes", command=command)
    if typed(say(key, name=name)) != name:
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


def secret_of(place: str, option: str) -> Secret:
    """Return the secret of a file, or of standard input where the place is ``-``: never of the command line itself.

    Raises:
        BadInput: there is none.
    """
    from installer.answers import SecretFrom  # noqa: PLC0415 - few commands need it

    return piped_secret() if place == "-" else SecretFrom(file=place).fetch(option)


def typed(question: str) -> str:
    """Return the line that a person types.

    Raises:
        KeyboardInterrupt: the input ended.
    """
    to = terminal(sys.stderr)
    with prompting():
        # in one piece: who types ahead is echoed behind it, never within
        print(f"{to.paint(question, 'bold')} ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
    if not answer:
        raise KeyboardInterrupt
    return answer.strip()


@contextmanager
def prompting() -> Generator[None]:
    """Clear the line, and keep it for the question until it is answered."""
    PROMPTING.set()
    try:
        if terminal(sys.stderr).live:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
        yield
    finally:
        PROMPTING.clear()
