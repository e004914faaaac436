"""The dialog in which an agent is asked: a line, and the answers to it."""

import threading
import time
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message as Posted
from textual.widgets import Input, Static

from fleet.base.clean import clean
from fleet.base.words import say
from tui.lines import Line
from tui.screens.dialog import Dialog, text
from tui.state.heard import Doing, Ended
from tui.state.rows import Row
from tui.textview import TextView

if TYPE_CHECKING:
    from fleet.api import Fleet

_LONGEST = 1 << 16  # characters of an answer


class Shown(Dialog[None]):
    """The dialog; Esc stops waiting and closes."""

    class Answered(Posted):
        """The answer is there, or why there is none."""

        def __init__(self, line: str, outcome: str) -> None:
            super().__init__()
            self.line = line
            self.outcome = outcome

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row
        self._since: float | None = None
        self.heading = f"{say('screen.act.ask')} {row.name}"

    def inside(self) -> ComposeResult:
        """Yield the answers, and the line below them."""
        yield TextView(id="answers")
        yield text(say("screen.effect.ask", names=self._row.name), classes="waiting")
        yield Input(placeholder=say("screen.prompt.ask"), id="question", compact=True)

    def on_mount(self) -> None:
        """Begin to type."""
        self.query_one("#question", Input).focus()
        self.set_interval(1.0, self._wait)

    def _wait(self) -> None:
        if self._since is not None:
            told = say("screen.asking", seconds=int(time.monotonic() - self._since))
            self.query_one(".waiting", Static).update(Content(told))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Send the line, one at a time."""
        words = event.value.strip()
        if not words or self._since is not None:
            return
        self._since = time.monotonic()
        self._tell(say("screen.you"), words, "plain")
        event.input.value = ""
        event.input.disabled = True
        self._wait()
        self.fleet.put(Doing(at=self.fleet.clock(), subject=self._row.id, action="ask"))
        threading.Thread(target=self._send, args=(words,), daemon=True).start()

    def _send(self, words: str) -> None:
        fleet = self.fleet
        hands = cast("Fleet", fleet.wiring.hands)
        try:
            answer = clean(str(hands.ask(self._row.name, words).text), _LONGEST)
            outcome, why = "done", ""
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told
            known = fleet.wiring.foreseen(error)
            answer = why = f"{known} {known.part('next')}".strip()
            outcome = "failed"
        fleet.put(Ended(at=fleet.clock(), subject=self._row.id, action="ask", outcome=outcome, text=why))
        self.post_message(self.Answered(answer, outcome))

    def on_shown_answered(self, message: Answered) -> None:
        """Show the answer."""
        self._since = None
        self.query_one(".waiting", Static).update("")
        self._tell(self._row.name, message.line, "plain" if message.outcome == "done" else "bad")
        question = self.query_one("#question", Input)
        question.disabled = False
        question.focus()

    def _tell(self, who: str, words: str, style: str) -> None:
        first, *rest = words.expandtabs(4).splitlines() or [""]
        answers = self.query_one("#answers", TextView)
        answers.add([Line(who, first, style), *(Line("", more, style) for more in rest)])
        answers.go(10**9)
