"""The dialog before an action that interrupts or loses something: what it does, to whom, and the way back."""

from textual import events
from textual.app import ComposeResult
from textual.widgets import Button, Input

from fleet.base.words import say
from tui.screens.dialog import YesOrNo, text
from tui.state.actions import Asked, find

ARMED = 2.0  # seconds until what loses something can be confirmed
_MOST = 4  # lines of each list


class Typed(Input):
    """A line that has to be typed: nothing can be pasted into it."""

    def _on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()


class Shown(YesOrNo):
    """The dialog; its answer is whether to do it."""

    def __init__(self, asked: Asked) -> None:
        super().__init__()
        self._asked = asked
        self._armed = not asked.typed
        self.heading = asked.action.label
        count = len(asked.targets)
        self.yes_label = (
            say("screen.confirm.yes", action=asked.action.label, count=count) if count > 1 else self.heading
        )

    def question(self) -> ComposeResult:
        """Yield what is done, where, what is left out, the command that does the same, and the way back."""
        asked = self._asked
        yield text(asked.effect, classes="effect")
        places = (say("screen.confirm.on", machine=name, count=count) for name, count in sorted(asked.machines.items()))
        yield text(_some(list(places), ", "))
        if asked.left_out:
            names = _some(list(asked.left_out), ", ")
            yield text(say("screen.confirm.left_out", count=len(asked.left_out), names=names), classes="warning")
        yield text(say("screen.confirm.same", command=_some(list(asked.cli), "; ")), classes="command")
        back = find(asked.action.undo) if asked.action.undo else None
        yield text(say("screen.confirm.undo", action=back.label) if back else say("screen.confirm.no_undo"))
        if asked.typed:
            yield text(say("screen.confirm.type", word=asked.typed), classes="warning")
            yield Typed(id="typed", compact=True)

    def on_mount(self) -> None:
        """Let nothing be lost by a quick hand."""
        if self._asked.typed:
            self.begins_at = "#typed"
            self.query_one("#yes", Button).disabled = True
            self.set_timer(ARMED, self._arm)

    def _arm(self) -> None:
        self._armed = True
        self._weigh()

    def _weigh(self) -> None:
        word = self.query_one("#typed", Typed).value
        self.query_one("#yes", Button).disabled = not (self._armed and word == self._asked.typed)

    def on_input_changed(self) -> None:
        """Allow it once the word is there."""
        self._weigh()

    def on_input_submitted(self) -> None:
        """Go to the button; Enter alone does nothing yet."""
        button = self.query_one("#yes", Button)
        if not button.disabled:
            button.focus()


def _some(words: list[str], between: str) -> str:
    return between.join(words if len(words) <= _MOST else [*words[:_MOST], "…"])
