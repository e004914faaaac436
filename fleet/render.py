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
    return Mould(kind, configs).target(name, agent)


class Mould:
    """Makes the targets of many agents of one kind: what they have in common is made once.

    Args:
        kind: of the agents.
        configs: the templates of their configuration, by file name.
    """

    def __init__(self, kind: Kind, configs: dict[str, str]) -> None:
        self._usual = _usual(kind)
        self._templates = {file.removesuffix(".j2"): text for file, text in configs.items()}
        self._own = any("name" in _words(text) for text in configs.values())
        self._head = f"kind={kind.name}"
        self._cage = tuple(cage_lines(kind.cage))
        self._made: dict[tuple[str, int], dict[str, str]] = {}

    def target(self, name: str, agent: Agent) -> Target:
        """Return what an agent of the kind should be."""
        spec = (self._head, f"image={agent.image}", *self._cage, f"label=version={agent.version}")
        return Target(image=agent.image, spec=spec, files=self._files(name if self._own else "", agent.page_port))

    def _files(self, name: str, page_port: int) -> dict[str, str]:
        """Return the configuration; agents whose values are the same share it."""
        made = self._made.get((name, page_port))
        if made is None:
            values = {**self._usual, "name": name, "page_port": page_port}
            made = {file: _template(text).render(values) for file, text in self._templates.items()}
            self._made[name, page_port] = made
        return made


@functools.cache
def configs(home: Path) -> dict[str, str]:
    """Return the templates of a kind's configuration, by file name."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((home / "config").iterdir())}


def _usual(kind: Kind) -> dict[str, Any]:
    """Return the values that all agents of a kind have in common."""
    return {
        "port": kind.cage.port,
        "meter_url": METER_URL,
        "secrets_file": f"{kind.cage.secrets}/{kind.secrets.file}",
        "context_window": kind.context_window,
        "max_tokens": kind.max_tokens,
    }


@functools.cache
def _words(text: str) -> frozenset[str]:
    """Return the values that a template asks for."""
    from jinja2 import meta  # noqa: PLC0415 - see environment

    return frozenset(meta.find_undeclared_variables(environment().parse(text)))


@functools.cache
def environment() -> "ImmutableSandboxedEnvironment":
    """Return what fills templates in: sandboxed, and a value that is missing is an error."""
    from jinja2 import StrictUndefined  # noqa: PLC0415 - takes 25 ms; most commands render nothing
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415 - likewise

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


@functools.cache
def _template(text: str) -> "Template":
    return environment().from_string(text)


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
