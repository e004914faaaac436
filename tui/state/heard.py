"""What comes in: the messages that the store hears, live from the machines or out of a recording.

``at`` are seconds on a clock that never runs backwards, told by whoever sends; in a recording they count from
its start. Texts from machines are not clean yet: the store cleans what it keeps.
"""

from typing import Literal

import msgspec

from fleet.views import AgentView, MachineView, UsageRow

Sort = Literal["name", "refused", "timeout", "login", "host-key", "cut", "other"]
"""Why a machine did not answer: its name is not known, the port is closed, nothing came in time, it did not let us in,
its key is another, the connection broke, or something else."""
Ending = Literal["done", "already", "failed", "unknown", "cancelled"]


class WishedMachine(msgspec.Struct, frozen=True):
    """A machine as its file names it."""

    name: str
    address: str


class WishedAgent(msgspec.Struct, frozen=True):
    """An agent as its file describes it."""

    name: str
    machine: str
    kind: str = ""
    version: str = ""
    model: str = ""


class Wished(msgspec.Struct, frozen=True, kw_only=True, tag="wished"):
    """The fleet's folder was read again.

    Attributes:
        beat: seconds between two questions to a machine that answers.
    """

    at: float
    machines: tuple[WishedMachine, ...] = ()
    agents: tuple[WishedAgent, ...] = ()
    beat: float = 2.0


class Told(msgspec.Struct, frozen=True, kw_only=True, tag="told"):
    """A machine answered; ``strays`` run on it and are in no file."""

    at: float
    machine: str
    view: MachineView
    agents: tuple[AgentView, ...] = ()
    strays: tuple[str, ...] = ()


class Silent(msgspec.Struct, frozen=True, kw_only=True, tag="silent"):
    """A machine did not answer.

    Attributes:
        key: of the error in the words.
        text: the error's sentence.
    """

    at: float
    machine: str
    key: str
    text: str
    sort: Sort = "other"


class Used(msgspec.Struct, frozen=True, kw_only=True, tag="used"):
    """What the ledger of a machine's meter holds; ``today`` is the day (UTC, ``YYYY-MM-DD``) that it was asked on."""

    at: float
    machine: str
    today: str
    rows: tuple[UsageRow, ...] = ()


class Doing(msgspec.Struct, frozen=True, kw_only=True, tag="doing"):
    """We are doing something to a machine or an agent.

    Attributes:
        subject: the row's id: ``machine`` or ``machine/agent``.
        action: the id of the action in the registry.
        step: the key of a text that says what is done just now, or empty.
        params: the values of that text's placeholders.
    """

    at: float
    subject: str
    action: str
    step: str = ""
    params: dict[str, str] = {}


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """What we were doing came to its end; ``text`` says how, where there is more to say."""

    at: float
    subject: str
    action: str
    outcome: Ending
    text: str = ""


class Trouble(msgspec.Struct, frozen=True, kw_only=True, tag="trouble"):
    """The controller itself has a trouble, for example a broken file in the fleet's folder; an empty text ends it."""

    at: float
    text: str


Message = Wished | Told | Silent | Used | Doing | Ended | Trouble
