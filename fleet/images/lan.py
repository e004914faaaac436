"""Built images to machines through a registry of ours at the end of each one's own SSH connection.

A machine's engine pulls by digest from a port of its own loopback (which engines take without TLS: dockerd's
documentation, "insecure registries", names 127.0.0.0/8), so that it fetches the layers that it lacks and no others,
whatever store it has, and takes nothing whose digest is another. docs/images-on-a-lan.md tells what passes which wire.
Wherever that does not work the image is sent as before, and it is said why.
"""

import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

import docker

from fleet.base.errors import ActionFailed, ClawrackError, Refused, Unreachable
from fleet.base.event import Listener
from fleet.base.outcome import Done, Outcome, Unknown
from fleet.images import engine, registry, serve_program
from fleet.images.archive import Built
from fleet.images.build import Teller
from fleet.images.cache import Cache
from fleet.images.registry import Pinned
from fleet.images.send import send
from fleet.images.serve import House
from fleet.machine.backward import LOOPBACK, backward
from fleet.machine.port import Port
from fleet.machine.ssh import SshPort

AT_ONCE = 6
"""Machines that are sent something at a time; more would only share the same wire."""
SEVERAL = 2
PATIENCE = 20.0
"""Seconds that a machine waits for the program; without a network apt tries for minutes, and a machine is sent to."""


class _Fetch:
    """The program being fetched, beside all else; nobody waits for it at our end.

    Args:
        cache: beside which it is kept.
    """

    def __init__(self, cache: Cache) -> None:
        self._done = threading.Event()
        self._found: Path | Exception | None = None
        threading.Thread(target=self._run, args=(cache,), name="clawrack-fetch", daemon=True).start()

    def _run(self, cache: Cache) -> None:
        try:
            self._found = serve_program.fetched(cache)
        except (ClawrackError, OSError) as error:
            self._found = error
        self._done.set()

    def program(self, seconds: float) -> Path | None:
        """Return it; None where it is not there in time.

        Raises:
            ClawrackError, OSError: it cannot be had.
        """
        self._done.wait(seconds)
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


class Lan:
    """How built images travel from this computer. Threads share it.

    The registry's program is fetched when a second machine asks for the same image: one machine alone is sent what it
    lacks, which needs no program.

    Args:
        cache: of the images.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._house = House(cache)
        self._turn = threading.BoundedSemaphore(AT_ONCE)
        self._lock = threading.Lock()
        self._asked: dict[str, set[str]] = {}
        self._fetch: _Fetch | None = None

    def carry(self, port: Port, client: docker.APIClient, built: Built, listener: Listener) -> Outcome:
        """Have the image on a machine's engine; returns and raises as `fleet.images.send.send` does."""
        program = self._program(port, built, listener)
        if program and isinstance(port, SshPort) and _lacks(client, built):
            outcome = self._served(port, client, built, (program, listener))
            if outcome:
                return outcome
        return send(client, built, listener, machine=port.name)

    def _program(self, port: Port, built: Built, listener: Listener) -> Path | None:
        """Return the registry's program where it is there, or is worth fetching."""
        with self._lock:
            asked = self._asked.setdefault(built.manifest_id, set())
            asked.add(port.name)
            found = serve_program.there(self._cache)
            if found or len(asked) < SEVERAL:
                return found
            self._fetch = self._fetch or _Fetch(self._cache)
        try:
            return self._fetch.program(PATIENCE)
        except (ClawrackError, OSError) as error:
            _say(port, listener, error)
            return None

    def _served(
        self, port: SshPort, client: docker.APIClient, built: Built, by: tuple[Path, Listener]
    ) -> Outcome | None:
        """Have the engine pull it from here; None, with a word on it, where that does not work."""
        program, listener = by
        try:
            with self._turn, self._house.open(program) as served, backward(port, served.reach) as number:
                repository = served.shelf.add(built)
                pinned = Pinned(f"{LOOPBACK}:{number}/{repository}", built.manifest_id, (built.architecture,))
                _pull(client, built, pinned, (port.name, listener))
        except (Refused, ActionFailed, OSError) as error:
            _say(port, listener, error)
            return None
        except Unreachable as error:
            return Unknown(error.part("what"))
        return Done()


def _lacks(client: docker.APIClient, built: Built) -> bool:
    """Tell whether the image is to be brought: it is not there, and it is one for this engine."""
    return engine.architecture(client) == built.architecture and not engine.held(client, built.ids)


def _pull(client: docker.APIClient, built: Built, pinned: Pinned, told: tuple[str, Listener]) -> None:
    """Pull it, prove that it is this image, and leave it its own name alone.

    Raises:
        ActionFailed: the engine said no, or what came is another image; it has no name then.
        Unreachable: the wire was cut.
    """
    machine, listener = told
    name = registry.pull(client, pinned, listener, machine=machine, step="image.step.share")
    try:
        if name not in built.ids:
            raise ActionFailed("image.wrong_digest", where=machine, image=built.name, reason=name)
        engine.tag(client, name, *registry.split(built.name))
    finally:
        with suppress(Unreachable):
            engine.untag(client, pinned.ref)


def _say(port: Port, listener: Listener, error: Exception) -> None:
    why = error.part("what") if isinstance(error, ClawrackError) else str(error)
    Teller(listener, port.name).say("note", "image.step.not_shared", monotonic(), reason=why)
