"""The dialog when somebody leaves while something is under way."""

from textual.app import ComposeResult

from fleet.base.words import say
from tui.screens.dialog import YesOrNo, text


class Shown(YesOrNo):
    """The dialog; its answer is whether to leave all the same."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self.heading = say("screen.act.quit")
        self.yes_label = say("screen.leave.yes")
        self.no_label = say("screen.leave.no")

    def question(self) -> ComposeResult:
        """Yield what would be cut off."""
        yield text(say("screen.leave.question", count=self._count), classes="effect")
