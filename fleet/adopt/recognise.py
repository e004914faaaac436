"""Is it an agent of a kind that we know, and what is to be said of it: pure, from inspect and two files of its own."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal, cast

import msgspec

from fleet.adopt.container import Container, Opened, holds, opened
from fleet.adopt.signs import Signs
from fleet.base.clean import line
from fleet.base.secret import Secret

Supervisor = Literal["compose", "openclaw-fleet", "unraid", "portainer", "engine", "nobody"]
OURS = "clawrack.machine"
_SUPERVISORS: tuple[tuple[str, Supervisor], ...] = (
    ("openclaw.fleet.tenant", "openclaw-fleet"),
    ("com.docker.compose.project", "compose"),
    ("net.unraid.docker.managed", "unraid"),
    ("io.portainer.accesscontrol.teams", "portainer"),
)
_VERSION = re.compile(r"v?(\d+(?:\.\d+){1,3}(?:[-+.][0-9A-Za-z.]+)?)")
_PLAIN = re.compile(r"[^a-z0-9]+")
_MOST = 16  # of what one configuration may name


class KeySeen(msgspec.Struct, frozen=True):
    """Where a provider's key stands; never the key.

    Attributes:
        provider: among ours; empty for one that is none of them.
        where: ``environment``: everybody who may ask the engine reads it; ``configuration``: a file in its state.
        name: of the variable, or of the provider in the configuration.
    """

    provider: str
    where: Literal["environment", "configuration"]
    name: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A container that is an agent, and was not made by us.

    Attributes:
        name: that it would have, or has, as an agent of ours.
        state: the engine's word for it.
        version: of its program; empty where it does not tell.
        inside: where its state is in the container.
        kept: what holds its state: ``bind``, ``volume``, or ``container``: gone with the container.
        source: the folder or the volume.
        ports: of the machine, that lead into it.
        restart: Docker's policy.
        supervisor: who made it and will make it again; ``project``: its name there.
        model: that it says it uses.
        bytes: its state takes; None where nobody could tell.
        free: bytes, where its copy would go.
        watched: whether it stands in imports/.
        taken: whether it was taken over: then it is stopped, and the agent is ours.
    """

    machine: str
    container: str
    id: str
    name: str
    kind: str
    image: str
    image_id: str
    version: str
    state: str
    inside: str
    kept: Literal["bind", "volume", "container"]
    source: str = ""
    ports: tuple[Opened, ...] = ()
    restart: str = "no"
    supervisor: Supervisor = "nobody"
    project: str = ""
    privileged: bool = False
    model: str = ""
    keys: tuple[KeySeen, ...] = ()
    channels: tuple[str, ...] = ()
    bytes: int | None = None
    free: int | None = None
    watched: bool = False
    taken: bool = False


@dataclass(frozen=True)
class Peeked:
    """What was read in it: its configuration, and the file that tells its version; None where there is none."""

    config: Any = None
    version: Any = None


NOTHING = Peeked()


@dataclass(frozen=True)
class Held:
    """A key itself, and whose it is: a name among our providers, or an address."""

    provider: str
    key: Secret = field(repr=False)


def kind_of(container: Container, signs: Mapping[str, Signs]) -> str:
    """Return the kind that a container is of; empty where it is none that we know, or is ours."""
    if OURS in container.labels:
        return ""
    return next((name for name, one in signs.items() if _matches(container, one)), "")


def _matches(container: Container, signs: Signs) -> bool:
    if any(label in container.labels for label in signs.labels):
        return True
    told = set(signs.env) & set(container.environment)
    named = any(fnmatchcase(repository(container.config.image), pattern) for pattern in signs.images)
    words = container.words
    return bool(told or named) and all(any(word in one for one in words) for word in signs.words)


