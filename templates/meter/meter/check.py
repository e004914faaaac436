"""What is wrong with a configuration's folder, before a meter is given it."""

from collections.abc import Iterator
from pathlib import Path

from .config import Agent, Config
from .routes import Kinds
from .watch import Watch


def problems(folder: Path, kinds: Kinds) -> list[str]:
    """Return one line per problem, none where everything in the folder can be used."""
    config = Watch(folder, kinds).current()
    return [*_broken(config), *_astray(config), *_shared_keys(config)]


def _broken(config: Config) -> Iterator[str]:
    if config.routing is None:
        yield f"routes.json: {config.routing_fault}"
    else:
        for name, why in sorted(config.routing.broken.items()):
            yield f"routes/{name}.route: {why}"
    for name, why in sorted(config.broken.items()):
        yield f"agents/{name}.json: {why}"


def _astray(config: Config) -> Iterator[str]:
    if config.routing is None:
        return
    for agent in config.agents.values():
        wanted = {agent.route, agent.once.route if agent.once else agent.route}
        for route in sorted(wanted - config.routing.routes.keys() - config.routing.broken.keys()):
            yield f"agents/{agent.name}.json: there is no route {route!r}"
    for name in sorted(config.routing.caps.agents.keys() - config.agents.keys() - config.broken.keys()):
        yield f"routes.json: caps.agents.{name}: there is no such agent"


def _shared_keys(config: Config) -> Iterator[str]:
    holders: dict[str, Agent] = {}
    for agent in config.agents.values():
        other = holders.setdefault(agent.key_sha256, agent)
        if other is not agent:
            yield f"agents/{agent.name}.json: the same key as agents/{other.name}.json"
