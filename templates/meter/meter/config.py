"""What the meter is told: a file per agent, one per provider, and routes.json; replaced by rename, never over HTTP.

A file that cannot be used takes its agent (or its route, or, for routes.json, everybody) out of service with the
reason. It is never passed over, and what stood there before never goes on counting.
"""

import dataclasses
import ipaddress
import json
import re
from collections.abc import Mapping
from typing import cast

from .caps import Caps, parse_caps
from .fields import fields_of, matching
from .routes import Kinds, Route

VERSION = 1
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_ONCE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclasses.dataclass(frozen=True, slots=True)
class Once:
    """A route for exactly one call; another id makes another one-shot."""

    route: str
    id: str


@dataclasses.dataclass(frozen=True, slots=True)
class Agent:
    """One agent's key (its SHA-256 only), the network from which it counts, and where its calls go."""

    name: str
    key_sha256: str
    subnet: Network
    route: str
    once: Once | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Routing:
    """All routes by name, the caps, and why a route that has a file of its own cannot be used."""

    routes: Mapping[str, Route]
    caps: Caps
    broken: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """Everything as it stood at one moment.

    ``broken`` maps an agent whose file cannot be used to the reason; ``known_as`` to what its file said before, by
    which its calls are still recognised, and refused with that reason.
    """

    generation: int
    agents: Mapping[str, Agent]
    broken: Mapping[str, str]
    known_as: Mapping[str, Agent]
    routing: Routing | None
    routing_fault: str


def parse_agent(name: str, content: bytes) -> Agent:
    """Read ``{"key_sha256": hex, "subnet": "10.1.2.0/28", "route": NAME, "once": {"route": NAME, "id": ID}}``.

    Raises:
        ValueError: anything else, with the reason.
    """
    if not _NAME.fullmatch(name):
        raise ValueError("not a name for an agent")
    entry = _object(content, {"key_sha256", "subnet", "route", "once"})
    once = entry.get("once")
    return Agent(
        name=name,
        key_sha256=matching(_SHA256, entry, "key_sha256"),
        subnet=_network(entry.get("subnet")),
        route=matching(_NAME, entry, "route"),
        once=None if once is None else _once(once),
    )


def parse_routing(content: bytes, kinds: Kinds) -> Routing:
    """Read ``{"version": 1, "routes": {NAME: {"kind": KIND, …}}, "caps": {…}}``.

    Raises:
        ValueError: anything else, with the reason.
    """
    entry = _object(content, {"version", "routes", "caps"})
    if entry.get("version") != VERSION:
        raise ValueError(f"version: not {VERSION}, the one that this meter knows")
    routes = entry.get("routes")
    if not isinstance(routes, dict):
        raise ValueError("routes: not an object")  # noqa: TRY004 (one kind of error for one kind of mistake)
    named = cast("dict[str, object]", routes)
    if any(isinstance(route, dict) and "key" in route for route in named.values()):
        raise ValueError("routes: a key has no place in this file")
    return Routing(
        routes={name: _route(name, route, kinds) for name, route in named.items()},
        caps=parse_caps(entry.get("caps", {})),
    )


_ROUTE_LINES = 3


def parse_route(name: str, content: bytes, kinds: Kinds) -> Route:
    """Read a provider's route: what may be shown as JSON, the real key, more JSON (headers, meanings of errors).

    Three lines in one file, so that no key is ever sent to another one's address.

    Raises:
        ValueError: anything else, with the reason, which never quotes the key.
    """
    lines = content.decode("ascii", "replace").split("\n")
    if len(lines) != _ROUTE_LINES + 1 or lines[_ROUTE_LINES]:
        raise ValueError("not three lines")
    shown, more = _object(lines[0].encode(), None), _object(lines[2].encode(), {"headers", "errors"})
    if shown.pop("version", None) != VERSION:
        raise ValueError(f"version: not {VERSION}, the one that this meter knows")
    if "key" in shown:
        raise ValueError("a key stands where everybody looks")
    return _route(name, {**shown, **more, "key": lines[1]}, kinds)


def _route(name: str, value: object, kinds: Kinds) -> Route:
    if not _NAME.fullmatch(name):
        raise ValueError(f"routes: {name!r} is not a name for a route")
    entry = fields_of(value)
    make = kinds.get(str(entry.get("kind")))
    if make is None:
        raise ValueError(f"routes.{name}.kind: this meter knows {', '.join(sorted(kinds))}")
    try:
        return make(entry)
    except ValueError as error:
        raise ValueError(f"routes.{name}: {error}") from error


def _once(value: object) -> Once:
    if not isinstance(value, dict) or cast("dict[str, object]", value).keys() != {"route", "id"}:
        raise ValueError("once: not an object of route and id")
    entry = cast("dict[str, object]", value)
    return Once(matching(_NAME, entry, "route"), matching(_ONCE_ID, entry, "id"))


def _network(value: object) -> Network:
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"subnet: {error}") from error


def _object(content: bytes, known: set[str] | None) -> dict[str, object]:
    try:
        value: object = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 (one kind of error for one kind of mistake)
    entry = cast("dict[str, object]", value)
    if known is not None and (unknown := sorted(entry.keys() - known)):
        raise ValueError(f"unknown key {unknown[0]!r}")
    return entry
