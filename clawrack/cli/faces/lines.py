"""Questions as plain lines: choices have numbers, and ``back``, ``help`` and ``quit`` are words.

For screen readers, dumb terminals and serial lines: nothing is painted over, one sentence stands on a line, and nothing
is told by colour.
"""

import getpass
import sys
import unicodedata

from clawrack.cli import failing
from clawrack.cli.asking import prompting, typed
from clawrack.cli.terminal import terminal
from fleet.base.clean import line
from fleet.base.errors import BadInput
from fleet.base.secret import Secret
from fleet.base.words import say
from installer.wizard.interview import Back
from installer.wizard.question import Question

_WORDS = {"back": ("back", "b", "返回", "上一步"), "help": ("help", "?", "帮助"), "quit": ("quit", "q", "退出")}


class Lines:
    """The front end of lines."""

    def put(self, question: Question, number: int, before: str) -> str | Secret:
        """Return the answer; see `installer.wizard.interview.Face`."""
        _print("", *question.page)
        _print(f"{number}. {question.text}")
        _print(*(_choice(place, question) for place in range(1, len(question.options) + 1)))
        if question.form == "secret":
            return _secret()
        default = before or question.default
        while True:
            answer = normal(typed(_hint(question, default))) or default
            if answer in _WORDS["help"]:
                _print(question.why or say("face.no_help"))
            elif chosen := taken(answer, question):
                return chosen
            elif answer:
                _print(say("face.not_one", most=len(question.options)))

    def complain(self, error: BadInput) -> None:
        """Say what is wrong with an answer."""
        _print(*failing.lines(error, terminal(sys.stderr)))


def normal(text: str) -> str:
    """Return what was typed, full-width digits and signs of an input method made plain."""
    return unicodedata.normalize("NFKC", text).strip()


def taken(answer: str, question: Question) -> str:
    """Return the answer where it can be taken, else nothing.

    Raises:
        Back, KeyboardInterrupt: the word for it was typed.
    """
    if answer.lower() in _WORDS["back"]:
        raise Back
    if answer.lower() in _WORDS["quit"]:
        raise KeyboardInterrupt
    if question.form != "choice":
        return answer
    free = {str(place): o.value for place, o in enumerate(question.options, 1) if not o.off}
    named = {o.value: o.value for o in question.options if not o.off} | {
        o.text.lower(): o.value for o in question.options if not o.off
    }
    return free.get(answer) or named.get(answer.lower()) or ""


def _choice(place: int, question: Question) -> str:
    option = question.options[place - 1]
    off = f" {say('face.off', why=option.off)}" if option.off else ""
    return f"{place}. {line(option.text)}{off}"


def _hint(question: Question, default: str) -> str:
    shown = next((str(n) for n, option in enumerate(question.options, 1) if option.value == default), default)
    words = say("face.type_number" if question.options else "face.type")
    return f"{words} [{line(shown)}] >" if shown else f"{words} >"


def _secret() -> Secret:
    with prompting():
        try:
            return Secret(getpass.getpass(f"{say('face.hidden')} "))
        except EOFError as error:
            raise KeyboardInterrupt from error


def _print(*paragraphs: str) -> None:
    terminal(sys.stderr).paragraphs(*paragraphs)
