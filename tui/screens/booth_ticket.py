"""A page with all that the desk knows of a ticket; of one that is done, its receipt, for the owner to photograph."""

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from fleet.base.words import say
from installer.booth.ticket import Ticket
from tui.bars import Bar, Part, hints
from tui.booth_texts import details
from tui.keys import motion, typed
from tui.lines import Line
from tui.textview import TextView


class Shown(Screen[None]):
    """The page; Esc closes it."""

    def __init__(self, ticket: Ticket, now: float) -> None:
        super().__init__()
        self._ticket = ticket
        self._now = now

    def compose(self) -> ComposeResult:
        """Yield the title, the text, and the keys."""
        yield Bar(id="title")
        yield TextView(id="text", left=not self._ticket.receipt)
        yield Bar(id="hints")

    def on_mount(self) -> None:
        """Show it."""
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        heading = Part(f" {say('booth.ui.ticket', ticket=self._ticket.number)}", "bold $primary")
        self.query_one("#title", Bar).put([heading])
        keys = [("↑↓", say("booth.ui.key.move")), ("Esc", say("booth.ui.key.back"))]
        self.query_one("#hints", Bar).put(hints(keys, self.size.width - 1))
        view = self.query_one(TextView)
        if self._ticket.receipt:
            view.add_class("-paper")  # black on white: a phone reads the square so
            view.add([Line("", row) for row in self._ticket.receipt.splitlines()])
        else:
            view.add([Line(name, value) for name, value in details(self._ticket, self._now)])
        view.focus()

    def on_key(self, event: events.Key) -> None:
        """Move, or close."""
        event.stop()
        key = typed(event)
        page = max(1, self.query_one(TextView).scrollable_content_region.height - 1)
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "top": -(10**9), "end": 10**9}
        step = steps.get(motion(key) or "")
        view = self.query_one(TextView)
        if step:
            view.go(view.top + step)
        elif key in {"escape", "q", "enter"}:
            self.dismiss(None)