def repository(image: str) -> str:
    """Return an image's name without registry, tag and digest: ``ghcr.io/a/b:1`` is ``a/b``."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    parts = f"{head}{slash}{last.partition(':')[0]}".split("/")
    return "/".join(parts[1:] if len(parts) > 1 and set(".:") & set(parts[0]) else parts)


def state_of(container: Container, signs: Signs) -> str:
    """Return where its state is, inside."""
    told = container.environment.get(signs.state_env, "") if signs.state_env else ""
    return posixpath.normpath(told) if told.startswith("/") else signs.state


def config_of(container: Container, signs: Signs) -> str:
    """Return where its configuration is, inside; empty where its kind has none that we read."""
    told = container.environment.get(signs.config.env, "") if signs.config.env else ""
    if told.startswith("/"):
        return posixpath.normpath(told)
    return posixpath.join(state_of(container, signs), signs.config.file) if signs.config.file else ""


def recognised(machine: str, container: Container, kind: str, signs: Signs, peeked: Peeked = NOTHING) -> Found:
    """Return what is to be said of a container that is of a kind."""
    inside = state_of(container, signs)
    mount = holds(container, inside)
    label, supervisor = supervised(container)
    return Found(
        machine=machine,
        container=line(container.name.lstrip("/"), 128),
        id=container.id,
        name=suggested(container),
        kind=kind,
        image=line(container.config.image, 300),
        image_id=container.image,
        version=version_of(container, signs, peeked.version),
        state=line(container.state.status, 20),
        inside=inside,
        kept="container" if mount is None else "volume" if mount.type == "volume" else "bind",
        source="" if mount is None else line(mount.name or mount.source, 300),
        ports=opened(container),
        restart=line(container.host.restart_policy.name, 20) or "no",
        supervisor=supervisor,
        project=line(container.labels.get(label, ""), 100),
        privileged=container.host.privileged,
        model=_text(at(peeked.config, signs.config.model)),
        keys=tuple(_keys(container, signs, peeked.config)),
        channels=tuple(channels(container, signs, peeked.config)),
    )


def supervised(container: Container) -> tuple[str, Supervisor]:
    """Return who made it and will make it again, and the label that says so."""
    for label, who in _SUPERVISORS:
        if label in container.labels:
            return label, who
    return "", "engine" if container.host.restart_policy.name not in {"", "no"} else "nobody"


def suggested(container: Container) -> str:
    """Return a name for it as an agent: the cell's, else its own in plain letters."""
    told = container.labels.get("openclaw.fleet.tenant") or container.name.lstrip("/")
    return _PLAIN.sub("-", told.lower()).strip("-")[:40].strip("-") or "imported"


def version_of(container: Container, signs: Signs, told: Any) -> str:  # noqa: ANN401 - somebody's JSON
    """Return its program's version, by what it says itself, then by its labels and its image's tag."""
    label = container.labels.get("org.opencontainers.image.version", "")
    tag = container.config.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    env = container.environment.get(signs.version.env, "") if signs.version.env else ""
    for text in (_text(at(told, signs.version.key)), env, label, tag):
        found = _VERSION.fullmatch(text)
        if found:
            return found[1]
        if text == env and env.isdigit():
            return env
    return ""


def channels(container: Container, signs: Signs, config: Any) -> Iterator[str]:  # noqa: ANN401 - somebody's JSON
    """Yield the messengers that it speaks through, by its configuration and its environment."""
    named = [name for name, one in _objects(at(config, signs.config.channels)) if one.get("enabled") is not False]
    named += [name for variable, name in signs.channels.items() if container.environment.get(variable)]
    yield from list(dict.fromkeys(named))[:_MOST]


def _keys(container: Container, signs: Signs, config: Any) -> Iterator[KeySeen]:  # noqa: ANN401 - somebody's JSON
    for variable, provider in signs.keys.items():
        if container.environment.get(variable):
            yield KeySeen(provider, "environment", variable)
    for name, one in _objects(at(config, signs.config.providers)):
        if isinstance(one.get(signs.config.key), str):
            yield KeySeen(name if name in signs.keys.values() else "", "configuration", name)


def _objects(value: object) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects in an object, by name."""
    rows = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    named = [(line(str(name), 40), cast("dict[str, Any]", one)) for name, one in rows.items() if isinstance(one, dict)]
    return named[:_MOST]


def held_keys(container: Container, signs: Signs, config: Any) -> list[Held]:  # noqa: ANN401 - somebody's JSON
    """Return the keys that it holds, those of its environment first; only where the person said that we may."""
    known = container.environment
    found = [Held(provider, Secret(known[name])) for name, provider in signs.keys.items() if known.get(name)]
    for name, one in _objects(at(config, signs.config.providers)):
        key, base = one.get(signs.config.key), one.get(signs.config.base)
        whose = name if name in signs.keys.values() else base
        if isinstance(key, str) and key and not key.startswith("$") and isinstance(whose, str):
            found.append(Held(whose, Secret(key)))
    return found


def at(value: Any, path: str) -> Any:  # noqa: ANN401 - somebody's JSON
    """Return what stands at a dotted path; None where nothing does, or the path is empty."""
    for part in path.split(".") if path else ():
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, Any]", value).get(part)
    return value if path else None


def _text(value: object) -> str:
    return line(value, 200) if isinstance(value, str) else ""
