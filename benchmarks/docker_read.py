"""One read of Docker's API over SSH (direct-streamlocal), against the same read at the local socket.

One line of JSON: medians in milliseconds of interleaved reads on warm connections. Wanted: at most 3 ms more. The
engine is the rack's; the machine is an sshd on loopback. Also how fast an image goes through, in MB/s, with
/images/load included.
Run as root: ``uv run benchmarks/docker_read.py``.
"""

import io
import json
import os
import statistics
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wire_fleet import PORT, fleet

from fleet.machine import hostkey, keys
from fleet.machine.local import LocalPort
from fleet.machine.login import KeyLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from tests.rack import engine

READS = 200
MEGABYTES = 100
PIECE = 1 << 20


def main() -> None:
    engine.ensure()
    with fleet(1) as folder:
        pinned = hostkey.parse((folder / "host.pub").read_text())
        login = KeyLogin(keys.ensure(folder / "key", "bench"))
        where = Target("127.77.1.1", PORT)
        far = SshPort("far", where, login, pinned, docker_socket=str(engine.socket())).docker()
        near = LocalPort(docker_socket=str(engine.socket())).docker()
        told = {"benchmark": "docker_read", "reads": READS}
        for name, read in _READS.items():
            told |= _compared(name, lambda read=read: read(near), lambda read=read: read(far))
        told |= {"at_most_more_ms": 3.0, "load_near_mb_s": _load(near), "load_far_mb_s": _load(far)}
    print(json.dumps(told))


_READS: dict[str, Callable[[Any], object]] = {
    "ping": lambda client: client.ping(),
    "list": lambda client: client.containers(all=True),
    "images": lambda client: client.images(),
}


def _compared(name: str, near: Callable[[], object], far: Callable[[], object]) -> dict[str, float]:
    times: dict[str, list[float]] = {"near": [], "far": []}
    for _ in range(READS):
        for which, read in (("near", near), ("far", far)):
            begun = time.perf_counter()
            read()
            times[which].append((time.perf_counter() - begun) * 1000)
    here, there = (statistics.median(times[which]) for which in ("near", "far"))
    return {
        f"{name}_near_ms": round(here, 2),
        f"{name}_far_ms": round(there, 2),
        f"{name}_more_ms": round(there - here, 2),
        f"{name}_far_p90_ms": round(sorted(times["far"])[int(READS * 0.9)], 2),
    }


def _load(client: Any) -> float:  # noqa: ANN401 - docker-py's own types are partial
    """Send what is no image; the engine reads it all, and says so at the end."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo("filler")
        member.size = MEGABYTES * PIECE
        tar.addfile(member, _Noise(member.size))  # pyright: ignore[reportArgumentType] - it reads like a file
    data = archive.getvalue()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]

    begun = time.perf_counter()
    for _ in client.load_image(pieces()):
        pass
    return round(len(data) / 1e6 / (time.perf_counter() - begun), 1)


class _Noise:
    def __init__(self, size: int) -> None:
        self._left = size
        self._block = os.urandom(PIECE)

    def read(self, size: int) -> bytes:
        taken = self._block[: min(size, self._left, PIECE)]
        self._left -= len(taken)
        return taken


if __name__ == "__main__":
    main()
