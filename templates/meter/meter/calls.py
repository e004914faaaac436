"""One call from reservation to settlement: reserve, pass on, settle; in this order, whatever happens between."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

from . import log
from .ask import Ask
from .caps import CapReached, Caps
from .config import Agent, Config, Routing
from .ledger import Claim, Heard, Ledger, LedgerUnusable, OnceSpent
from .refusal import Refusal
from .routes import Answer, Price, Route, RouteFailed, Tally
from .writer import Writer

Deliver = Callable[[Answer], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """The route that a call takes, by name, and the one-shot that it spends, if any."""

    name: str
    route: Route
    once: str | None = None


class Calls:
    """Carries calls out against one ledger."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._spent: set[tuple[str, str]] = set()

    async def carry(self, config: Config, agent: Agent, ask: Ask, deliver: Deliver) -> None:
        """Reserve, ask the route, hand its answer to ``deliver``, settle what was used.

        Raises:
            Refusal: nothing was passed on (routes, caps, ledger).
            RouteFailed: the model gave no answer, or broke off.
        """
        if config.routing is None:
            raise Refusal("routes-broken", {"why": config.routing_fault})
        routing, caps = config.routing, config.routing.caps
        way = self._way(routing, agent)
        try:
            reservation = await self._reserve(agent, way, ask, caps)
        except OnceSpent:
            way = self._way(routing, agent)
            reservation = await self._reserve(agent, way, ask, caps)
        tally, began = Tally(), time.monotonic()
        ended, status = "cut", 0
        try:
            answer = await way.route.answer(ask, tally)
            status = answer.status
            await deliver(answer)
            ended = "answered"
        except RouteFailed as failure:
            ended, status = "failed", failure.status
            log.line("route", name=way.name, failed=failure, status=failure.status)
            raise
        finally:
            await self._settle(reservation, tally, Heard(way.name, status))
            spent = round((time.monotonic() - began) * 1000)
            numbers = {"input": tally.input, "output": tally.output, "ms": spent}
            log.line("call", agent=agent.name, route=way.name, **numbers, ended=ended)

    def _way(self, routing: Routing, agent: Agent) -> Way:
        """Choose the one-shot route where there is an unspent one, else the usual route; never one for the other."""
        once = agent.once if agent.once and (agent.name, agent.once.id) not in self._spent else None
        name = once.route if once else agent.route
        if name in routing.broken:
            raise Refusal("route-broken", {"route": name, "why": routing.broken[name]})
        if (route := routing.routes.get(name)) is None:
            raise Refusal("route-missing", {"agent": agent.name, "route": name})
        if once is None:
            return Way(name, route)
        self._spent.add((agent.name, once.id))
        return Way(name, route, once.id)

    async def _reserve(self, agent: Agent, way: Way, ask: Ask, caps: Caps) -> int:
        price = way.route.highest(ask)
        claim = Claim(agent.name, way.name, way.route.model, way.once)
        limits = caps.of(agent.name)

        def work(ledger: Ledger) -> int:
            return ledger.reserve(claim, price, limits)

        future = self._writer.submit(work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._give_back)
            raise
        except CapReached as reached:
            self._unspend(agent, way)
            raise _cap_refusal(agent, reached) from None
        except LedgerUnusable as error:
            self._unspend(agent, way)
            log.line("ledger", state="failing", why=error)
            raise Refusal("ledger-down") from None

    def _unspend(self, agent: Agent, way: Way) -> None:
        """Keep a one-shot that was not used, because nothing was reserved for it."""
        if way.once is not None:
            self._spent.discard((agent.name, way.once))

    def _give_back(self, future: "asyncio.Future[int]") -> None:
        """Settle at nothing a reservation whose agent had gone before it was made."""
        if not future.cancelled() and future.exception() is None:
            reservation = future.result()
            self._writer.submit(lambda ledger: ledger.settle(reservation, Price(0, 0), estimated=False))

    async def _settle(self, reservation: int, tally: Tally, heard: Heard) -> None:
        """Settle, in one with what was heard; where the ledger cannot be written the reservation is charged whole."""
        used, estimated = tally.price(), tally.estimated

        def work(ledger: Ledger) -> None:
            ledger.settle(reservation, used, estimated=estimated)
            ledger.hear(heard)

        future = self._writer.submit(work)
        try:
            await asyncio.shield(future)
        except LedgerUnusable as error:
            log.line("ledger", state="failing", left="reserved", why=error)


def _cap_refusal(agent: Agent, reached: CapReached) -> Refusal:
    cap = reached.cap
    key = f"cap-{'machine' if cap.agent is None else 'agent'}-{cap.period}"
    return Refusal(key, {"agent": agent.name, "cap": cap.tokens, "used": reached.used, "wanted": reached.wanted})
