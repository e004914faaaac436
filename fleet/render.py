"""From a kind and an agent to its target: pure, the same in, the same out.

Values reach templates through ``tojson`` in a sandboxed Jinja with StrictUndefined: a value can never become structure.
"""

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleet.kinds import Cage, Kind
from fleet.model import Agent, Target

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

METER_URL = "http://meter:8080/v1"


def target(name: str, agent: Agent, kind: Kind, configs: dict[str, str]) -> Target:
    """Return what the agent should be.

    Args:
        name: the agent's.
        agent: as its file says; its image is resolved already.
        kind: of the agent.
        configs: the templates of its configuration, by file name.
    """
    values = _values(name, agent, kind)
    files = {file.removesuffix(".j2"): _template(text).render(values) for file, text in configs.items()}
    return Target(image=agent.image, spec=_spec(agent, kind), files=files)


@functools.cache
def configs(home: Path) -> dict[str, str]:
    """Return the templates of a kind's configuration, by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((home / "config").iterdir())}


def _values(name: str, agent: Agent, kind: Kind) -> dict[str, Any]:
    return {
        "name": name,
        "port": kind.cage.port,
        "page_port": agent.page_port,
        "meter_url": METER_URL,
        "secrets_file": f"{kind.cage.secrets}/{kind.secrets.file}",
        "context_window": kind.context_window,
        "max_tokens": kind.max_tokens,
    }


@functools.cache
def environment() -> "ImmutableSandboxedEnvironment":
    """Return what fills templates in: sandboxed, and a value that is missing is an error."""
    from jinja2 import StrictUndefined  # noqa: PLC0415 - takes 25 ms; most commands render nothing
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - likewise

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


@functools.cache
def _template(text: str) -> "Template":
    return environment().from_string(text)


def _spec(agent: Agent, kind: Kind) -> tuple[str, ...]:
    head = (f"kind={kind.name}", f"image={agent.image}")
    return (*head, *cage_lines(kind.cage), f"label=version={agent.version}")


def cage_lines(cage: Cage) -> list[str]:
    """Return a cage as lines of the guard's spec."""
    single = {
        "user": cage.user,
        "memory": cage.memory,
        "pids": cage.pids,
        "cpus": cage.cpus,
        "state": cage.state,
        "config": cage.config,
        "secrets": cage.secrets,
        "port": cage.port,
        "stop_timeout": cage.stop_timeout,
        "never_retry": cage.never_retry,
        "owner_lease": cage.owner_lease or None,
        "entrypoint": cage.entrypoint,
    }
    lines = [f"{key}={value}" for key, value in single.items() if value not in (None, "")]
    lines += [f"tmpfs={mount}" for mount in cage.tmpfs]
    lines += [f"env={key}={value}" for key, value in cage.env.items()]
    return lines + [f"arg={word}" for word in cage.args]
