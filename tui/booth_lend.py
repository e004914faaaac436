"""The terminal, lent to a ticket's own process so that a secret is typed to it, and to nobody else of the booth."""

import os
import sys
import termios
import time

from installer.booth.order import Place
from installer.booth.run import Booth
from tui.booth_texts import frame, question

_EVERY = 0.1
_DRAIN = 0.2
"""Seconds in which what was pasted has to end: what follows a secret's line is not for the desk."""
_CLEAR = "\x1b[2J\x1b[H"


def lend(booth: Booth, number: int, *, calm: bool) -> None:
    """Show a question for a secret, and wait until it is typed, or its ticket's process is gone.

    Args:
        booth: whose other tickets go on meanwhile.
        number: of the ticket.
        calm: whether nothing on the terminal may be painted over.
    """
    ticket = booth.desk.ticket(number)
    if ticket.wanted is None:
        return
    language, text, page, _ = question(ticket, ticket.wanted)
    rows = [frame(language, "booth.ui.ticket", ticket=number), "", *page, "", text, frame(language, "booth.ui.hidden")]
    print(("" if calm else _CLEAR) + "\n".join(rows), flush=True)
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    _hide(terminal)  # also between the child's end and ours
    booth.attend(number, on=True)
    booth.answer(number, Place("terminal", os.ttyname(terminal)))
    try:
        while booth.desk.ticket(number).wanted is not None and booth.desk.ticket(number).running:
            booth.pump(_EVERY)
    finally:
        time.sleep(_DRAIN)
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        booth.attend(number, on=False)


def _hide(terminal: int) -> None:
    """Show nothing of what is typed, until the terminal is given back."""
    hidden = termios.tcgetattr(terminal)
    hidden[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
