"""What pages of text share: moving, filtering, searching."""

from typing import ClassVar

from textual.app import ComposeResult

from fleet.base.words import say
from tui.bars import Part
from tui.screens.page import Page
from tui.state.actions import Place
from tui.textview import TextView


class TextPage(Page):
    """A page of lines."""

    place: ClassVar[Place] = "text"
    first: ClassVar[tuple[str, ...]] = ("back", "filter", "highlight", "next_hit")
    name_key: ClassVar[str] = ""

    @property
    def text(self) -> TextView:
        """The lines."""
        return self.query_one("#text", TextView)

    def body(self) -> ComposeResult:
        """Yield the lines."""
        yield TextView(id="text")

    def crumbs(self) -> str:
        """Return the page's name."""
        return f"▸ {say(self.name_key)}" if self.name_key else ""

    def badges(self) -> list[Part]:
        """Return the filter and what is looked for."""
        told = [
            f"/{self.text.lines.only}" if self.text.lines.only else "",
            f"?{self.text.term}" if self.text.term else "",
        ]
        return [Part(piece, "$accent") for piece in told if piece]

    def on_mount(self) -> None:
        """Let keys move in the text."""
        self.text.focus()

    def move(self, name: str) -> bool:
        """Move in the text."""
        text = self.text
        page = max(1, text.size.height - 1)
        steps = {"up": -1, "down": 1, "page_up": -page, "page_down": page, "top": -(10**9), "end": 10**9}
        if name in steps:
            text.go(text.top + steps[name])
        elif name in {"left", "right"}:
            text.scroll_to(x=text.scroll_offset.x + (8 if name == "right" else -8), animate=False)
        elif name == "wrap":
            text.wrap()
        else:
            return False
        self.lines()
        return True

    # ---- the registry's actions ------------------------------------------------------------------------------------

    def do_filter(self) -> None:
        """Show only lines with some words."""
        before = self.text.lines.only

        def ended(words: str | None) -> None:
            self.text.keep_only(before if words is None else words)
            self.text.focus()
            self.lines()

        self.prompt.open("screen.prompt.lines", before, ended, self.text.keep_only)

    def do_highlight(self) -> None:
        """Look for a text."""

        def ended(term: str | None) -> None:
            self.text.focus()
            if term is not None and self.text.search(term) is None and term:
                self.fleet.tell(say("screen.no_hit", term=term), "warning")
            self.lines()

        self.prompt.open("screen.prompt.search", self.text.term, ended)

    def do_next_hit(self) -> None:
        """Go to the next place."""
        self._hit(1)

    def do_previous_hit(self) -> None:
        """Go to the place before."""
        self._hit(-1)

    def _hit(self, step: int) -> None:
        if self.text.term and self.text.next_hit(step) is None:
            self.fleet.tell(say("screen.no_more_hits", term=self.text.term))
        self.lines()

    def do_back(self) -> None:
        """Take the filter and the search away first, then the page."""
        if self.text.lines.only or self.text.term:
            self.text.keep_only("")
            self.text.search("")
            self.lines()
        else:
            self.fleet.do_back()
