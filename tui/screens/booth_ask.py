"""The dialog in which somebody at the desk answers: the operator in their language, the customer in theirs."""

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Button

from installer.booth.ticket import Language, Ticket, Wanted
from tui.booth_texts import frame, question
from tui.screens.dialog import Dialog, text


class Shown(Dialog[str]):
    """The dialog; its answer is an option's value, or None where it was left."""

    def __init__(self, ticket: Ticket, wanted: Wanted) -> None:
        super().__init__()
        spoken, self._text, self._page, self._options = question(ticket, wanted)
        self._language: Language | None = spoken
        self._default = wanted.default
        self.heading = frame(self._language, "booth.ui.ticket", ticket=ticket.number)

    def inside(self) -> ComposeResult:
        """Yield what is to be read, the question, and a button for each answer; Esc leaves it for later."""
        with VerticalScroll(classes="page"):
            for paragraph in self._page:
                yield text(paragraph)
        yield text(self._text, classes="effect")
        with VerticalScroll(classes="answers"):
            for place, (_, words) in enumerate(self._options):
                yield Button(Content(words), id=f"option-{place}", compact=True)
        yield text(frame(self._language, "booth.ui.later"), classes="command")

    def on_mount(self) -> None:
        """Stand at the answer that changes nothing: the default, else the last."""
        self.query_one(".box").add_class("wide")  # all of it is read at once at 80 columns and 24 rows
        values = [value for value, _ in self._options]
        at = values.index(self._default) if self._default in values else len(values) - 1
        self.query_one(f"#option-{at}").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        place = int(str(event.button.id).rpartition("-")[2])
        self.dismiss(self._options[place][0])

    def on_key(self, event: events.Key) -> None:
        """Move between the answers with the arrows."""
        if event.key in {"up", "down", "left", "right"} and isinstance(self.focused, Button):
            event.stop()
            event.prevent_default()
            step = -1 if event.key in {"up", "left"} else 1
            place = int(str(self.focused.id).rpartition("-")[2]) + step
            self.query_one(f"#option-{place % len(self._options)}").focus()
