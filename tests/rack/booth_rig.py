"""A booth for tests: a desk as a process of its own, watched while it works, and the secrets that nobody may find."""

import contextlib
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import paramiko

from tests.rack.controller import Controller

Json = dict[str, Any]


class Desk:
    """A running desk; every document that it prints is kept, and told to whoever watches."""

    def __init__(self, booth: Controller, day: Path, bundle: Path, watch: Callable[["Desk", Json], None]) -> None:
        self.process = booth.start("booth", "--answers", str(day), "--bundle", str(bundle), "--json")
        self.told: list[Json] = []
        self.sheet: Json = {}
        self._watch = watch

    def ends(self) -> int:
        """Hear all that it says, and return its exit code."""
        assert self.process.stdout
        for line in self.process.stdout:
            document = json.loads(line)
            self.sheet = document.get("sheet", self.sheet)
            if "ticket" in document:
                self.told.append(document["ticket"])
                self._watch(self, document["ticket"])
        return self.process.wait(60)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def last(self) -> dict[int, Json]:
        """The last that was told of each ticket."""
        return {told["ticket"]: told for told in self.told}

    def family(self) -> list[int]:
        """The process and its children."""
        return [self.process.pid, *children(self.process.pid)]


def children(parent: int) -> list[int]:
    """The processes that a process started, by the number of their parent."""
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


class Sweep:
    """Looks for secrets in the arguments and environments of a desk's processes, again and again, while they live."""

    def __init__(self, desk: Desk, secrets: list[bytes]) -> None:
        self.found: list[str] = []
        self.seen: set[int] = set()
        self._desk = desk
        self._secrets = secrets
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _go(self) -> None:
        while not self._over.wait(0.05):
            for pid in self._desk.family():
                self.seen.add(pid)
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        held = Path(f"/proc/{pid}/{name}").read_bytes()
                        self.found += [f"{pid} {name} {secret!r}" for secret in self._secrets if secret in held]


def in_memory(pid: int, secrets: list[bytes]) -> list[bytes]:
    """Those of the secrets that stand in what a process can write to."""
    held: set[bytes] = set()
    with contextlib.suppress(OSError), Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
            if rights.startswith("rw"):
                with contextlib.suppress(OSError, OverflowError, ValueError):
                    memory.seek(int(begin, 16))
                    piece = memory.read(int(end, 16) - int(begin, 16))
                    held |= {secret for secret in secrets if secret in piece}
    return sorted(held)


def on_disk(folders: list[Path], secrets: list[bytes]) -> list[str]:
    """The files that hold a secret, or name one."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [f"{path} {secret!r}" for path in files for secret in secrets if secret in path.read_bytes()]


def opens(address: str, user: str, *, password: str = "", key: Path | None = None) -> bool:
    """Whether sshd lets somebody in."""
    with socket.create_connection((address, 22), 10) as wire, paramiko.Transport(wire) as transport:
        transport.start_client(timeout=10)
        try:
            if key:
                transport.auth_publickey(user, paramiko.Ed25519Key.from_private_key_file(str(key)))
            else:
                transport.auth_password(user, password, fallback=False)
        except (paramiko.AuthenticationException, paramiko.SSHException):
            return False
        return transport.is_authenticated()


def gone(pids: set[int], within: float = 30) -> Iterator[int]:
    """Those of the processes that still live after so long."""
    end = time.monotonic() + within
    while (alive := {pid for pid in pids if _lives(pid)}) and time.monotonic() < end:
        time.sleep(0.1)
    yield from alive


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def typed(booth: Controller, *words: str) -> Any:
    """What a command prints as JSON."""
    return booth.done(*words).document
