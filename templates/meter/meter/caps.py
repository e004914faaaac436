"""How much an agent, or the whole machine, may use in a day or a month; read from routes.json, pure."""

import dataclasses
from collections.abc import Mapping
from typing import Literal, cast

MOST = 10**15


@dataclasses.dataclass(frozen=True, slots=True)
class Cap:
    """At most ``tokens`` in each period; for one agent, or, where ``agent`` is None, for all of the machine's."""

    agent: str | None
    period: Literal["day", "month"]
    tokens: int


@dataclasses.dataclass(eq=False)
class CapReached(Exception):
    """A call could pass a cap: ``used`` counts what is settled and what is reserved, in tokens."""

    cap: Cap
    used: int
    wanted: int


@dataclasses.dataclass(frozen=True, slots=True)
class Caps:
    """All caps of a machine."""

    machine: tuple[Cap, ...] = ()
    agents: Mapping[str, tuple[Cap, ...]] = dataclasses.field(default_factory=dict[str, "tuple[Cap, ...]"])

    def of(self, agent: str) -> tuple[Cap, ...]:
        """Return every cap that a call of this agent must keep."""
        return (*self.agents.get(agent, ()), *self.machine)


def parse_caps(value: object) -> Caps:
    """Read ``{"agents": {NAME: {"tokens_per_day": N, "tokens_per_month": N}}, "machine": {…}}``.

    Raises:
        ValueError: anything else in it; a cap that is misspelt must not be a cap that is missing.
    """
    caps = _mapping(value, "caps", {"agents", "machine"})
    agents = _mapping(caps.get("agents", {}), "caps.agents")
    return Caps(
        machine=_limits(caps.get("machine", {}), "caps.machine", None),
        agents={name: _limits(limits, f"caps.agents.{name}", name) for name, limits in agents.items()},
    )


def _limits(value: object, where: str, agent: str | None) -> tuple[Cap, ...]:
    limits = _mapping(value, where, {"tokens_per_day", "tokens_per_month"})
    return tuple(
        Cap(agent, "day" if key == "tokens_per_day" else "month", _tokens(limit, f"{where}.{key}"))
        for key, limit in limits.items()
    )


def _tokens(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST:
        raise ValueError(f"{where}: not a whole number from 0 to {MOST}")
    return value


def _mapping(value: object, where: str, known: set[str] | None = None) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: not an object")  # noqa: TRY004 (one kind of error for one kind of mistake)
    mapping = cast("dict[str, object]", value)
    if known is not None and (unknown := sorted(mapping.keys() - known)):
        raise ValueError(f"{where}: unknown key {unknown[0]!r}")
    return mapping
