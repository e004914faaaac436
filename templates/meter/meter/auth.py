"""Whose call it is: a key counts only together with the network that it belongs to."""

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping

from .config import Agent, Config
from .refusal import Refusal


def key_of(headers: Mapping[str, str]) -> str:
    """Return the key that a call carries.

    Raises:
        Refusal: ``key-missing``.
    """
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    if not key:
        raise Refusal("key-missing")
    return key


def identify(config: Config, key: str, peer: str) -> Agent:
    """Return the agent whose key this is, asked from its own network.

    Raises:
        Refusal: ``key-unknown``, ``key-unread``, ``key-elsewhere``, ``agent-broken``.
    """
    digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
    holders = [*_holders(config.agents.values(), digest), *_holders(config.known_as.values(), digest)]
    if not holders:
        raise Refusal("key-unread" if config.broken.keys() - config.known_as.keys() else "key-unknown")
    address = ipaddress.ip_address(peer)
    agent = next((holder for holder in holders if address in holder.subnet), None)
    if agent is None:
        raise Refusal("key-elsewhere", {"peer": peer})
    if agent.name in config.broken:
        raise Refusal("agent-broken", {"agent": agent.name, "why": config.broken[agent.name]})
    return agent


def _holders(agents: Iterable[Agent], digest: str) -> list[Agent]:
    return [agent for agent in agents if hmac.compare_digest(agent.key_sha256, digest)]
