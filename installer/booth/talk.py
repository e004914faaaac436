"""The child's side of the pipe: it says what happens, asks, and reads secrets itself, past the desk."""

import os
import queue
import signal
import termios
import threading
import time
from pathlib import Path
from typing import IO, TypeVar

from fleet.base.errors import BadInput, OurBug
from fleet.base.event import Event
from fleet.base.secret import Secret
from installer.answers import SecretFrom
from installer.booth import pipe
from installer.booth.desk import Answered, Asks, Reached, Said, Tells
from installer.booth.order import Noted, Place, Reply, Task, ToChild
from installer.booth.ticket import State, Wanted
from installer.wizard.question import Question

Word = TypeVar("Word", Reply, Place, Noted)
_LONGEST = 1024
_GRACE = 15.0
_NOT_TYPED = frozenset("\x03\x04\x1b")
"""Ctrl-C, Ctrl-D and Esc, while a secret is typed, mean that there is none."""
_TELLINGS = 0.2
"""Seconds between two words about bytes that move."""


class Talk:
    """A child's words and what it hears; where the desk is gone, so is the child.

    Args:
        hears: from the desk; its first word is the task.
        says: to the desk.
    """

    def __init__(self, hears: IO[bytes], says: IO[bytes]) -> None:
        self._hears = hears
        self._says = says
        self._heard: queue.SimpleQueue[ToChild] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._told_at = 0.0
        self._complaint = ""
        task = pipe.receive(hears, Task)
        if task is None:
            raise OurBug("booth.pipe")
        self.task: Task = task
        threading.Thread(target=self._listen, daemon=True).start()

    def say(self, word: Said) -> None:
        """Say a word."""
        with self._lock:
            pipe.send(self._says, word)

    def reached(self, state: State) -> None:
        """Say how far the ticket is, and wait until the desk has written it down."""
        self.say(Reached(state))
        self._next(Noted)

    def tell(self, event: Event) -> None:
        """Say what happens; of bytes that move, not every word."""
        now = time.monotonic()
        if event.kind == "progress" and now - self._told_at < _TELLINGS:
            return
        self._told_at = now
        self.say(Tells(event))

    def ask(self, wanted: Wanted) -> str:
        """Return the answer to a question."""
        self.say(Asks(wanted))
        reply = self._next(Reply)
        return reply.value

    def secret(self, wanted: Wanted) -> Secret | None:
        """Return what was typed at the terminal that the desk lends, or stands in a file; None where there is none.

        Raises:
            BadInput: there is nothing that can be used in the file.
        """
        self.say(Asks(wanted))
        place = self._next(Place)
        try:
            return read(place)
        finally:
            self.say(Answered())

    # ---- as a face of the wizard -----------------------------------------------------------------------------------

    def put(self, question: Question, number: int, before: str) -> str | Secret:
        """Put a question of the setup's own; see `installer.wizard.interview.Face`."""
        del number, before
        complaint, self._complaint = self._complaint, ""
        why = "" if question.id == "provider" else question.why  # it tells a command that the customer will not have
        options = tuple((option.value, option.text) for option in question.options if not option.off)
        wanted = Wanted(
            id=question.id, form=question.form, text=question.text, options=options, default=question.default,
            page=tuple(filter(None, [complaint, *question.page, why])), params=question.params,
        )  # fmt: skip
        return (self.secret(wanted) or Secret("")) if question.form == "secret" else self.ask(wanted)

    def complain(self, error: BadInput) -> None:
        """Keep what is wrong with an answer: it stands before the question, which follows again."""
        self._complaint = str(error)

    def _next(self, kind: type[Word]) -> Word:
        word = self._heard.get()
        if not isinstance(word, kind):
            raise OurBug("booth.pipe")
        return word

    def _listen(self) -> None:
        try:
            pipe.listen(self._hears, ToChild, self._heard.put)
        finally:  # the desk is gone
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(_GRACE)
            os._exit(1)


def read(place: Place) -> Secret | None:
    """Return a secret from where it is."""
    match place.kind:
        case "terminal":
            return typed(Path(place.path))
        case "file":
            return SecretFrom(file=place.path).fetch(place.path)
        case "none":
            return None


def typed(terminal: Path) -> Secret | None:
    """Return a line typed at a terminal without being shown; it is not this process's own, so no signal comes of it."""
    handle = os.open(terminal, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    before = termios.tcgetattr(handle)
    hidden = termios.tcgetattr(handle)
    hidden[0] |= termios.ICRNL
    hidden[1] |= termios.OPOST | termios.ONLCR
    hidden[3] = (hidden[3] | termios.ICANON) & ~(termios.ECHO | termios.ISIG)
    try:
        termios.tcsetattr(handle, termios.TCSAFLUSH, hidden)
        os.write(handle, b"> ")
        line = os.read(handle, _LONGEST + 1).decode(errors="replace").strip("\r\n")
        os.write(handle, b"\n")
    finally:
        termios.tcsetattr(handle, termios.TCSAFLUSH, before)
        os.close(handle)
    return Secret(line) if line and len(line) <= _LONGEST and not _NOT_TYPED & {*line} else None
