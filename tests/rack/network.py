"""The rack's network: one bridge with a subnet that collides with nothing here, and the addresses on it."""

import ipaddress
import json
import shutil
import subprocess
from contextlib import suppress
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from tests.rack.places import home, locked, tag

NAME = "clawrack-rack"
CANDIDATES = ["10.91.0.0/22", "10.117.4.0/22", "172.29.64.0/22", "10.201.40.0/22", "192.168.212.0/22"]


def bridge() -> str:
    """The bridge's name on this box."""
    return f"crk{tag()}"


def ensure(api: docker.DockerClient) -> ipaddress.IPv4Network:
    """Make the network and its firewall rules unless they are there; its subnet."""
    with locked("network"):
        try:
            found = api.networks.get(NAME)
        except NotFound:
            found = _create(api)
        subnet = ipaddress.IPv4Network(found.attrs["IPAM"]["Config"][0]["Subnet"])
        _allow(subnet)
    return subnet


def gateway(subnet: ipaddress.IPv4Network) -> str:
    """The box's own address on the rack's network."""
    return str(subnet.network_address + 1)


def take_address(api: docker.DockerClient, subnet: ipaddress.IPv4Network) -> str:
    """An address that no machine has; asked for explicitly, it stays a machine's own over a power cut."""
    with locked("addresses"):
        file = home() / "addresses"
        last = int(file.read_text()) if file.exists() else 0
        span = subnet.num_addresses - 12  # .0 and the broadcast, the box, and a few for servers
        taken = _taken(api)
        for step in range(1, span):
            at = (last + step) % span
            address = str(subnet.network_address + 10 + at)
            if address not in taken:
                file.write_text(str(at))
                return address
    raise RuntimeError(f"no address is free on {subnet}")


def _taken(api: docker.DockerClient) -> set[str]:
    low: Any = api.api
    found: list[dict[str, dict[str, str]]] = low.containers(all=True, filters={"label": "clawrack.rack.address"})
    return {container["Labels"]["clawrack.rack.address"] for container in found}


def _create(api: docker.DockerClient) -> Network:
    for subnet in _free_subnets():
        pool = IPAMPool(subnet=str(subnet), gateway=gateway(subnet))
        options = {"com.docker.network.bridge.name": bridge()}
        with suppress(APIError):  # taken after all: the next
            return api.networks.create(NAME, driver="bridge", options=options, ipam=IPAMConfig(pool_configs=[pool]))
    raise RuntimeError("every subnet that the rack could use is routed elsewhere already")


def _free_subnets() -> list[ipaddress.IPv4Network]:
    out = subprocess.run(["ip", "-j", "route", "show", "table", "all"], capture_output=True, check=True).stdout
    routes = {str(row["dst"]) for row in json.loads(out) if row.get("dst", "default") != "default"}
    used = [net for net in map(_network, routes) if net is not None]
    wanted = map(ipaddress.IPv4Network, CANDIDATES)
    return [net for net in wanted if not any(net.overlaps(other) for other in used)]


def _network(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None  # IPv6


def _allow(subnet: ipaddress.IPv4Network) -> None:
    """Let machines out, as a home router does. Two rules say forward, one says masquerade; each carries our comment."""
    iptables = shutil.which("iptables", path="/usr/sbin:/sbin:/usr/bin:/bin") or "iptables"
    note = ["-m", "comment", "--comment", "clawrack-tests"]
    for table, rule in (
        ("filter", ["FORWARD", "-i", bridge(), *note, "-j", "ACCEPT"]),
        ("filter", ["FORWARD", "-o", bridge(), *note, "-j", "ACCEPT"]),
        ("nat", ["POSTROUTING", "-s", str(subnet), "!", "-d", str(subnet), *note, "-j", "MASQUERADE"]),
    ):
        there = subprocess.run([iptables, "-w", "-t", table, "-C", *rule], capture_output=True, check=False)
        if there.returncode != 0:
            subprocess.run([iptables, "-w", "-t", table, "-I", *rule], check=True)
