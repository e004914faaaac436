"""What this controller has of a machine, taken away once the machine is its owner's."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec

from fleet import journal, load
from fleet.base.disk import locked, replace
from fleet.machine.pins import Pins
from fleet.model import Wish


@dataclass(frozen=True, slots=True)
class Traces:
    """Where this controller keeps what it knows of machines.

    Attributes:
        folder: the fleet's.
        state: of journals, locks and marks.
        pins: of host keys.
    """

    folder: Path
    state: Path
    pins: Pins

    def forget(self, name: str, wish: Wish) -> None:
        """Take away the machine's and its agents' files, its pin, its journal, its lines in the fleet's, its marks.

        What the person keeps stays: receipts, reports, bundles that were asked for, and the history of the fleet's git.

        Raises:
            ActionFailed: a file cannot be written.
            StateDamaged: the fleet's journal is not whole; it is left as it is.
        """
        for agent, found in wish.agents.items():
            if found.machine == name:
                load.forget_agent(self.folder, agent)
        load.forget_machine(self.folder, name)
        self.pins.forget(name)
        self._forget_lines(name)
        for path in (f"machines/{quote(name, safe='')}.jsonl", f"locks/{name}", f"leaving/{name}", f"handing/{name}"):
            (self.state / path).unlink(missing_ok=True)

    def _forget_lines(self, name: str) -> None:
        """Write the fleet's journal anew without the machine's actions, and without how they ended."""
        path = self.state / "journal.jsonl"
        entries = journal.read(path)
        gone = {(one.run, one.n) for one in entries if one.action and one.action.machine == name}
        if not gone:
            return
        with locked(self.state / "locks" / ".journal"):
            kept = [one for one in journal.read(path) if (one.run, one.n) not in gone]
            replace(path, b"".join(msgspec.json.encode(one) + b"\n" for one in kept))
