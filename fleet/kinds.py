"""Kinds of agents, read from templates/kinds: data, not code.

A kind's folder holds kind.yaml (this schema), config/ (templates of its configuration) and
image.yaml (how to build it).
"""

import functools
import os
from pathlib import Path
from typing import Any, Literal

import msgspec

import templates
from fleet.base.errors import BadInput, Refused
from fleet.base.yaml import read
from fleet.versions import older, well_formed

METER = "meter"
"""What is no kind, and yet has an image: each machine runs one."""


class Needs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine must have: bytes of memory, and bytes of disk for image and state."""

    memory: int
    disk: int


class Cage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How its container runs. Paths are those inside; memory in bytes, times in seconds.

    Attributes:
        never_retry: the exit code after which starting again is useless.
        owner_lease: for how long, after a hard kill, its state refuses a new container.
    """

    user: str
    memory: int
    cpus: str
    pids: int
    port: int
    state: str
    config: str
    stop_timeout: int
    secrets: str = ""
    args: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    env: dict[str, str] = {}
    entrypoint: str | None = None
    never_retry: int | None = None
    owner_lease: int = 0


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON file of its secrets; ``random`` is made by us, ``meter`` is its key at the meter."""

    file: str
    values: dict[str, Literal["random", "meter"]]


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question to the agent and what the answer must be; keys are dotted paths into its JSON."""

    path: str
    name: str = ""
    method: str = "GET"
    auth: str | None = None
    body: dict[str, Any] | None = None
    status: int = 200
    equals: dict[str, Any] = {}
    empty: tuple[str, ...] = ()


class Probes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gate: all must hold within ``startup_timeout`` seconds of the start, and for ``min_healthy_time`` seconds."""

    startup_timeout: int
    gate: tuple[Probe, ...]
    min_healthy_time: int = 5


class Sorry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an answer that is none is told from one: it begins like this, and this stands in its JSON (dotted paths).

    One of ``refused`` in it means that the model did not take the key.
    """

    starts: tuple[str, ...]
    equals: dict[str, Any]
    refused: tuple[str, ...] = ()


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to send one message, and where in the JSON the answer stands (a dotted path).

    Attributes:
        inside: the program in its image that can send it from inside of its container, for its owner, who has no
            controller; empty where there is none.
        sorry: where it tells its model's failure as its answer.
    """

    path: str
    body: dict[str, Any]
    answer: str
    timeout: int
    auth: str | None = None
    method: str = "POST"
    inside: Literal["", "node", "python3"] = ""
    sorry: Sorry | None = None


class Pairing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a new browser is let in; the calls are probes, their paths dotted paths into JSON.

    Attributes:
        seconds: for how long after the page was opened requests are approved.
        list: asks what waits.
        pending: where in its answer the list of requests stands.
        request: where in a request its name stands.
        matches: what else must stand in a request for it to come from the page.
        approve: lets a request in; ``{request}`` in its body is its name.
    """

    seconds: int
    list: Probe
    pending: str
    request: str
    approve: Probe
    matches: dict[str, str] = {}


class Page(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Its own page, at the cage's port.

    Attributes:
        path: where it begins.
        storage: what it looks for in the browser's sessionStorage to log in, by key; ``{host}`` is the place as the
            browser calls it, ``{NAME}`` a secret by its name. Not in an address: browsers keep those, fragments too.
        pairing: how a new browser is let in; None where the page asks for nothing more.
    """

    path: str = "/"
    storage: dict[str, str] = {}
    pairing: Pairing | None = None


class Floor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The oldest version of its program that may run: those before it have holes that are known, as ``source`` says."""

    version: str
    source: str


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of agent.

    ``version`` is what a new agent gets; an agent's file may say another one, from the ``floor`` on. ``context_window``
    and ``max_tokens`` are what its model is announced with; ``page`` is None where it has none; ``architectures`` are
    those that images of it exist for, as Docker calls them.
    """

    name: str
    version: str
    needs: Needs
    cage: Cage
    secrets: Secrets
    probes: Probes
    ask: Ask
    page: Page | None = None
    floor: Floor | None = None
    architectures: tuple[str, ...] = ("amd64", "arm64")
    context_window: int = 128_000
    max_tokens: int = 8_192


@functools.cache
def kind(name: str) -> Kind:
    """Return the kind of this name.

    Raises:
        BadInput: there is no such kind, or its file is not as it should be.
    """
    return read(home_of(name) / "kind.yaml", Kind)


def check_version(which: Kind, version: str, where: str = "") -> None:
    """See that a version of a kind's program may be wished for; ``where`` is what wishes it. Pure.

    Raises:
        BadInput: it is no version: it becomes a word of package managers' and a label.
        Refused: it is older than the kind's floor.
    """
    if not well_formed(version):
        raise BadInput("version.malformed", where=where, version=version, kind=which.name, usual=which.version)
    if which.floor and older(version, which.floor.version):
        told = {"kind": which.name, "version": version, "floor": which.floor.version, "source": which.floor.source}
        raise Refused("version.floor", where=where, **told, usual=which.version)


def home_of(name: str) -> Path:
    """Return the folder of a kind.

    Raises:
        BadInput: there is no such kind.
    """
    known = homes()
    if name not in known:
        raise BadInput("kind.unknown", kind=name, known=", ".join(sorted(known)))
    return known[name]


def recipe_file(of: str) -> Path:
    """Return the file that says how a kind's image, or the meter's, is built.

    Raises:
        BadInput: there is no such kind.
    """
    return (templates.path(METER) if of == METER else home_of(of)) / "image.yaml"


def homes() -> dict[str, Path]:
    """Return the folders of all kinds, by name: ours, and those in the folder that ``CLAWRACK_KINDS`` names."""
    more = os.environ.get("CLAWRACK_KINDS")
    places = [templates.path("kinds"), *([Path(more)] if more else [])]
    return {path.parent.name: path.parent for place in places for path in sorted(place.glob("*/kind.yaml"))}
