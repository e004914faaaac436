"""Docker's settings, /etc/docker/daemon.json: what we need in them, and how it gets in. Pure.

Next to nothing is needed. Log limits, restarts and networks are told to Docker with each container, by the guard;
mirrors of registries are not set, because Docker would then take a mirror's word for what a tag is; `live-restore` is
left to whoever wants it. One thing has to be there before the engine's first start: where the machine's own network is
what Docker takes for its bridge, that network would be cut off in this moment, and us with it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from typing import Any, cast

from fleet.base.clean import line
from fleet.base.errors import BadInput, ClawrackError, Refused
from installer.facts import Facts

PLACE = "/etc/docker/daemon.json"
BRIDGE = IPv4Network("172.17.0.0/16")
"""What Docker takes for its own bridge unless it is told otherwise (docs.docker.com, "Bridge network driver")."""
_WIDE = 12
"""A route wider than this is a default in disguise: a VPN's, not a network that the machine stands in."""
_BRIDGES = tuple(map(IPv4Interface, ("192.168.215.1/24", "10.215.117.1/24", "172.29.215.1/24", "192.168.117.1/24")))
_SET = frozenset({"bip", "bridge", "fixed-cidr", "default-address-pools"})


@dataclass(frozen=True, slots=True)
class Settings:
    """A daemon.json that Docker can read.

    Attributes:
        content: the file's own bytes; None where there is none.
        text: of it.
        values: what it says.
    """

    content: bytes | None
    text: str
    values: Mapping[str, Any]


def read(content: bytes | None, where: str) -> Settings:
    """Return the settings in a file's content; none at all is no mistake.

    Raises:
        BadInput: Docker could not read it; ``where`` becomes ``WHERE:line:column``.
    """
    text = (content or b"").decode("utf-8", errors="replace")
    if not text.strip():
        return Settings(content, text, {})
    try:
        values = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise _mistake(text, error, where) from error
    except _Twice as error:
        raise BadInput("daemon.broken", where=where, reason=f"2 x `{line(str(error), 60)}`") from error
    if not isinstance(values, dict):
        raise BadInput("daemon.broken", where=f"{where}:1:1", reason="{ … }?")
    return Settings(content, text, cast("dict[str, Any]", values))


class _Twice(ValueError):
    """A name stands twice: which of the two counts is anybody's guess."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(key)
        found[key] = value
    return found


def _mistake(text: str, error: json.JSONDecodeError, where: str) -> BadInput:
    at = f"{where}:{error.lineno}:{error.colno}"
    if text[error.pos :].lstrip(", \t\n").startswith(("//", "#", "/*")):
        return BadInput("daemon.comments", where=at)
    return BadInput("daemon.broken", where=at, reason=line(error.msg))


def against(settings: Settings, where: str) -> ClawrackError | None:
    """Return why agents cannot run on an engine that is set so; None where they can."""
    if settings.values.get("userns-remap"):
        return Refused("preflight.userns", where=where, value=line(str(settings.values["userns-remap"]), 60))
    if settings.values.get("iptables") is False:
        return Refused("daemon.no_firewall", where=where)
    return None


def needed(facts: Facts, settings: Settings) -> dict[str, str]:
    """Return the keys that have to be added; on a machine that has an engine, none: it runs as somebody set it."""
    if facts.get("docker.info") or facts.tool("docker") or facts.tool("dockerd") or _SET & settings.values.keys():
        return {}
    routes = tuple(networks(facts))
    if not any(route.overlaps(BRIDGE) for route in routes):
        return {}
    free = (one for one in _BRIDGES if not any(route.overlaps(one.network) for route in routes))
    return {"bip": str(found)} if (found := next(free, None)) else {}


def networks(facts: Facts) -> Iterator[IPv4Network]:
    """Yield the networks that the machine has a route to, but for the widest."""
    for word in (facts.get("routes") or facts.get("ip4")).split():
        try:
            found = IPv4Network(word, strict=False)
        except ValueError:
            continue
        if found.prefixlen > _WIDE:
            yield found


def merged(settings: Settings, keys: Mapping[str, str]) -> str:
    """Return the file with the keys in it, and every other byte as it was; none of them may be in it already."""
    rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in keys.items()]
    if not settings.text.strip():
        return "{\n" + ",\n".join(rows) + "\n}\n"
    head, brace, rest = settings.text.partition("{")
    end = "," if settings.values else "\n"
    return "".join((head, brace, "\n", ",\n".join(rows), end, rest))
