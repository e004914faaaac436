"""The rows of the fleet: a machine or an agent, with what was last told, and how long ago."""

from typing import Literal

import msgspec

from fleet.views import AgentView, MachineView
from tui.state.heard import Doing, Sort

Fresh = Literal["live", "stale", "dark", "never"]
STALE = 3.0
"""Beats without an answer after which values are stale."""
DARK = 8.0
"""Beats without an answer after which a machine is dark."""
LEAST_STALE, LEAST_DARK = 6.0, 20.0  # seconds
MISSES = 2
"""Questions in a row that failed after which a machine is dark."""


class Pulse:
    """When a machine was last heard; shared by its row and its agents' rows.

    It is no value of a row: a machine that says the same again changes nothing that has to be drawn.

    Attributes:
        told_at: when it last answered, or None.
        silent_at: when it first failed to since then, or None.
        misses: how often it failed to since then.
        beat: seconds between two questions.
    """

    __slots__ = ("beat", "misses", "silent_at", "told_at")

    def __init__(self, beat: float) -> None:
        self.told_at: float | None = None
        self.silent_at: float | None = None
        self.misses = 0
        self.beat = beat

    def answered(self, at: float) -> None:
        """Note an answer."""
        self.told_at = at if self.told_at is None else max(at, self.told_at)
        self.silent_at, self.misses = None, 0

    def missed(self, at: float) -> None:
        """Note that there was none."""
        self.silent_at = at if self.silent_at is None else self.silent_at
        self.misses += 1

    def age(self, now: float) -> float:
        """Return the seconds since the last answer; 0 where there was none."""
        return max(0.0, now - self.told_at) if self.told_at is not None else 0.0

    def fresh(self, now: float) -> Fresh:
        """Return how much the last answer is worth."""
        if self.told_at is None:
            return "never"
        age = self.age(now)
        if self.misses >= MISSES or age > max(LEAST_DARK, DARK * self.beat):
            return "dark"
        return "stale" if self.misses or age > max(LEAST_STALE, STALE * self.beat) else "live"


class Living(msgspec.Struct, frozen=True, kw_only=True):
    """What machines and agents have in common.

    Attributes:
        pulse: how the machine answers.
        doing: what we are doing to it, or None.
        tokens_in, tokens_out, calls: of today; a machine's are those of all its agents.
    """

    id: str
    pulse: Pulse
    doing: Doing | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    calls: int = 0

    @property
    def tokens_today(self) -> int:
        """Tokens in and out, today."""
        return self.tokens_in + self.tokens_out

    @property
    def told_at(self) -> float | None:
        """When its machine last answered."""
        return self.pulse.told_at

    def fresh(self, now: float) -> Fresh:
        """Return how much the last answer is worth."""
        return self.pulse.fresh(now)


class MachineRow(Living, frozen=True, kw_only=True):
    """A machine; ``id`` is its name.

    Attributes:
        view: as it was last told, or as its file names it.
        running: how many of its agents ran when it was last told.
        sort: why it does not answer, where it does not; ``why`` is the sentence.
        strays: names of what runs on it and is in no file.
    """

    view: MachineView
    agents: int = 0
    running: int = 0
    sort: Sort | None = None
    why: str = ""
    strays: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name."""
        return self.view.name

    @property
    def machine(self) -> str:
        """Its name too: so that every row has a machine."""
        return self.view.name

    def state(self, now: float) -> str:
        """Return its state as far as it is known now: a `MachineState`, or ``unknown`` before its first answer."""
        fresh = self.pulse.fresh(now)
        if fresh == "never":
            return "silent" if self.pulse.misses else "unknown"
        return "silent" if fresh == "dark" else self.view.state


class AgentRow(Living, frozen=True, kw_only=True):
    """An agent; ``id`` is ``machine/name``.

    Attributes:
        view: as it was last told (its state too), or as its file describes it.
    """

    view: AgentView

    @property
    def name(self) -> str:
        """Its name."""
        return self.view.name

    @property
    def machine(self) -> str:
        """The name of its machine."""
        return self.view.machine

    def state(self, now: float) -> str:
        """Return its state as far as it is known now: an `AgentState`; ``unknown`` while its machine is dark."""
        return "unknown" if self.pulse.fresh(now) in {"dark", "never"} else self.view.state


Row = MachineRow | AgentRow
