"""The order of questions, and the way back.

A script is a plain function that asks, looks and asks again. Going back runs it anew: what was answered before is not
asked again, up to the question that a person went back to. So a script must do nothing before its end, but look. After
it there is no way back: what is asked then (a password for sudo) is asked once more instead.
"""

from collections.abc import Callable
from typing import NoReturn, Protocol, TypeVar

from fleet.base.errors import BadInput, Refused
from fleet.base.secret import Secret
from installer.wizard.question import YES, Question

Result = TypeVar("Result")
Check = Callable[[str], object]


class Back(Exception):
    """The person wants the question before this one again."""


class Face(Protocol):
    """A front end: puts questions to a person."""

    def put(self, question: Question, number: int, before: str) -> str | Secret:
        """Return the answer; ``before`` is what was answered when it was asked the last time.

        Raises:
            Back: the person wants to go back.
            KeyboardInterrupt: the person wants to stop.
        """
        ...

    def complain(self, error: BadInput) -> None:
        """Say what is wrong with an answer; the question follows again."""
        ...


class Interview:
    """One talk with a person, or with nobody.

    Args:
        face: puts the questions; None where nobody is there: then the default is the answer, and where there is none,
            an error says what to type instead.
        before: answers of an earlier talk, by question; they become defaults.

    Attributes:
        leading: whether a script is under way, and so nothing was changed yet.
    """

    def __init__(self, face: Face | None, before: dict[str, str] | None = None) -> None:
        self._face = face
        self._answers: list[tuple[Question, str | Secret]] = []
        self._at = 0
        self.leading = False
        self._before = dict(before or {})
        self._kept = dict(before or {})
        self._past = 0

    @property
    def silent(self) -> bool:
        """Whether nobody is there."""
        return self._face is None

    def kept(self, question: str) -> str:
        """Return what was answered in the talk that is taken up again; empty where it was not asked."""
        return self._kept.get(question, "")

    @property
    def recorded(self) -> dict[str, str]:
        """What was answered so far, by question, without secrets: what may be kept."""
        plain = {question.id: answer for question, answer in self._answers if isinstance(answer, str)}
        return {**self._before, **plain}

    def lead(self, script: Callable[[], Result]) -> Result:
        """Run a script to its end, as often as the person goes back."""
        self.leading = True
        while True:
            self._at = 0
            try:
                result = script()
            except Back:
                self._forget_from(max(0, self._at - 1))
            else:
                self.leading = False
                return result

    def once(self, act: Callable[[], Result]) -> Result:
        """Do what asks and is not done again on the way back: its answers are neither repeated nor kept."""
        since = self._at
        result = act()
        self._past += self._at - since
        del self._answers[since : self._at]
        self._at = since
        return result

    def back(self) -> NoReturn:
        """Go back to the question before the one that was answered last.

        Raises:
            Back: always.
        """
        self._at -= 1
        raise Back

    def ask(self, question: Question, check: Check | None = None) -> str:
        """Return the answer to a question.

        Args:
            question: what is asked.
            check: raises BadInput for an answer that cannot be used; the person is told, and asked again.

        Raises:
            Refused: nobody is there, and there is no default.
        """
        answer = self._answer(question, check)
        return answer.reveal() if isinstance(answer, Secret) else answer

    def confirm(self, question: Question) -> bool:
        """Return whether the answer was yes; where nobody is there, no default is a yes."""
        if self._face is None:
            raise self._nobody(question)
        return self.ask(question) == YES

    def secret(self, question: Question, check: Check | None = None) -> Secret:
        """Return what was typed without showing it; ``check`` is as for `ask`."""
        answer = self._answer(question, check)
        return answer if isinstance(answer, Secret) else Secret(answer)

    def _answer(self, question: Question, check: Check | None) -> str | Secret:
        if self._at < len(self._answers):
            asked, answer = self._answers[self._at]
            if asked.signature == question.signature:
                self._at += 1
                return answer
            self._forget_from(self._at)
        answer = self._default(question) if self._face is None else self._put(self._face, question, check)
        self._answers.append((question, answer))
        self._at += 1
        return answer

    def _forget_from(self, place: int) -> None:
        """Keep what was answered from there on as defaults only."""
        self._before = self.recorded
        del self._answers[place:]

    def _put(self, face: Face, question: Question, check: Check | None) -> str | Secret:
        while True:
            try:
                answer = face.put(question, self._past + self._at + 1, self._before.get(question.id, ""))
                if check:
                    check(answer.reveal() if isinstance(answer, Secret) else answer)
            except BadInput as error:
                face.complain(error)
            except Back:
                if self.leading:
                    raise
            else:
                return answer

    def _default(self, question: Question) -> str:
        if not question.default:
            raise self._nobody(question)
        return question.default

    def _nobody(self, question: Question) -> Refused:
        return Refused("question.nobody", question=question.text, command=question.instead)
