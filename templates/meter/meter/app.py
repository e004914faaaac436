"""The meter's four addresses."""

import contextlib
import time

from aiohttp import web

from . import MODEL, VERSION, log
from .ask import Style, parse
from .auth import identify, key_of
from .bodies import Bodies
from .calls import Calls
from .config import Agent
from .exchange import Exchange, refused
from .flights import CallCut, Flight, Flights
from .ledger import LedgerUnusable
from .refusal import Refusal
from .routes import RouteFailed
from .watch import Watch
from .writer import Writer

_PROBE_SECONDS = 10.0


class Meter:
    """What answers: the configuration as it stands, the ledger, and the calls in flight."""

    def __init__(self, watch: Watch, writer: Writer) -> None:
        self.draining = False
        self.flights = Flights(self._wanted)
        self._watch = watch
        self._writer = writer
        self._calls = Calls(writer)
        self._bodies = Bodies()
        self._arriving: set[Exchange] = set()
        self._probed = -_PROBE_SECONDS
        self._clock_behind = False

    def application(self) -> web.Application:
        """Return the addresses as aiohttp serves them."""
        app = web.Application()
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/chat/completions", self.chat_completions)
        app.router.add_post("/v1/messages", self.messages)
        app.router.add_route("*", "/{rest:.*}", self.not_here)
        return app

    async def health(self, _request: web.Request) -> web.Response:
        """Say how the meter is, to anyone: no names, no keys, no numbers of use."""
        config = self._watch.current()
        fault = await self._ledger_fault()
        well = fault is None and not self.draining and config.routing is not None
        state = {
            "ok": well,
            "version": VERSION,
            "state": "draining" if self.draining else "serving",
            "generation": config.generation,
            "ledger": "writable" if fault is None else "unusable",
            "clock": "behind" if self._clock_behind else "right",
            "routes": "usable" if config.routing is not None else "broken",
            "agents": len(config.agents),
            "agents_broken": len(config.broken),
            "in_flight": len(self.flights),
        }
        return web.json_response(state, status=200 if well else 503)

    async def _ledger_fault(self) -> str | None:
        """Try a write where none has succeeded lately; unknown callers must not keep the disk busy."""
        if self._writer.failing is not None or time.monotonic() - self._probed > _PROBE_SECONDS:
            self._probed = time.monotonic()
            with contextlib.suppress(LedgerUnusable):
                self._clock_behind = await self._writer.submit(lambda ledger: ledger.touch())
        return self._writer.failing

    async def models(self, request: web.Request) -> web.StreamResponse:
        """List the one model, in a shape that serves both styles."""
        try:
            identify(self._watch.current(), key_of(request.headers), request.remote or "")
        except Refusal as refusal:
            return refused(refusal, "openai", None)
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "clawrack"}
        anthropic = {"type": "model", "display_name": MODEL, "created_at": "1970-01-01T00:00:00Z"}
        page = {"has_more": False, "first_id": MODEL, "last_id": MODEL}
        return web.json_response({"object": "list", "data": [{**model, **anthropic}], **page})

    async def chat_completions(self, request: web.Request) -> web.StreamResponse:
        """Answer in OpenAI's style."""
        return await self._call(request, "openai")

    async def messages(self, request: web.Request) -> web.StreamResponse:
        """Answer in Anthropic's style."""
        return await self._call(request, "anthropic")

    async def not_here(self, _request: web.Request) -> web.StreamResponse:
        """Say what there is instead."""
        return refused(Refusal("not-here"), "openai", None)

    async def _call(self, request: web.Request, style: Style) -> web.StreamResponse:
        exchange = Exchange(request, style)
        try:
            await self._answer(exchange)
        except Refusal as refusal:
            exchange.refuse(refusal)
        except RouteFailed as failure:
            exchange.refuse(Refusal(failure.key, failure.params))
        except (CallCut, ConnectionError):
            exchange.abort()
        except Exception as mistake:  # noqa: BLE001 (one call's mistake must not be the end of the others)
            log.mistake(mistake)
            exchange.refuse(Refusal("bug"))
        return exchange.response

    async def _answer(self, exchange: Exchange) -> None:
        if self.draining:
            raise Refusal("draining")
        config, request = self._watch.current(), exchange.request
        agent = identify(config, key_of(request.headers), request.remote or "")
        exchange.agent = agent.name
        body = await self._read(exchange, agent)
        try:
            if self.draining:
                raise Refusal("draining")
            ask = parse(exchange.style, body)
            exchange.language = ask.language
            work = self._calls.carry(config, agent, ask, exchange.deliver)
            await self.flights.fly(Flight(agent, exchange.alive), work)
        finally:
            self._bodies.release(agent.name, body)

    async def _read(self, exchange: Exchange, agent: Agent) -> bytes:
        self._arriving.add(exchange)
        try:
            return await self._bodies.read(exchange.request, agent.name)
        finally:
            self._arriving.discard(exchange)

    async def drain(self, seconds: float) -> int:
        """Take no new calls, finish those in flight within so many seconds, and return how many were cut then."""
        self.draining = True
        late = await self.flights.drain(seconds)
        for exchange in list(self._arriving):
            exchange.abort()
        return late

    def _wanted(self, agent: Agent) -> bool:
        """Tell whether an agent's key still stands; a file that is merely broken does not cut what is in flight."""
        config = self._watch.current()
        now = config.agents.get(agent.name) or config.known_as.get(agent.name)
        return now is not None and now.key_sha256 == agent.key_sha256
