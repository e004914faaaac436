"""The evidence: what a machine should be as our files say, and what was seen of it. Values, made by `ask.py`."""

import msgspec

from fleet.doctor.checkup import Checkup
from fleet.kinds import Kind
from fleet.model import Agent, Machine


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """An agent as our files say it should be.

    Attributes:
        release: that its target makes.
        files: of that release, by path, where its secrets were known; empty where not.
    """

    agent: Agent
    kind: Kind
    release: str = ""
    files: dict[str, str] = {}


class Trouble(msgspec.Struct, frozen=True):
    """Why a machine, or a part of it, could not be asked: the error's key and values."""

    key: str
    where: str = ""
    params: dict[str, str] = {}


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The last refusal of a route's provider, as the meter's report tells it; times in seconds since 1970."""

    route: str
    status: int
    at: int
    times: int = 1
    answered: int = 0


class Symptoms(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one machine.

    Attributes:
        carried: sha256 of the guard's archive that we carry; empty where that is not known.
        holder: who we are, for leases.
        at_work: whether a clawrack on this computer is changing the machine just now.
        expected: its agents, as our files say.
        trouble: why it could not be asked; then there is no checkup.
        checkup: what its guard said.
        asked, answered: our clock before and after that, seconds since 1970.
        complaints: what an agent that runs answered its probes, by name; empty where it is ready. An agent that was
            not asked is not in it.
        refusals: of the meter's routes.
    """

    name: str
    machine: Machine
    carried: str = ""
    holder: str = ""
    at_work: bool = False
    expected: dict[str, Expected] = {}
    trouble: Trouble | None = None
    checkup: Checkup = Checkup()
    asked: float = 0.0
    answered: float = 0.0
    complaints: dict[str, str] = {}
    refusals: tuple[Refusal, ...] = ()

    @property
    def in_hands(self) -> bool:
        """Whether somebody is at work on the machine; a lease of ours that nobody here uses is only left over."""
        lease = self.checkup.lease
        return self.at_work or (lease is not None and lease.holder != self.holder)

    def subject(self, agent: str = "") -> str:
        """Return the machine, or ``machine/agent``."""
        return f"{self.name}/{agent}" if agent else self.name


class TakenPort(msgspec.Struct, frozen=True):
    """A port of this computer that an agent's page needs and something else has.

    Attributes:
        by: its name, or empty.
        free: another port that the page could have; 0 where there is none.
    """

    agent: str
    machine: str
    port: int
    by: str = ""
    free: int = 0
