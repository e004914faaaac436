"""Ways in: an agent's page, a shell in its cage, a login on a machine."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager

import msgspec

from fleet import load
from fleet.api.acts import Acts
from fleet.base.errors import ActionFailed, Refused, Unreachable
from fleet.base.event import Listener, ignore
from fleet.machine.port import Window
from fleet.machine.process import Session
from fleet.machine.shell.agent import inside
from fleet.model import Wish
from fleet.page import Open, opened, spare


class Doors(Acts):
    """A fleet, gone into."""

    @contextmanager
    def page(self, name: str, listen: Listener = ignore) -> Generator[Open]:
        """Serve the agent's own page at its port of this computer until the block ends; see `fleet.page.opened`.

        Raises:
            BadInput: there is no such agent, or its kind has no page.
            ActionFailed: it does not run.
            Refused: something else has the port.
        """
        self._on(name)
        port, who = self._who(name)
        with opened(port, who, self.page_port(name), listen) as page:
            yield page

    def page_port(self, name: str) -> int:
        """Return the port of this computer at which the agent's page is opened."""
        return self._agent(name)[0].page_port

    def move_page(self, name: str, at: int, listen: Listener = ignore) -> None:
        """Open the agent's page at another port from now on; it restarts, for its page accepts calls from one alone.

        Raises:
            BadInput: that is no port for a page, or another agent's.
            Refused: something else on this computer has the port.
            ActionFailed: it did not come back with it; it goes on with the one before.
        """
        agent, machine = self._agent(name)
        self._on(name)
        spare(at, name, self.wish().agents)
        moved = msgspec.structs.replace(agent, page=at)
        load.save_agent(self.folder, name, moved)
        try:
            todo = self.plan(Wish(machines={agent.machine: machine}, agents={name: moved}))
            if todo.unknown:
                raise Unreachable("plan.unknown", where=agent.machine, machine=agent.machine)
            self.apply(todo, listen)
        except (ActionFailed, Refused):
            load.save_agent(self.folder, name, agent)
            raise

    def shell(
        self, name: str, words: Sequence[str] = (), *, window: Window | None = None
    ) -> AbstractContextManager[Session]:
        """Start a command, or a shell, in an agent's container, as its user; see `fleet.machine.shell.agent.inside`.

        Raises:
            BadInput: there is no such agent.
        """
        agent, machine = self._agent(name)
        return inside(self.open(agent.machine, machine), name, words, window=window)

    def login(
        self, name: str, words: Sequence[str] = (), *, window: Window | None = None
    ) -> AbstractContextManager[Session]:
        """Start a command, or the login's shell, on a machine.

        Raises:
            BadInput: there is no such machine.
        """
        return self.port(name).session(words, window=window)
