"""A question, as a value: what every front end needs to put it."""

from typing import Literal

import msgspec

from fleet.base.words import find, say

Form = Literal["text", "choice", "secret"]
YES, NO = "yes", "no"


class Option(msgspec.Struct, frozen=True):
    """One answer to choose.

    Attributes:
        value: what is recorded.
        text: what is shown, in the language in use.
        off: why it cannot be chosen; empty where it can. It is shown all the same.
    """

    value: str
    text: str
    off: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question.

    Attributes:
        id: names its texts in the words (``wizard.ID``), and its field in `installer.answers.Answers`.
        form: how it is answered; a secret is neither shown nor recorded.
        default: the answer of an empty line; empty where there is none.
        options: of a choice.
        params: fill its texts.
        page: lines to read before it, each a paragraph.
    """

    id: str
    form: Form = "text"
    default: str = ""
    options: tuple[Option, ...] = ()
    params: dict[str, str] = {}
    page: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The question, in the language in use."""
        return say(f"wizard.{self.id}", **self.params)

    @property
    def why(self) -> str:
        """Why it is asked, and where the answer can be found; empty where there is nothing to say."""
        return say(f"wizard.{self.id}.why", **self.params) if find(f"wizard.{self.id}.why") else ""

    @property
    def instead(self) -> str:
        """What to type on the command line so that it need not be asked."""
        return say(f"wizard.{self.id}.instead", **self.params)

    @property
    def signature(self) -> tuple[object, ...]:
        """What an answer counts for: changed facts make it another question."""
        choices = tuple(option.value for option in self.options)
        return (self.id, self.form, choices, tuple(sorted(self.params.items())), self.page)


def yes_or_no(name: str, *, default: str = "", **params: str) -> Question:
    """Return a question that is answered by yes or no."""
    options = tuple(Option(value, say(f"wizard.{value}")) for value in (YES, NO))
    return Question(id=name, form="choice", default=default, options=options, params=params)
