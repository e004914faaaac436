"""Where a call can go: the protocol that every kind of route keeps, and what passes between it and the meter."""

import dataclasses
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Protocol

from .ask import Ask


@dataclasses.dataclass(frozen=True, slots=True)
class Price:
    """What a call costs, or could cost at most: tokens in and out, and money in 10⁻⁹ of a currency."""

    input: int
    output: int
    nanos: int = 0
    currency: str = ""


@dataclasses.dataclass(slots=True)
class Tally:
    """What a call has used so far. The route keeps it true at every moment: a call may be cut at any."""

    input: int = 0
    output: int = 0
    nanos: int = 0
    currency: str = ""
    estimated: bool = False

    def price(self) -> Price:
        """Return what is to be charged."""
        return Price(self.input, self.output, self.nanos, self.currency)


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the agent: a status, and the body in the pieces in which it comes."""

    content_type: str
    pieces: AsyncGenerator[bytes, None]
    status: int = 200


class RouteFailed(Exception):
    """The model behind a route gave no answer, or broke off; ``str()`` is for the log and holds nothing asked.

    ``status`` is the one of HTTP that its provider refused with, 0 where it was not a refusal; ``key`` and ``params``
    are what the agent is told, as a `Refusal`.
    """

    def __init__(
        self, why: str, status: int = 0, key: str = "route-failed", params: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(why)
        self.status = status
        self.key = key
        self.params = dict(params or {})


class Route(Protocol):
    """A way to a model. Another kind of route is another class with these members."""

    model: str
    """The model's own name, as the ledger keeps it."""

    def highest(self, ask: Ask) -> Price:
        """Return what this call can cost at most: reserved durably before ``answer`` is asked."""
        ...

    async def answer(self, ask: Ask, tally: Tally) -> Answer:
        """Ask the model, keeping the tally. Cancelled when the agent hangs up, at any await.

        Raises:
            RouteFailed: the model gives no answer; from here, or from the answer's pieces.
        """
        ...


Kinds = Mapping[str, Callable[[Mapping[str, object]], Route]]
"""Kind → what makes a route from its entry in routes.json; raises ValueError where the entry is wrong."""
