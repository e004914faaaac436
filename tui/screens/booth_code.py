"""The dialog for a resume code, as it is read aloud."""

from textual.app import ComposeResult
from textual.widgets import Input

from fleet.base.words import say
from tui.screens.dialog import Dialog, text


class Shown(Dialog[str]):
    """The dialog; its answer is what was typed."""

    def __init__(self, code: str) -> None:
        super().__init__()
        self._code = code
        self.heading = say("booth.ui.key.resume")

    def inside(self) -> ComposeResult:
        """Yield the line to type into."""
        yield text(say("booth.ui.code"))
        yield Input(self._code, placeholder="K7F-3QD", id="code", compact=True)

    def on_mount(self) -> None:
        """Begin to type."""
        self.query_one("#code", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take it."""
        self.dismiss(event.value.strip())
