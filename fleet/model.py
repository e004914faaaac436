"""The fleet as values: what it should be (Wish) and what it is (Seen).

Nothing here touches a machine, a clock or a file. An agent's release is named by a hash of its target, so that the same
wish always gives the same name, and a second apply finds nothing to do.
"""

import hashlib
import itertools
from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from fleet.groups import Group, Tag, Word
from fleet.policy import Policy

PRACTICE = "practice"
HERE = "here"
FIRST_PAGE = 18700


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A computer that we reach by SSH, or this one (machines/NAME.yaml).

    Attributes:
        address: where it was last reached; ``here`` is this computer.
        user: the login there: root, or one with sudo.
        port: of its sshd.
        id: the id of ours that is kept on it; empty before it was prepared.
        architecture: the engine's, for example ``amd64``.
        meter: the id of the meter's image that it should run.
        meter_ref: our own name of that image.
        os: what a person said that runs on it, where the evidence did not settle it.
        hardware: what sort of computer it is, likewise.
        jump: the jump hosts on the way to it, ``user@address:port``, comma separated; empty for none.
        hardware_ids: hashed numbers of its hardware, ``name=number``, by which it is known again.
        tags: what a person calls it by: ``rack-a``, ``gpu``; agents that ask for a tag are placed where it is.
        drained: nothing new is placed on it.
        format: of the file; written where it is not 1.
    """

    format: int = 1
    address: Word
    user: Word = "root"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 22
    id: Word = ""
    architecture: Word = ""
    meter: Word = ""
    meter_ref: Word = ""
    os: Word = ""
    hardware: Word = ""
    jump: Word = ""
    hardware_ids: tuple[Word, ...] = ()
    tags: tuple[Tag, ...] = ()
    drained: bool = False

    @property
    def local(self) -> bool:
        """Whether it is the computer that we run on."""
        return self.address == HERE


class Agent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One agent (agents/NAME.yaml).

    Attributes:
        kind: the folder under templates/kinds.
        machine: the name of the machine that it lives on; empty where no place was found for it yet.
        group: the group in fleet.yaml that it is a member of; empty for none.
        tags: its machine must have all of them.
        version: of the kind's program.
        image: its id, resolved at first use and kept.
        image_of: the version that ``image`` and ``ref`` are of; where that is another one they are to be resolved anew.
        ref: where the image came from: ``REPOSITORY@DIGEST``, or our own name of what we built.
        model: the name of the route at the meter.
        proven: the release that answered a message when it was set up.
        format: of the file; written where it is not 1.
        page: the port of the controller at which its own page is opened; 0 is the first, ``FIRST_PAGE``.
        origin: whose state it began with, where it was put back from a backup: the id of the machine and the name of
            the agent at the first such time, ``ID/NAME``. Of one origin there is one agent, whatever it is called.
    """

    format: int = 1
    kind: Word
    machine: Word = ""
    group: Word = ""
    tags: tuple[Tag, ...] = ()
    version: Word = ""
    image: Word = ""
    image_of: Word = ""
    ref: Word = ""
    model: Word = PRACTICE
    proven: Word = ""
    page: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    origin: Word = ""

    @property
    def page_port(self) -> int:
        """The port of the controller at which its own page is opened; its page accepts calls from there alone."""
        return self.page or FIRST_PAGE


def free_page(agents: Iterable[Agent]) -> int:
    """Return the lowest page port that none of the agents has, for a new one."""
    taken = {agent.page_port for agent in agents}
    return next(port for port in itertools.count(FIRST_PAGE) if port not in taken)


class Wish(msgspec.Struct, frozen=True):
    """The fleet as its files say it should be.

    Attributes:
        policy: how its rollouts go.
        groups: of agents that are alike; their members are in ``agents``, those without a file of their own too.
        beyond: members of a group that has fewer now; they are left alone, and a person decides about them.
    """

    machines: dict[str, Machine] = {}
    agents: dict[str, Agent] = {}
    policy: Policy = Policy()
    groups: dict[str, Group] = {}
    beyond: dict[str, Agent] = {}

    @property
    def everyone(self) -> dict[str, Agent]:
        """Every agent that has a place in the folder: those that are wished, and those beyond."""
        return self.agents | self.beyond


class Unplaced(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that no machine can take; ``reason`` is a key of the words, filled with ``params``."""

    agent: str
    reason: str
    params: dict[str, str] = {}


class Target(msgspec.Struct, frozen=True):
    """What an agent should be: an image and its rendered configuration, in its cage.

    Attributes:
        image: image id.
        spec: the guard's lines ``key=value``, in order; without secrets.
        files: the configuration's files, by name.
    """

    image: str
    spec: tuple[str, ...]
    files: dict[str, str]

    @property
    def release(self) -> str:
        """The name of the release that this target makes: 16 hexadecimal digits."""
        whole = msgspec.json.encode((self.image, self.spec, sorted(self.files.items())))
        return hashlib.sha256(whole).hexdigest()[:16]


State = Literal["running", "stopped", "created", "restarting", "dead", "absent"]


class SeenAgent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as its machine says it is.

    Attributes:
        release: the committed one; empty where none is.
        trial: the release on trial, or empty.
        container: its id; empty where there is none.
        started: when it was started, as the engine says it.
        exit_code: of its last end, or None.
        on_purpose: somebody stopped it and meant it.
        reason: why the supervisor gave it up; empty where it did not.
        address: of its container, or empty.
        subnet: of its own network, or empty.
        kept: the releases that one can go back to, the newest first; each has its state.
        failed: releases whose trial failed, with what was kept of it.
        drift: what was changed on the machine past us: ``config``, ``image``, ``label``, ``limits``.
        version: of the program, as its release says; empty where the machine does not tell.
    """

    name: str
    kind: str = ""
    version: str = ""
    release: str = ""
    trial: str = ""
    container: str = ""
    image: str = ""
    state: State = "absent"
    started: str = ""
    exit_code: int | None = None
    on_purpose: bool = False
    reason: str = ""
    address: str = ""
    subnet: str = ""
    kept: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    drift: tuple[str, ...] = ()


class SeenMachine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as it says it is.

    Attributes:
        images: ids of the images on its engine.
        meter: the release of its meter; empty where there is none.
        free: bytes free where agents' state lies.
        memory: bytes that it has in all; 0 where it did not say.
        firewall: whether the guard's chain is in place.
        engine: the version of its Docker; empty where that does not answer, and nobody knows what runs.
        store: how its engine keeps images, ``classic`` or ``containerd``: it decides on their ids; empty where unasked.
        others: containers that are nobody's of ours.
        unnamed: containers with our label that are no agent's.
    """

    id: str
    agents: dict[str, SeenAgent] = {}
    images: frozenset[str] = frozenset()
    architecture: str = ""
    engine: str = ""
    meter: str = ""
    meter_image: str = ""
    meter_state: State = "absent"
    free: int = 0
    memory: int = 0
    firewall: bool = False
    store: str = ""
    others: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()


class Seen(msgspec.Struct, frozen=True):
    """The fleet as the machines say it is; None stands for a machine that did not answer."""

    machines: dict[str, SeenMachine | None] = {}
