"""What can go wrong, as a tree; each branch has the exit code that scripts may rely on.

    ClawrackError
    ├── BadInput        2   what a person wrote cannot be used (file:line:column in `where`)
    ├── Refused         3   it could be done, but would be wrong: stale plan, lease held, host key, cap, existing data
    ├── Unreachable     4   no answer, or the wire was cut: the outcome is unknown until somebody looks again
    │   ├── WireCut         the connection broke while something was under way
    │   └── TimedOut        the deadline passed
    ├── ActionFailed    5   the machine said no
    ├── StateDamaged    6   a file of ours on this computer is not whole
    ├── OurBug         70   this should not have happened
    └── Interrupted   130   a person stopped it, at a point where that does no harm

The text of an error is in the words (templates/words): `KEY.what` happened, `KEY.why`, and `KEY.next`, the next
command to type. An error carries the key and the values; the language is chosen when it is shown.
"""

from typing import ClassVar

from fleet.base.words import find, placeholders, say

_MARKS = tuple(".!?:;…。！？：；")  # noqa: RUF001 - with these a sentence may end


class ClawrackError(Exception):
    """An error that is told to a person in one sentence, with the next command to type.

    Args:
        key: names the entries in the words, for example ``ssh.wrong_password``.
        where: the machine, or file:line:column.
        params: the values of the placeholders; they are cleaned when shown.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, key: str, *, where: str = "", **params: object) -> None:
        super().__init__(key)
        self.key = key
        self.where = where
        self.params = params

    def part(self, name: str) -> str:
        """Return one part of the text (``what``, ``why`` or ``next``), empty where the words have none."""
        key = f"{self.key}.{name}"
        text = find(key)
        if text is None:
            return ""
        lacking = dict.fromkeys(placeholders(text), "…")  # an error must be told, even where a value is missing
        return say(key, **(lacking | {"where": self.where} | self.params))

    def __str__(self) -> str:
        """Return where, what and why in one line."""
        what, why = self.part("what"), self.part("why")
        joined = find("error.after_mark" if what.endswith(_MARKS) else "error.two") if what and why else None
        said = joined.format(what=what, why=why) if joined else what or why
        return f"{self.where}: {said}" if self.where else said


class BadInput(ClawrackError):
    """What a person wrote cannot be used."""

    exit_code = 2


class Refused(ClawrackError):
    """It could be done, but would be wrong."""

    exit_code = 3


class Unreachable(ClawrackError):
    """No answer: the outcome is unknown until somebody looks again."""

    exit_code = 4


class WireCut(Unreachable):
    """The connection broke while something was under way."""


class TimedOut(Unreachable):
    """The deadline passed."""


class ActionFailed(ClawrackError):
    """The machine said no."""

    exit_code = 5


class StateDamaged(ClawrackError):
    """A file of ours on this computer is not whole."""

    exit_code = 6


class OurBug(ClawrackError):
    """This should not have happened."""

    exit_code = 70


class Interrupted(ClawrackError):
    """A person stopped it, at a point where that does no harm."""

    exit_code = 130
