"""What people and scripts are shown of a fleet: the stable form of ``--json``."""

from typing import Literal

import msgspec

MachineState = Literal["ok", "silent", "unprepared", "no-engine"]
AgentState = Literal["running", "stopped", "starting", "gave-up", "trial", "absent", "unknown"]


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as its file and its machine say it is.

    Attributes:
        state: ``unknown`` where the machine, or Docker on it, did not answer; that is not ``absent``.
        started: when, as the engine says it (RFC 3339), or empty.
        reason: why the supervisor gave it up, or empty.
    """

    name: str
    machine: str
    state: AgentState
    kind: str
    version: str
    model: str
    release: str = ""
    container: str = ""
    image: str = ""
    address: str = ""
    started: str = ""
    exit_code: int | None = None
    reason: str = ""


class MachineView(msgspec.Struct, frozen=True, kw_only=True):
    """A machine as its file and itself say it is.

    Attributes:
        meter: the state of its meter's container; empty where it is not known.
        free: bytes free where agents' state lies; 0 where it did not answer.
        trouble: why it did not answer, or what keeps its agents from work; or empty.
    """

    name: str
    address: str
    state: MachineState
    agents: int
    id: str = ""
    architecture: str = ""
    engine: str = ""
    meter: str = ""
    firewall: bool = False
    free: int = 0
    trouble: str = ""


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that was given up for dead (``machine remove --forget``), and lives.

    Attributes:
        machine: the name that it had.
        agents: that run there, beside the fleet's own.
        forgotten: when it was given up (RFC 3339, UTC).
        within: its name in the fleet, where it is there again; else empty.
        trouble: why it could not be looked at, though it answers; or empty.
        stopped: those of the agents that live elsewhere by now, and were stopped there.
        command: takes them off it.
    """

    machine: str
    address: str
    agents: tuple[str, ...]
    forgotten: str
    within: str = ""
    trouble: str = ""
    stopped: tuple[str, ...] = ()
    command: str


class WatchedView(msgspec.Struct, frozen=True, kw_only=True):
    """A container of somebody else's, which the fleet knows of and leaves alone, as it was when it was looked at."""

    name: str
    machine: str
    container: str
    kind: str
    version: str


class Status(msgspec.Struct, frozen=True):
    """The whole fleet in one look; ``strays`` run on a machine and are in no file."""

    machines: tuple[MachineView, ...]
    agents: tuple[AgentView, ...]
    strays: tuple[str, ...] = ()
    returned: tuple[Returned, ...] = ()
    watched: tuple[WatchedView, ...] = ()


class Look(msgspec.Struct, frozen=True):
    """One machine and its agents in one look; ``strays`` run on it and are in no file."""

    machine: MachineView
    agents: tuple[AgentView, ...]
    strays: tuple[str, ...] = ()


class UsageRow(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent used on one day by one model, by its meter's ledger; tokens.

    Attributes:
        estimated: of how many calls the tokens are the meter's own estimate, because no provider told them.
    """

    agent: str
    machine: str
    day: str
    model: str
    calls: int
    input: int
    output: int
    estimated: int = 0


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's key on a machine; never the key itself.

    Attributes:
        fingerprint: to tell it from another: the first eight digits of its SHA-256.
        country: in which the provider answers (ISO 3166, two letters), or empty.
        agents: whose calls go this way.
        proven: an answer came through the meter with it; None where nobody asked now.
    """

    provider: str
    machine: str
    title: str
    region: str
    model: str
    vendor: str
    country: str
    address: str
    fingerprint: str
    agents: tuple[str, ...]
    proven: bool | None = None


class Keys(msgspec.Struct, frozen=True):
    """The keys, and the names of the machines that did not tell."""

    rows: tuple[KeyView, ...]
    silent: tuple[str, ...]


class Usage(msgspec.Struct, frozen=True):
    """What was used, and the names of the machines that did not tell."""

    rows: tuple[UsageRow, ...]
    silent: tuple[str, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended that changes one agent or one machine.

    Attributes:
        agent: its name, empty where a machine was changed.
        machine: its name, empty where an agent was changed.
        changed: false where it was so already.
    """

    agent: str = ""
    machine: str = ""
    changed: bool


class PageView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's own page that is open.

    Attributes:
        url: opens it, logged in, for the user who typed the command and while the command runs.
        local: its address without anything that opens it.
        ssh: what to type on another computer, so that its browser reaches it.
        lets_in: seconds from now in which a new browser is approved, where the agent asks for that; 0 where none is.
    """

    agent: str
    url: str
    local: str
    ssh: str
    lets_in: int = 0
