"""A ticket's child process, as the desk sees it: started with a home of its own, heard line by line, stopped gently."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from fleet.base.errors import ClawrackError
from installer.answers import Answers, variable
from installer.booth import pipe
from installer.booth.desk import Ends, Said
from installer.booth.order import Task, ToChild

if TYPE_CHECKING:
    import queue

GRACE = 20.0
"""Seconds that a child has to come to a safe point; killed, it loses nothing either, but its lease has to run out."""
WORDS = ("booth", "ticket")
Heard = tuple[int, Said | None]


class Child:
    """One child; its words come into the queue with the ticket's number, and None when it is gone.

    Attributes:
        last: its last word, where it had one.
        parked: whether it was told to stop.
        ending: whether its ticket is to be ended once it is gone.
        answered: whether its last question has its answer.
    """

    def __init__(self, task: Task, home: Path, heard: "queue.SimpleQueue[Heard]") -> None:
        self._number = task.number
        self._heard = heard
        self._stop_by: float | None = None
        self.last: Ends | None = None
        self.parked = False
        self.ending = False
        self.answered = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clawrack", *WORDS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=environment(os.environ, home, task.order.language), start_new_session=True, cwd="/",
        )  # fmt: skip
        self.send(task)
        threading.Thread(target=self._listen, daemon=True).start()

    def send(self, word: Task | ToChild) -> None:
        """Say a word; one that is gone already hears nothing."""
        with contextlib.suppress(OSError, ValueError):
            pipe.send(cast("IO[bytes]", self._process.stdin), word)

    def stop(self) -> None:
        """Have it stop at the next safe point."""
        self._stop_by = time.monotonic() + GRACE
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """Have it stop now; everything that it does bears that."""
        self._process.kill()

    def tick(self) -> None:
        """Kill it where it did not stop in its time."""
        if self._stop_by is not None and time.monotonic() > self._stop_by:
            self.kill()

    def wait(self) -> None:
        """Wait until it is gone, which it is about to be."""
        with contextlib.suppress(OSError):
            cast("IO[bytes]", self._process.stdin).close()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()

    def _listen(self) -> None:
        out = cast("IO[bytes]", self._process.stdout)
        hear: Callable[[Said], None] = lambda word: self._heard.put((self._number, word))  # noqa: E731 - a name for its type
        try:
            pipe.listen(out, Said, hear)
        except ClawrackError:
            self.kill()  # what says such things is not ours
        finally:
            self._heard.put((self._number, None))


def environment(ours: Mapping[str, str], home: Path, language: str) -> dict[str, str]:
    """Return a child's environment: a home of its own, the customer's language, and none of the answers in ours."""
    not_theirs = {variable(field) for field in Answers.__struct_fields__} | {"CLAWRACK_FLEET"}
    kept = {name: value for name, value in ours.items() if name not in not_theirs}
    return kept | {
        "XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "config"), "CLAWRACK_LANG": language,
    }  # fmt: skip


def error_of(last: Ends) -> str:
    """Return what a child's last word tells of its error, in the language in use."""
    return str(ClawrackError(last.key, where=last.where, **last.params)) if last.key else ""
