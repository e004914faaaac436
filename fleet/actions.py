"""Everything that can be done to a fleet: the closed set of actions.

An action is a value. The planner makes them, people review them, and fleet/apply.py is the one interpreter.
"""

from typing import ClassVar, Literal

import msgspec

Impact = Literal["none", "new", "restart", "calls", "stop"]
"""What is noticed by those who use the agents: nothing; one more agent; a restart; calls that wait; an end."""


class Action(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One thing to do on one machine, and why (``reason`` is a key of the words, filled with the action's fields)."""

    machine: str
    reason: str
    step: ClassVar[str] = ""

    @property
    def impact(self) -> Impact:
        """What is noticed of it."""
        return "none"

    @property
    def subject(self) -> str:
        """The machine, or ``machine/agent``."""
        agent: str = getattr(self, "agent", "")
        return f"{self.machine}/{agent}" if agent else self.machine


class PlaceImage(Action, frozen=True):
    """Have an image on the machine's engine: pulled, or built here and sent.

    ``of`` is a kind's name, or ``meter``; ``ref`` is where it came from at first, where that is known; ``version`` is
    of the program in it, empty for the one that the kind names itself.
    """

    step: ClassVar[str] = "step.image"
    image: str
    of: str
    ref: str = ""
    version: str = ""


class PlaceMeter(Action, frozen=True):
    """Have the meter run from this image: drained, swapped, its ledger kept.

    ``version`` is of the meter in it and ``runs`` of the one there is, each where it is known.
    """

    step: ClassVar[str] = "step.meter"
    image: str
    version: str = ""
    runs: str = ""

    @property
    def impact(self) -> Impact:
        """The agents that are there wait; where no meter was, none waits."""
        return "none" if self.reason == "reason.meter_absent" else "calls"


class Deploy(Action, frozen=True):
    """Bring an agent to a release: stop, snapshot, start on trial, gate, commit.

    ``replaces`` is the release before, empty for a new agent; with ``resumes`` the trial is under way already, left
    by a controller that died, and only the gate and the commit remain. ``release`` is empty while its image has no id,
    because it is yet to be made. ``version`` is of its program and ``runs`` of the one there is, where it is known.
    """

    step: ClassVar[str] = "step.deploy"
    agent: str
    release: str
    replaces: str = ""
    resumes: bool = False
    version: str = ""
    runs: str = ""

    @property
    def impact(self) -> Impact:
        """One that is there restarts, but for a trial that runs already."""
        if self.resumes:
            return "none"
        return "restart" if self.replaces else "new"


class Rollback(Action, frozen=True):
    """Bring an agent back to a release that its machine kept: image, configuration and state, all three.

    Committed at once, and never itself rolled back. ``replaces`` is the release that runs before it.
    """

    step: ClassVar[str] = "step.rollback"
    agent: str
    release: str
    replaces: str = ""

    @property
    def impact(self) -> Impact:
        """It restarts."""
        return "restart"


class Mend(Action, frozen=True):
    """Have an agent's release again as it came: the files of its configuration, or its container made anew from it.

    ``release`` is the one that runs; its state is not touched.
    """

    step: ClassVar[str] = "step.mend"
    agent: str
    release: str
    what: Literal["config", "box"]

    @property
    def impact(self) -> Impact:
        """It restarts."""
        return "restart"


class Start(Action, frozen=True):
    """Start an agent that should run and does not."""

    step: ClassVar[str] = "step.start"
    agent: str


class Stop(Action, frozen=True):
    """Stop an agent, on purpose: it stays stopped after a reboot too."""

    step: ClassVar[str] = "step.stop"
    agent: str

    @property
    def impact(self) -> Impact:
        """It ends."""
        return "stop"


class Restart(Action, frozen=True):
    """Stop an agent and start it, in one step of its machine: it is never stopped on purpose in between."""

    step: ClassVar[str] = "step.restart"
    agent: str

    @property
    def impact(self) -> Impact:
        """It restarts."""
        return "restart"


class Remove(Action, frozen=True):
    """Take an agent off its machine; its state is kept where ``keep``."""

    step: ClassVar[str] = "step.remove"
    agent: str
    keep: bool

    @property
    def impact(self) -> Impact:
        """It ends."""
        return "stop"


AnyAction = PlaceImage | PlaceMeter | Deploy | Rollback | Mend | Start | Stop | Restart | Remove
