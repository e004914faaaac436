"""How an action ended. Unknown is not a failure and not a success: only looking again may change it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """It was done now."""


@dataclass(frozen=True, slots=True)
class AlreadyTrue:
    """Nothing was changed, for it was so already."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The machine said no; ``reason`` is a cleaned sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The wire was cut before the answer came; ``reason`` is a cleaned sentence."""

    reason: str


Outcome = Done | AlreadyTrue | Failed | Unknown
