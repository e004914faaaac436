"""A recording told again: it stands where machines are asked otherwise."""

import threading
import time
from collections.abc import Callable, Iterable

import msgspec

from fleet.base.errors import ClawrackError
from fleet.base.words import say
from tui.state.heard import Message, Trouble, Wished
from tui.watch import PATIENCE, Put


class Replay:
    """Tells again what was recorded.

    Args:
        messages: of the recording; reading them may raise `BadInput`, which is told as the controller's trouble.
        put: takes them.
        speed: how many seconds of the recording pass in one.
        clock: seconds; never runs backwards.
    """

    def __init__(
        self, messages: Iterable[Message], put: Put, speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._messages, self._put, self._speed, self._clock = messages, put, speed, clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clawrack-replay", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """End; nothing is put after that."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(PATIENCE)

    def urge(self, machine: str = "") -> None:
        """Do nothing: what was recorded cannot be asked."""

    def _run(self) -> None:
        start = self._clock()
        try:
            for message in self._messages:
                at = start + message.at / self._speed
                if self._over.wait(max(0.0, at - self._clock())):
                    return
                self._put(self._now(message, at))
            self._put(Trouble(at=self._clock(), text=say("screen.replay_over")))
        except ClawrackError as error:
            self._put(Trouble(at=self._clock(), text=str(error)))

    def _now(self, message: Message, at: float) -> Message:
        if isinstance(message, Wished):
            return msgspec.structs.replace(message, at=at, beat=message.beat / self._speed)
        return msgspec.structs.replace(message, at=at)
