"""One engine, one run: connect to every server of the fleet and run one command, then the same again, warm."""

import asyncio
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

from fleet.machine import hostkey, keys
from fleet.machine.login import KeyLogin
from fleet.machine.many import many
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target

AT_ONCE = 64
# From the dependency group "bench": clawrack itself does not use it.
asyncssh: Any = importlib.import_module("asyncssh")
WARM = 5
WORDS = ("echo", "ok")


def ours(fleet: dict[str, Any]) -> dict[str, float]:
    """Measure clawrack's SSH class."""
    folder = Path(fleet["folder"])
    pinned = hostkey.parse((folder / "host.pub").read_text())
    login = KeyLogin(keys.ensure(folder / "key", "bench"))
    ports = [SshPort(address, Target(address, fleet["port"]), login, pinned) for address in fleet["addresses"]]

    def sweep() -> float:
        begun = time.monotonic()
        ran = many(lambda port: port.run(WORDS), ports, at_once=AT_ONCE)
        took = time.monotonic() - begun
        assert all(getattr(each, "out", b"") == b"ok\n" for each in ran), ran
        return took

    cold = sweep()
    warm = min(sweep() for _ in range(WARM))
    return {"cold": cold, "warm": warm}


def theirs(fleet: dict[str, Any]) -> dict[str, float]:
    """Measure asyncssh, with as little work as it can be told to do."""
    return asyncio.run(_theirs(fleet))


async def _theirs(fleet: dict[str, Any]) -> dict[str, float]:
    folder = fleet["folder"]
    limit = asyncio.Semaphore(AT_ONCE)
    options: dict[str, Any] = {
        "username": "root",
        "client_keys": [asyncssh.read_private_key(f"{folder}/key")],
        "known_hosts": asyncssh.read_known_hosts(f"{folder}/known_hosts"),
        "agent_path": None,
        "config": None,
        "kex_algs": ["curve25519-sha256"],
        "encryption_algs": ["aes128-gcm@openssh.com"],
        "compression_algs": None,
    }
    open_ones: dict[str, Any] = {}

    async def one(address: str) -> None:
        async with limit:
            if address not in open_ones:
                open_ones[address] = await asyncssh.connect(address, fleet["port"], **options)
            ended = await open_ones[address].run("echo ok")
            assert ended.stdout == "ok\n", ended

    async def sweep() -> float:
        begun = time.monotonic()
        await asyncio.gather(*(one(address) for address in fleet["addresses"]))
        return time.monotonic() - begun

    cold = await sweep()
    warm = min([await sweep() for _ in range(WARM)])
    for connection in open_ones.values():
        connection.abort()
    return {"cold": cold, "warm": warm}


if __name__ == "__main__":
    described = json.loads(Path(sys.argv[2]).read_text())
    print(json.dumps({"ours": ours, "asyncssh": theirs}[sys.argv[1]](described)))
