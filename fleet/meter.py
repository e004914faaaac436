"""The meter of a machine: what it should be, and how it is placed there."""

import functools
import hashlib
import json
import re
from http import HTTPStatus
from typing import Any

import msgspec

import templates
from fleet.base import formats
from fleet.base.errors import ActionFailed, ClawrackError, Refused
from fleet.base.secret import Secret
from fleet.base.yaml import read
from fleet.kinds import Cage
from fleet.machine import containers
from fleet.machine.guard import Guard, spec
from fleet.machine.http import Response, request
from fleet.machine.port import Port
from fleet.model import PRACTICE
from fleet.providers import Way, shown
from fleet.render import cage_lines
from fleet.site import Site
from templates.meter.meter import VERSION

FIRST_WITH_PROVIDERS = (0, 2)
"""The version of the meter that passes calls on; one before it knows practice alone."""
_CALL_SECONDS = 120.0


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the meter runs: its cage, the words that prove it ready and of its report, and its routes (routes.json)."""

    cage: Cage
    ready: tuple[str, ...]
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


def outdated(ref: str) -> bool:
    """Tell whether our own name of a meter's image is that of another version than the one that we carry."""
    return ref.startswith("clawrack/meter:") and not ref.startswith(f"clawrack/meter:{VERSION}-")


def place_meter(site: Site, image: str) -> bool:
    """Have the meter run from the image; whether anything had to be done.

    The one before takes no new calls, ends those under way within its time, and is proven stopped before the new one
    opens the ledger; calls meanwhile are answered by nobody.

    Raises:
        ActionFailed: the machine said no, or the new one was not ready in its time; the meter before is back.
        Refused: the image is of a meter that does not know the format in which the ledger is.
        Unreachable: the wire was cut.
    """
    name = release(image)
    lines = ["kind=meter", f"image={image}", f"release={name}", *cage_lines(box().cage)]
    lines += [f"ledger={formats.FORMATS['ledger']}"]
    lines += [f"{key}={word}" for key, words in (("ready", box().ready), ("report", box().report)) for word in words]
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


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of a route to a provider, as its machine holds it; the key is told by its fingerprint alone."""

    style: str = msgspec.field(name="kind")
    base: str
    model: str
    title: str = ""
    vendor: str = ""
    region: str = ""
    country: str = ""
    fingerprint: str = ""


class Routes(msgspec.Struct, frozen=True):
    """The routes of a machine by name, and the name of each agent's."""

    routes: dict[str, Route] = {}
    agents: dict[str, str] = {}


def routes(guard: Guard) -> Routes:
    """Return what may be shown of a machine's routes.

    Raises:
        ActionFailed: what it says is not what we wrote.
    """
    said = guard.routes()
    try:
        held = {key[6:]: msgspec.json.decode(value, type=Route) for key, value in said if key.startswith("route.")}
    except (msgspec.MsgspecError, RecursionError) as error:
        name = guard.port.name
        raise ActionFailed("guard.failed", where=name, machine=name, verb="routes", reason="routes") from error
    return Routes(held, {key[6:]: value for key, value in said if key.startswith("agent.")})


def give(site: Site, way: Way, model: str, key: Secret, fingerprint: str) -> bool:
    """Give the meter a route to a provider, with its key; whether anything had to be done. Nothing is restarted.

    Raises:
        ActionFailed: the machine said no.
        Unreachable: the wire was cut.
    """
    rules = [msgspec.to_builtins(rule) for rule in way.provider.errors]
    lines = [_json(shown(way, model, fingerprint)), key.reveal(), _json({"errors": rules} if rules else {})]
    return site.guard.route(site.lease, way.provider.name, "".join(f"{text}\n" for text in lines).encode())


def assign(site: Site, agent: str, route: str) -> bool:
    """Send an agent's calls by this route, or by practice; whether they went another way."""
    return site.guard.assign(site.lease, agent, route or PRACTICE)


def check_passes_calls_on(port: Port) -> None:
    """See that the machine's meter passes calls on to providers.

    Raises:
        Refused: there is no meter, or one that is too old.
        ActionFailed: it does not answer.
    """
    seen = containers.inspect(port, "clawrack-meter")
    if seen is None:
        raise Refused("keys.no_meter", where=port.name, machine=port.name)
    address = str(seen["NetworkSettings"]["Networks"]["clawrack"]["IPAddress"])
    answer = request(port, address, box().cage.port, "GET", "/healthz", timeout=10)
    found = re.search(rb'"version": *"(\d{1,4})\.(\d{1,4})', answer.body)
    if not found or (int(found[1]), int(found[2])) < FIRST_WITH_PROVIDERS:
        raise Refused("keys.old_meter", where=port.name, machine=port.name)


def one_token(port: Port, agent: str, key: str, least: int) -> Response:
    """Make one call of the shortest answer in an agent's name, the way that its calls go; it is counted as the agent's.

    Raises:
        ClawrackError: the meter cannot be reached from its machine.
    """
    body = {"model": "main", "max_tokens": least, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {**_proof(key), "Content-Type": "application/json"}
    return request(
        port, _address(port, agent), box().cage.port, "POST", "/v1/chat/completions",
        headers=headers, body=msgspec.json.encode(body), timeout=_CALL_SECONDS,
    )  # fmt: skip


def _json(value: object) -> str:
    """Return JSON in ASCII on one line."""
    return json.dumps(value, separators=(",", ":"))
