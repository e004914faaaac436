"""How a rollout goes and when it stops: the policy of a fleet (fleet.yaml, ``policy:``), in Nomad's names.

Times are texts such as ``10s``, ``5m`` or ``1h``; an amount of agents is a number, or a share such as ``5%``.
"""

import itertools
from typing import Annotated, Literal

import msgspec

from fleet.base.patterns import SHARE, TIME

_TIMES = ("min_healthy_time", "healthy_deadline", "progress_deadline")  # each fits into the next
_SECONDS = {"s": 1, "m": 60, "h": 3600}

Duration = Annotated[str, msgspec.Meta(pattern=TIME)]
Share = Annotated[str, msgspec.Meta(pattern=SHARE)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Amount = Count | Share


def seconds(text: str) -> int:
    """Return a duration's seconds."""
    return int(text[:-1]) * _SECONDS[text[-1]]


def _many(told: int | str) -> int:
    return told if isinstance(told, int) else int(told[:-1])


def amount(told: int | str, of: int) -> int:
    """Return how many of ``of`` are meant: the number itself, or the share, rounded up, and never less than one."""
    many = told if isinstance(told, int) else -(-_many(told) * of // 100)
    return max(1, many)


class PolicyWrong(Exception):
    """A policy that no rollout can keep.

    Args:
        key: of the error's words.
        at: the steps to the value, within the policy.
        params: the values of the words' placeholders.
    """

    def __init__(self, key: str, *at: str | int, **params: object) -> None:
        super().__init__(key)
        self.key, self.at, self.params = key, at, params


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a rollout goes, and when it stops.

    Attributes:
        canary: how many agents are brought to the new release first, one after another; 0 for none.
        waves: how many have it after each wave that follows: numbers, or shares of all that the rollout touches.
        max_parallel: how many machines are worked on at once.
        min_healthy_time: for how long an agent must be well before its release is kept.
        healthy_deadline: within which an agent must have become well.
        progress_deadline: within which any agent of the rollout must have got further; then it stops.
        auto_revert: whether an agent that did not become well is put back: image, configuration and state.
        max_failures: at how many failures the rollout stops: a number, or a share of what it has touched.
        ask_above: the share of the fleet above which a person has to type how much it is.
        keep_snapshots: how many earlier releases of an agent are kept on its machine, each with its state.
        canary_message: whether a canary is also sent a message, and through which model: the practice model, which
            costs nothing, or its own.
    """

    canary: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 1
    waves: tuple[Amount, ...] = ("5%", "25%", "100%")
    max_parallel: Count = 10
    min_healthy_time: Duration = "10s"
    healthy_deadline: Duration = "5m"
    progress_deadline: Duration = "30m"
    auto_revert: bool = True
    max_failures: Amount = 1
    ask_above: Share = "20%"
    keep_snapshots: Annotated[int, msgspec.Meta(ge=1, le=100)] = 2
    canary_message: Literal["none", "practice", "own"] = "practice"

    def check(self) -> None:
        """See that its values go together.

        Raises:
            PolicyWrong: waves that do not grow, a time that is longer than one that it has to fit into, no failures.
        """
        for number, (before, wave) in enumerate(itertools.pairwise(self.waves), 1):
            if _many(wave) <= _many(before) and type(wave) is type(before):  # of 2 and 50% nobody knows which is more
                raise PolicyWrong("policy.waves", "waves", number, wave=wave, before=before)
        for short, long in itertools.pairwise(_TIMES):
            least, most = getattr(self, short), getattr(self, long)
            if seconds(least) > seconds(most):
                raise PolicyWrong("policy.times", long, short=short, least=least, long=long, most=most)
        if not _many(self.max_failures):
            raise PolicyWrong("policy.failures", "max_failures", told=self.max_failures)

    @property
    def healthy_for(self) -> int:
        """``min_healthy_time`` in seconds."""
        return seconds(self.min_healthy_time)

    @property
    def healthy_within(self) -> int:
        """``healthy_deadline`` in seconds."""
        return seconds(self.healthy_deadline)

    @property
    def progress_within(self) -> int:
        """``progress_deadline`` in seconds."""
        return seconds(self.progress_deadline)

    @property
    def asks_above(self) -> int:
        """``ask_above`` in percent."""
        return int(self.ask_above[:-1])

    def stops_at(self, touched: int) -> int:
        """Return at how many failures a rollout stops that has touched so many agents."""
        return amount(self.max_failures, touched)

    def reaches(self, agents: int) -> tuple[int, ...]:
        """Return how many of so many agents have the new release after the canary and each wave; the last is all."""
        steps = [self.canary, *(amount(wave, agents) for wave in self.waves), agents]
        reached: list[int] = []
        for step in steps:
            if min(step, agents) > (reached[-1] if reached else 0):
                reached.append(min(step, agents))
        return tuple(reached)
