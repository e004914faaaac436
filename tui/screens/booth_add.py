"""The dialog for a new device: where it is, its code where somebody read it, and its owner's language."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Input

from fleet.base.errors import ClawrackError
from fleet.base.words import language, say
from fleet.machine.target import parse
from installer.booth.codes import is_device
from installer.booth.ticket import Language
from tui.screens.dialog import Dialog, text


class Shown(Dialog[tuple[str, str, Language]]):
    """The dialog; its answer is the machine, the device's code or nothing, and the language."""

    def __init__(self) -> None:
        super().__init__()
        self.heading = say("booth.ui.key.add")

    def inside(self) -> ComposeResult:
        """Yield the lines to fill in, and a button for each language."""
        yield text(say("booth.ui.add_machine"))
        yield Input(placeholder="root@192.168.1.20", id="machine", compact=True)
        yield text(say("booth.ui.add_device"))
        yield Input(placeholder="3f9a-71c2", id="device", compact=True)
        yield text("", classes="warning")
        yield text(say("booth.ui.add_language"))
        with Horizontal(classes="buttons"):
            for code, name in (("zh", "中文"), ("en", "English")):
                yield Button(Content(name), id=code, compact=True)

    def on_mount(self) -> None:
        """Begin to type."""
        self.query_one("#machine", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go on to the next line, then to the operator's own language."""
        following = "#device" if event.input.id == "machine" else f"#{language()}"
        self.query_one(following).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Take it, where it can be meant."""
        machine = self.query_one("#machine", Input).value.strip()
        device = self.query_one("#device", Input).value.strip()
        try:
            parse(machine)
        except ClawrackError as error:
            self._complain(str(error), "#machine")
            return
        if device and not is_device(device):
            self._complain(say("booth.device.what", device=device), "#device")
            return
        self.dismiss((machine, device, "zh" if event.button.id == "zh" else "en"))

    def _complain(self, words: str, at: str) -> None:
        warning = self.query_one(".warning")
        warning.update(Content(words))  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - it is a Static
        self.query_one(at).focus()
