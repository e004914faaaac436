"""A neighbour on the rack's network: what somebody else in the same building sees of a machine."""

import json
import secrets
import subprocess
import sys
from pathlib import Path

from tests.rack import engine, hull, image, network, recipe
from tests.rack.machine import Box, owner

SCANNER = Path(__file__).with_name("scan.py")


class Neighbour(Box):
    """A namespace on the rack's network with a shell and `ip`; nothing runs in it. Up in well under a second."""

    def __init__(self) -> None:
        api = engine.client()
        subnet = network.ensure(api)
        name = f"neighbour-{secrets.token_hex(3)}"
        address = network.take_address(api, subnet)
        wiring = hull.Wiring(network.NAME, address, labels=(("clawrack.rack.owner", owner()),))
        config = hull.bystander(image.ensure(api, recipe.usual()), name, wiring)
        super().__init__(api, hull.create(api, config, name), address)
        self.container.start()

    def route(self, subnet: str, via: Box) -> None:
        """Send what is for `subnet` (CIDR) to a machine, as somebody would who wants to reach its containers."""
        self.run("ip", "route", "replace", subnet, "via", via.address)

    def hears(self, address: str, port: int, within: float = 2.0) -> bytes:
        """The first four bytes that a server says to whoever connects from here; empty where nobody speaks.

        A connection alone proves little: a transparent proxy on the way out takes any.
        """
        script = f"exec 3<>/dev/tcp/{address}/{port} && head -c 4 <&3"
        return self.run("timeout", f"{within:g}", "bash", "-c", script, check=False).out

    def open_ports(self, address: str, ports: str = "1-65535", timeout: float = 1.0) -> list[int]:
        """The TCP ports of `address` that take a connection from here; all 65535 take a few seconds."""
        words = [sys.executable, str(SCANNER), address, ports, str(timeout)]
        inside = ["nsenter", "-t", str(self.pid), "-n", "--", *words]
        return json.loads(subprocess.run(inside, capture_output=True, check=True, timeout=180).stdout)
