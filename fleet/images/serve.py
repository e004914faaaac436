"""A registry on this computer that nobody but us reaches: read-only, on a socket in a folder of ours.

It is Debian's `docker-registry`; ours are only the folder that it reads and the socket that it listens on. It begins
with the first machine that is served and ends with the last, or with us, however we end.
"""

import contextlib
import fcntl
import json
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

from fleet.base.errors import ActionFailed
from fleet.images.cache import Cache
from fleet.images.lan_shelf import Shelf

PART = "part-serve-"
"""A name that `Cache.prune` leaves alone while it is in use, and takes away afterwards."""
_READY = 20.0  # seconds
_LOOK = 0.02
# Ends the registry when our end of its input closes, be it that we were killed.
_TIED = ("/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1 & cat >/dev/null; kill "$!"', "sh")


class Served:
    """A registry while it runs.

    Attributes:
        shelf: what it serves.
    """

    def __init__(self, program: Path, shelf: Shelf, run: Path) -> None:
        self.shelf = shelf
        self._socket = run / "socket"
        config = run / "config.yml"
        config.write_text(json.dumps(_config(shelf.folder, self._socket)))
        words = (*_TIED, str(program), "serve", str(config))
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, env={"PATH": "/usr/bin:/bin"})

    def reach(self) -> socket.socket:
        """Connect to it. Raises OSError."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(str(self._socket))
        except OSError:
            sock.close()
            raise
        return sock

    def await_ready(self) -> None:
        """Wait until it answers.

        Raises:
            ActionFailed: it does not.
        """
        end = time.monotonic() + _READY
        while time.monotonic() < end:
            with contextlib.suppress(OSError), self.reach():
                return
            time.sleep(_LOOK)
        raise ActionFailed("image.registry_down")

    def close(self) -> None:
        """End it."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def _config(storage: Path, sock: Path) -> dict[str, object]:
    """Return its configuration (distribution 2.8, docs/configuration.md), JSON being YAML."""
    return {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "maintenance": {"readonly": {"enabled": True}}},
        "http": {"net": "unix", "addr": str(sock), "secret": secrets.token_hex(16)},
    }


class House:
    """The registry of this process: one for all machines that are served at a time. Threads share it.

    Args:
        cache: of the images that it serves.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._guests = 0
        self._held = contextlib.ExitStack()
        self._served: Served | None = None

    @contextlib.contextmanager
    def open(self, program: Path) -> Generator[Served]:
        """Have it run for as long as the block lasts.

        Raises:
            ActionFailed: it does not begin to answer.
            OSError: it cannot be started, or the disk is full.
        """
        served = self._come(program)
        try:
            yield served
        finally:
            self._go()

    def _come(self, program: Path) -> Served:
        with self._lock:
            if self._served is None:
                with contextlib.ExitStack() as held:
                    self._served = held.enter_context(_running(program, self._cache))
                    self._held = held.pop_all()
            self._guests += 1
            return self._served

    def _go(self) -> None:
        with self._lock:
            self._guests -= 1
            if not self._guests:
                self._served = None
                self._held.close()


@contextlib.contextmanager
def _running(program: Path, cache: Cache) -> Generator[Served]:
    with _folder(cache) as folder, tempfile.TemporaryDirectory(prefix="clawrack-") as run:  # a socket's path is short
        served = Served(program, Shelf(folder), Path(run))
        try:
            served.await_ready()
            yield served
        finally:
            served.close()


@contextlib.contextmanager
def _folder(cache: Cache) -> Generator[Path]:
    """Give a folder beside the images, so that they can be linked into it; sweep what killed runs left."""
    cache.home.mkdir(parents=True, exist_ok=True)
    with (cache.home / "lock-serving").open("wb") as lock:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for old in cache.home.glob(f"{PART}*"):
                shutil.rmtree(old, ignore_errors=True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        folder = Path(tempfile.mkdtemp(prefix=PART, dir=cache.home))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
