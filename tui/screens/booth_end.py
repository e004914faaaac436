"""The dialog before a ticket is ended: what happens on its device."""

from textual.app import ComposeResult

from fleet.base.words import say
from installer.booth.ticket import Ticket
from tui.screens.dialog import YesOrNo, text


class Shown(YesOrNo):
    """The dialog; its answer is whether to end the ticket."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__()
        self._ticket = ticket
        self.heading = say("booth.ui.ticket", ticket=ticket.number)
        self.yes_label = say("booth.ui.key.end")

    def question(self) -> ComposeResult:
        """Yield what becomes of the device."""
        untouched = not self._ticket.touched
        last = self._ticket.cause == "left-behind"
        how = "untouched" if untouched else "given_up" if last else "taken_back"
        yield text(say(f"booth.ui.end_{how}"), classes="effect")
