"""Actions under way: each in a thread, one after another on the same machine. How one ends is put where messages go."""

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from fleet.base.errors import ClawrackError, Unreachable
from fleet.base.event import Event
from fleet.base.outcome import AlreadyTrue
from tui.state.actions import Action
from tui.state.heard import Doing, Ended, Ending, Message
from tui.state.rows import Row


class Jobs:
    """Does what the registry names to rows.

    Args:
        hands: with a method for each action that reaches a machine (`fleet.api.Fleet`).
        put: takes messages; threads call it.
        clock: the time of messages, in seconds.
        foreseen: turns any error into one of ours.
    """

    def __init__(
        self,
        hands: object,
        put: Callable[[Message], None],
        clock: Callable[[], float],
        foreseen: Callable[[BaseException], ClawrackError],
    ) -> None:
        self._hands = hands
        self._put = put
        self._clock = clock
        self._foreseen = foreseen

    def begin(self, action: Action, rows: Iterable[Row]) -> None:
        """Begin an action on rows; machines do not wait for each other."""
        by_machine = sorted(rows, key=lambda row: row.machine)
        for row in by_machine:
            self._put(Doing(at=self._clock(), subject=row.id, action=action.id))
        for _, group in groupby(by_machine, key=lambda row: row.machine):
            threading.Thread(target=self._work, args=(action, list(group)), daemon=True).start()

    def _work(self, action: Action, rows: Sequence[Row]) -> None:
        for row in rows:
            outcome, text = self._one(action, row)
            self._put(Ended(at=self._clock(), subject=row.id, action=action.id, outcome=outcome, text=text))

    def _one(self, action: Action, row: Row) -> tuple[Ending, str]:
        def heard(event: Event) -> None:
            params = {name: str(value) for name, value in event.params.items()}
            if event.kind in {"begun", "progress"}:
                told = Doing(at=self._clock(), subject=row.id, action=action.id, step=event.step, params=params)
                self._put(told)

        try:
            kept = {"keep_state": True} if action.id == "remove" else {}
            done = getattr(self._hands, action.method(row))(row.name, listen=heard, **kept)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is told
            return _failed(self._foreseen(error))
        return ("already" if isinstance(done, AlreadyTrue) else "done"), ""


def _failed(error: ClawrackError) -> tuple[Ending, str]:
    following = error.part("next")
    text = f"{error} → {following}" if following else str(error)
    return ("unknown" if isinstance(error, Unreachable) else "failed"), text
