"""The configuration's folder, looked at before every call: a few stats, and reading only what has changed."""

from collections.abc import Iterator
from pathlib import Path

from .config import Agent, Config, Routing, parse_agent, parse_route, parse_routing
from .routes import Kinds, Route

_MOST_BYTES = 1 << 20
_Identity = tuple[int, int, int, int]


class Watch:
    """Gives the configuration as it stands now.

    A file is known by inode, size and both times, so a replacement by rename is noticed even within one tick of the
    file system's clock.
    """

    def __init__(self, folder: Path, kinds: Kinds) -> None:
        self._folder = folder
        self._kinds = kinds
        self._seen: dict[str, _Identity] | None = None
        self._config = Config(0, {}, {}, {}, None, "not read yet")

    def current(self) -> Config:
        """Return the configuration, read again where anything in its folder has changed. Never raises."""
        seen = dict(self._look())
        if seen != self._seen:
            self._config = self._read(seen)
            self._seen = seen
        return self._config

    def _look(self) -> Iterator[tuple[str, _Identity]]:
        """Yield what is there: ``routes.json``, ``agents/NAME.json`` and ``routes/NAME.route``."""
        yield from _identity("routes.json", self._folder / "routes.json")
        for part, form in (("agents", "[!.]*.json"), ("routes", "[!.]*.route")):
            try:
                files = sorted((self._folder / part).glob(form))
            except OSError:
                continue
            for file in files:
                yield from _identity(f"{part}/{file.name}", file)

    def _read(self, seen: dict[str, _Identity]) -> Config:
        agents: dict[str, Agent] = {}
        broken: dict[str, str] = {}
        for file in (file for file in seen if file.startswith("agents/")):
            name = file.removeprefix("agents/").removesuffix(".json")
            try:
                agents[name] = parse_agent(name, self._content(file))
            except (ValueError, OSError) as error:
                broken[name] = _reason(error)
        before = {**self._config.known_as, **self._config.agents}
        known_as = {name: before[name] for name in broken if name in before}
        try:
            routing, fault = self._with_providers(parse_routing(self._content("routes.json"), self._kinds), seen), ""
        except (ValueError, OSError) as error:
            routing, fault = None, _reason(error)
        return Config(self._config.generation + 1, agents, broken, known_as, routing, fault)

    def _with_providers(self, routing: Routing, seen: dict[str, _Identity]) -> Routing:
        """Return the routes with those that have a file of their own; one that is broken breaks nothing else."""
        routes: dict[str, Route] = dict(routing.routes)
        broken: dict[str, str] = {}
        for file in (file for file in seen if file.startswith("routes/")):
            name = file.removeprefix("routes/").removesuffix(".route")
            try:
                if name in routing.routes:
                    raise ValueError("routes.json has a route of that name")  # noqa: TRY301 (one way out for all)
                routes[name] = parse_route(name, self._content(file), self._kinds)
            except (ValueError, OSError) as error:
                routes.pop(name, None)
                broken[name] = _reason(error)
        return Routing(routes, routing.caps, broken)

    def _content(self, file: str) -> bytes:
        with (self._folder / file).open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError("too large")
        return content


def _identity(name: str, file: Path) -> Iterator[tuple[str, _Identity]]:
    try:
        found = file.stat()
    except OSError:
        return
    yield name, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _reason(error: ValueError | OSError) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else str(error)
