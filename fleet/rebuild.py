"""The fleet's files, written again from what the machines say: where a folder was lost, or for a new controller.

What an agent's file says is found in its container's labels and image. The port of its page is in its configuration
alone, so it is found by proof: the one with which the configuration that we would write makes the very release that
runs. Where none does, because the kind has changed since, the plan says what would.

What a machine says is about itself alone: where an image came from is kept only where the kind's own recipe leads
there (`fleet.images.trusted`), for the file is what images are pulled by.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec

from fleet.base.clean import line
from fleet.machine import containers
from fleet.machine.port import Port
from fleet.model import FIRST_PAGE, Agent, SeenAgent, SeenMachine, Target

PAGES = 512
"""How many ports are tried for an agent's page."""
Renders = Callable[[str, Agent], Target]
"""Returns the target of an agent, by name."""


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """An agent whose file was written again.

    Attributes:
        same: whether the file makes the release that runs, so that nothing is left to do.
    """

    agent: str
    machine: str
    kind: str
    version: str
    same: bool


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine's engine tells of an agent: its kind's version, and where its image came from."""

    version: str = ""
    ref: str = ""


def missing(there: SeenMachine, known: Iterable[str]) -> list[str]:
    """Return the agents that run on a machine and are in no file."""
    return sorted(set(there.agents) - set(known))


def agent(seen: SeenAgent, machine: str, found: Found, renders: Renders) -> Agent:
    """Return what an agent's file should say, so that it makes the release that runs."""
    plain = Agent(
        kind=seen.kind, machine=machine, version=found.version, image=seen.image, image_of=found.version, ref=found.ref
    )
    tries = (msgspec.structs.replace(plain, page=page) for page in range(FIRST_PAGE, FIRST_PAGE + PAGES))
    return next((one for one in tries if renders(seen.name, one).release == seen.release), plain)


def asked(port: Port, name: str) -> Found:
    """Ask a machine's engine about an agent; what it does not tell is empty.

    Raises:
        ActionFailed: the engine said no.
        Unreachable: the machine or its engine does not answer.
    """
    box = containers.inspect(port, f"clawrack-{name}")
    if box is None:
        return Found()
    labels = cast("dict[str, str]", box["Config"]["Labels"] or {})
    return Found(version=line(labels.get("version", "")), ref=containers.name_of(port, str(box["Image"])))


def meter_of(port: Port, there: SeenMachine) -> dict[str, Any]:
    """Return what a machine's file should say of its meter, and of itself."""
    ref = containers.name_of(port, there.meter_image) if there.meter_image else ""
    return {"id": there.id, "architecture": there.architecture, "meter": there.meter_image, "meter_ref": ref}
