"""A container as its engine's `inspect` tells it: what a take-over needs to know, and nothing of it trusted."""

from typing import Any

import msgspec

WORLD = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what is told of, not bound
"""How an engine writes that everybody who reaches the machine reaches the port."""


class _Config(msgspec.Struct, frozen=True, rename="pascal"):
    image: str = ""
    env: list[str] | None = None
    labels: dict[str, str] | None = None


class _Policy(msgspec.Struct, frozen=True, rename="pascal"):
    name: str = ""
    maximum_retry_count: int = 0


class _Bound(msgspec.Struct, frozen=True, rename="pascal"):
    host_ip: str = ""
    host_port: str = ""


class _Host(msgspec.Struct, frozen=True, rename="pascal"):
    restart_policy: _Policy = _Policy()
    network_mode: str = ""
    privileged: bool = False
    port_bindings: dict[str, list[_Bound] | None] | None = None


class Mount(msgspec.Struct, frozen=True, rename="pascal"):
    """Something of the machine's that is mounted in it."""

    type: str = ""
    name: str = ""
    source: str = ""
    destination: str = ""


class _State(msgspec.Struct, frozen=True, rename="pascal"):
    status: str = ""
    started_at: str = ""


class Container(msgspec.Struct, frozen=True, rename="pascal"):
    """One container."""

    id: str
    name: str = ""
    image: str = ""
    path: str = ""
    args: list[str] | None = None
    config: _Config = _Config()
    host: _Host = msgspec.field(default=_Host(), name="HostConfig")
    mounts: list[Mount] | None = None
    state: _State = _State()

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return self.config.labels or {}

    @property
    def words(self) -> tuple[str, ...]:
        """The command that runs in it."""
        return (self.path, *(self.args or ()))

    @property
    def environment(self) -> dict[str, str]:
        """Its environment; a variable's value may be a secret."""
        found = (word.partition("=") for word in self.config.env or ())
        return {name: value for name, sign, value in found if sign}


class Opened(msgspec.Struct, frozen=True):
    """A port of the machine that leads into it.

    Attributes:
        at: the address; empty for all of them.
        port: of the machine.
        inside: of the container.
        world: whether everybody who reaches the machine may come by it.
    """

    at: str
    port: str
    inside: str
    world: bool


def read(said: Any) -> Container | None:  # noqa: ANN401 - as docker's package returns it
    """Return a container as an engine told it; None where that makes no sense."""
    try:
        return msgspec.convert(said, Container)
    except (msgspec.ValidationError, RecursionError):
        return None


def opened(container: Container) -> tuple[Opened, ...]:
    """Return the ports of the machine that lead into a container, running or not."""
    if container.host.network_mode == "host":
        return (Opened("", "*", "*", world=True),)
    return tuple(
        Opened(bound.host_ip, bound.host_port, inside, bound.host_ip in WORLD)
        for inside, bindings in sorted((container.host.port_bindings or {}).items())
        for bound in bindings or ()
    )


def holds(container: Container, path: str) -> Mount | None:
    """Return the mount that holds a path of the container's; None where it is in its own layer."""
    inside = [m for m in container.mounts or () if m.destination and f"{path}/".startswith(f"{m.destination}/")]
    return max(inside, key=lambda mount: len(mount.destination), default=None)
