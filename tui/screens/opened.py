"""The dialog while an agent's own page is open; closing it closes the page."""

import os
import threading
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from fleet.base.words import say
from tui.screens.dialog import Dialog, text
from tui.state.rows import Row

if TYPE_CHECKING:
    from fleet.api import Fleet

_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


class Shown(Dialog[None]):
    """The dialog."""

    class Opened(Message):
        """The page is open at this address, or cannot be opened for this reason."""

        def __init__(self, url: str, why: str = "") -> None:
            super().__init__()
            self.url = url
            self.why = why

    def __init__(self, row: Row) -> None:
        super().__init__()
        self._row = row
        self._over = threading.Event()
        self.heading = f"{say('screen.act.open')} {row.name}"

    def inside(self) -> ComposeResult:
        """Yield what is known so far."""
        yield text(say("screen.opening"), classes="effect")
        yield text(say("screen.open_until"))

    def on_mount(self) -> None:
        """Begin to serve the page."""
        threading.Thread(target=self._serve, name="clawrack-page", daemon=True).start()

    def on_unmount(self) -> None:
        """Close the page."""
        self._over.set()

    def _serve(self) -> None:
        hands = cast("Fleet", self.fleet.wiring.hands)
        try:
            with hands.page(self._row.name) as page:
                self.post_message(self.Opened(page.url))
                self._over.wait()
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told
            known = self.fleet.wiring.foreseen(error)
            self.post_message(self.Opened("", f"{known} {known.part('next')}".strip()))

    def on_shown_opened(self, message: Opened) -> None:
        """Show the address, and start a browser where there is a display."""
        told = say("screen.open_at", url=message.url) if message.url else message.why
        self.query_one(".effect", Static).update(Content(told))
        if message.url and any(map(os.environ.get, _DISPLAYS)):
            self.fleet.open_url(message.url)
