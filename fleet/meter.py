"""The meter of a machine: what it should be, and how it is placed there."""

import functools
import hashlib
from http import HTTPStatus
from typing import Any

import msgspec

import templates
from fleet.base.errors import ClawrackError
from fleet.base.yaml import read
from fleet.kinds import Cage
from fleet.machine import containers
from fleet.machine.guard import spec
from fleet.machine.http import request
from fleet.machine.port import Port
from fleet.render import cage_lines
from fleet.site import Site


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the meter runs: its cage, the words of its report, and its routes (routes.json)."""

    cage: Cage
    report: tuple[str, ...]
    routes: dict[str, Any]


@functools.cache
def box() -> Box:
    """Return how the meter runs on every machine."""
    return read(templates.path("meter", "box.yaml"), Box)


def release(image: str) -> str:
    """Return the name of the release that this image makes of the meter: 16 hexadecimal digits."""
    whole = msgspec.json.encode((image, box()), order="deterministic")
    return hashlib.sha256(whole).hexdigest()[:16]


def place_meter(site: Site, image: str) -> bool:
    """Have the meter run from the image; whether anything had to be done.

    Raises:
        ActionFailed: the machine said no; the meter before is back.
        Unreachable: the wire was cut.
    """
    name = release(image)
    lines = ["kind=meter", f"image={image}", f"release={name}", *cage_lines(box().cage)]
    lines += [f"report={word}" for word in box().report]
    routes = msgspec.json.encode(box().routes, order="deterministic").decode()
    return site.guard.meter(site.lease, name, {"spec": spec(lines), "routes.json": routes})


def complaint(port: Port, agent: str, key: str) -> str:
    """Return why the agent could not use its meter now, as one short line; empty where it could.

    Asked from the machine, which has an address in the agent's own network: the key counts from there. Listing models
    costs nothing and uses nothing.
    """
    try:
        answer = request(
            port, _address(port, agent), box().cage.port, "GET", "/v1/models", headers=_proof(key), timeout=10
        )
    except (ClawrackError, OSError, LookupError) as error:
        return f"meter: {type(error).__name__}"
    return "" if answer.status == HTTPStatus.OK else f"meter: HTTP {answer.status}"


def _proof(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _address(port: Port, agent: str) -> str:
    """Return the meter's address in the agent's network."""
    seen = containers.inspect(port, "clawrack-meter") or {}
    return str(seen["NetworkSettings"]["Networks"][f"clawrack-{agent}"]["IPAddress"])
