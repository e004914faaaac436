"""What every dialog is: a box over the page, left by Esc, whose answer is no until somebody says yes."""

from typing import TYPE_CHECKING, TypeVar, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from fleet.base.words import say

if TYPE_CHECKING:
    from tui.app import FleetApp

Answer = TypeVar("Answer")


def text(words: str, *, classes: str = "") -> Static:
    """Return a text that is never read as markup."""
    return Static(Content(words), classes=classes, markup=False)


class Dialog(ModalScreen[Answer]):
    """A dialog; ``heading`` stands in its frame."""

    heading = ""

    @property
    def fleet(self) -> "FleetApp":
        """The app."""
        return cast("FleetApp", self.app)  # pyright: ignore[reportUnknownMemberType] - App is generic there

    def inside(self) -> ComposeResult:
        """Yield what stands in the box."""
        yield from ()

    def compose(self) -> ComposeResult:
        """Yield the box."""
        with Vertical(classes="box") as box:
            box.border_title = Content(self.heading)
            yield from self.inside()

    def on_key(self, event: events.Key) -> None:
        """Leave by Esc."""
        if event.key == "escape":
            event.stop()
            self.leave()

    def leave(self) -> None:
        """Close without an answer."""
        self.dismiss(None)


class YesOrNo(Dialog[bool]):
    """A dialog with two buttons; the one that changes nothing comes first and has the focus."""

    yes_label = ""
    no_label = ""

    def inside(self) -> ComposeResult:
        """Yield the question and the buttons."""
        yield from self.question()
        with Horizontal(classes="buttons"):
            yield Button(Content(self.no_label or say("screen.cancel")), id="no", compact=True)
            yield Button(Content(self.yes_label), id="yes", compact=True)

    def question(self) -> ComposeResult:
        """Yield what is asked."""
        yield from ()

    begins_at = "#no"
    """What has the focus at first: Enter changes nothing."""

    def on_mount(self) -> None:
        """Let Enter change nothing."""
        self.query_one(self.begins_at).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")

    def on_key(self, event: events.Key) -> None:
        """Move between the buttons with the arrows too."""
        if event.key in {"left", "right", "h", "l"} and isinstance(self.focused, Button):
            event.stop()
            event.prevent_default()
            other = "#yes" if self.focused.id == "no" else "#no"
            self.query_one(other, Button).focus()

    def leave(self) -> None:
        """Answer no."""
        self.dismiss(False)
