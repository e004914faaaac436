"""An agent's own page, at a port of this computer, for as long as somebody looks at it.

`opened` is the way in: it asks where the agent is, listens at 127.0.0.1, passes on what browsers send (tunnel, pipe,
requests), answers for itself where it must (answers, peers), and lets new browsers in for a while (pairing).
"""

import secrets
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager

from fleet.base.errors import BadInput, ClawrackError
from fleet.base.event import Listener, ignore
from fleet.deploy import secrets_of
from fleet.gate import Who
from fleet.kinds import Pairing
from fleet.machine.guard import Guard
from fleet.machine.port import Port
from fleet.model import Agent, free_page
from fleet.page.answers import House
from fleet.page.behind import Behind
from fleet.page.pairing import Clerk, letting_in
from fleet.page.telling import Teller
from fleet.page.tunnel import Tunnel, listen

_NONCE = 24  # bytes
_LOWEST, _HIGHEST = 1024, 65535


class Open:
    """A page that is open.

    Attributes:
        url: opens it, logged in; good for as long as it is open, and for this user alone.
        local: its address without anything that opens it.
        port: of 127.0.0.1.
        seconds: for how long from the beginning new browsers are let in; 0 where the kind has no pairing.
    """

    def __init__(self, house: House, seconds: int) -> None:
        self.url = house.url
        self.local = house.local
        self.port = house.port
        self.seconds = seconds

    def __repr__(self) -> str:
        """Return the address, without the nonce."""
        return f"Open({self.local})"


@contextmanager
def opened(port: Port, who: Who, at: int, listener: Listener = ignore) -> Generator[Open]:
    """Serve an agent's page at a port of 127.0.0.1 until the block ends.

    Args:
        port: the agent's machine.
        who: it is.
        at: the port of this computer.
        listener: hears of browsers that were let in, and of a wire that was cut or is back.

    Raises:
        BadInput: its kind has no page.
        ActionFailed: it does not run.
        Refused: something else has the port.
        Unreachable: the machine does not answer.
    """
    page = who.kind.page
    if page is None:
        raise BadInput("page.none", agent=who.name, kind=who.kind.name)
    tell = Teller(port.name, who.name, listener)
    behind = Behind(port, who, secrets_of(Guard(port), who.name, who.kind))
    behind.find()
    house = House(at, secrets.token_urlsafe(_NONCE), page, behind.known)
    with ExitStack() as held:
        listening = held.enter_context(listen(at, who.name))
        clerk = _clerk(behind, page.pairing, tell)
        tunnel = held.enter_context(Tunnel(listening, house, behind.dial, tell.wire))
        if clerk and page.pairing:
            held.enter_context(letting_in(clerk, page.pairing.seconds, tunnel.visited, tell))
        yield Open(house, page.pairing.seconds if clerk and page.pairing else 0)


def spare(at: int, name: str, agents: Mapping[str, Agent]) -> None:
    """See that a port can be that of an agent's page.

    Raises:
        BadInput: it is no port for one, or another agent's.
        Refused: something else on this computer has it.
    """
    if not _LOWEST <= at <= _HIGHEST:
        raise BadInput("page.bad_port", agent=name, port=at)
    other = next((n for n, agent in agents.items() if n != name and agent.page_port == at), "")
    if other:
        raise BadInput("page.agents_port", agent=name, port=at, other=other, free=free_page(agents.values()))
    listen(at, name).close()


def _clerk(behind: Behind, how: Pairing | None, tell: Teller) -> Clerk | None:
    """Return who lets browsers in, having looked at what waits already, before anybody can come through us."""
    if how is None:
        return None
    clerk = Clerk(behind.port, how, behind.find)
    try:
        clerk.look(visited=False)
    except ClawrackError as error:
        tell.say("failed", "page.no_pairing", reason=str(error))
        return None
    return clerk
