"""The meter's life: lock the ledger, open it, serve, drain, close."""

import asyncio
import os
import signal
import sys

from aiohttp import web

from . import VERSION, log
from .app import Meter
from .clock import WallClock
from .gate import IDLE_SECONDS, Gate
from .kinds import KINDS, UPSTREAM
from .ledger import Ledger, LedgerNewer, LedgerUnusable
from .lock import LedgerHeld, hold
from .routes import Kinds
from .settings import Settings
from .watch import Watch
from .writer import Writer

EXIT_UNUSABLE = 74
EXIT_HELD = 75
EXIT_NEWER = 78


def run(settings: Settings, kinds: Kinds = KINDS) -> int:
    """Serve until SIGTERM or SIGINT and return the exit code.

    0: drained and closed. 74: the ledger cannot be used. 75: another meter has it (try again later). 78: it was
    written by a newer meter (trying again is of no use).
    """
    try:
        lock = hold(settings.ledger)
    except LedgerHeld as held:
        return _gave_up(held, EXIT_HELD)
    except OSError as error:
        return _gave_up(error, EXIT_UNUSABLE)
    try:
        ledger = Ledger(settings.ledger, WallClock())
    except LedgerNewer as newer:
        return _gave_up(newer, EXIT_NEWER)
    except LedgerUnusable as unusable:
        return _gave_up(unusable, EXIT_UNUSABLE)
    try:
        return asyncio.run(_serve(settings, ledger, kinds))
    finally:
        os.close(lock)


async def _serve(settings: Settings, ledger: Ledger, kinds: Kinds) -> int:
    _say_how_the_ledger_is(ledger)
    writer = Writer(ledger)
    meter = Meter(Watch(settings.config, kinds), writer)
    gate = Gate()
    runner = web.AppRunner(
        gate.guard(meter.application()),
        access_log=None,
        handle_signals=False,
        auto_decompress=False,
        keepalive_timeout=IDLE_SECONDS - 5,
    )
    stop = _stop_on_signals()
    try:
        await runner.setup()
        address = await gate.open(runner, settings.host, settings.port)
        log.line("serving", version=VERSION, address="{}:{}".format(*address))
        await stop.wait()
        log.line("draining", in_flight=len(meter.flights))
        late = await meter.drain(settings.drain_seconds)
        log.line("drained", cut=late)
    finally:
        await gate.close(runner)
        await runner.cleanup()
        await UPSTREAM.close()
        await writer.close()
    log.line("closed", commits=writer.commits, jobs=writer.jobs)
    return 0


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _say_how_the_ledger_is(ledger: Ledger) -> None:
    log.line("ledger", day=ledger.day(), charged_as_reserved=ledger.left_open)
    if ledger.clock_is_behind():
        log.line("clock", behind="yes", counts_into=ledger.day())


def _gave_up(error: Exception, code: int) -> int:
    print(f"meter: {error}", file=sys.stderr)
    return code
