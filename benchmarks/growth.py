"""How a controller grows with its fleet: CPU and memory with 10, 100 and 1,000 machines connected.

The machines are light: an sshd each on loopback, which answers a look with what a machine with two agents said.
One line of JSON for each size: CPU seconds of connecting and of one warm look at all of them, and resident memory above
what the same program takes with none. The CPU is this program's alone, not the servers'.
Run as root: ``uv run benchmarks/growth.py [SIZE…]``.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from wire_fleet import fleet

from fleet import observe
from fleet.machine import hostkey, keys
from fleet.machine.login import KeyLogin
from fleet.machine.many import many
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target

HERE = Path(__file__).resolve().parent
SIZES = (10, 100, 1000)
SWEEPS = 3
LOOK = HERE / "look.txt"
KIB, MIB = 1024, 1 << 20


def main() -> None:
    """Print a line for each size; each is measured in a process of its own."""
    if sys.argv[1:2] == ["--within"]:
        print(json.dumps(measured(Path(sys.argv[2]))))
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    for size in [int(word) for word in sys.argv[1:]] or SIZES:
        with fleet(size) as folder:
            within = [sys.executable, __file__, "--within", str(folder)]
            ended = subprocess.run(within, check=True, capture_output=True, text=True, timeout=900)
        print(json.dumps({"benchmark": "growth", "machines": size} | json.loads(ended.stdout)), flush=True)


def measured(folder: Path) -> dict[str, float]:
    """Return the figures of one size."""
    told = json.loads((folder / "fleet.json").read_text())
    pinned = hostkey.parse((folder / "host.pub").read_text())
    login = KeyLogin(keys.ensure(folder / "key", "bench"))
    before = memory()
    ports = [SshPort(address, Target(address, told["port"]), login, pinned) for address in told["addresses"]]
    cold, cold_wall = timed(ports)
    warm = sorted(timed(ports) for _ in range(SWEEPS))[SWEEPS // 2]
    grown = memory() - before
    return {
        "connect_cpu_s": round(cold, 3),
        "connect_wall_s": round(cold_wall, 3),
        "look_cpu_s": round(warm[0], 3),
        "look_wall_s": round(warm[1], 3),
        "look_cpu_ms_each": round(warm[0] / len(ports) * 1000, 2),
        "memory_mib": round(grown / MIB, 1),
        "memory_kib_each": round(grown / len(ports) / KIB, 1),
    }


def timed(ports: list[SshPort]) -> tuple[float, float]:
    """Look at every machine once; return the CPU and the wall-clock seconds."""
    cpu, wall = time.process_time(), time.monotonic()
    seen = many(look, ports)
    took = time.process_time() - cpu, time.monotonic() - wall
    assert all(getattr(there, "agents", None) for there in seen), seen[:3]
    return took


def look(port: SshPort) -> object:
    """Return what the machine says it is."""
    said = port.run(("cat", str(LOOK))).out.decode().splitlines()
    return observe.read((key, value) for key, _, value in (text.partition("=") for text in said))


def memory() -> int:
    """Return the bytes of memory that this process has in use."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


if __name__ == "__main__":
    main()
