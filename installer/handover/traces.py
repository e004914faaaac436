"""What this controller has of a machine, taken away once the machine is its owner's."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fleet import journal, load
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
        load.forget_machine(self.folder, name, wish)
        self.pins.forget(name)
        journal.forget(self.state / "journal.jsonl", name)
        for path in (f"machines/{quote(name, safe='')}.jsonl", f"locks/{name}", f"leaving/{name}", f"handing/{name}"):
            (self.state / path).unlink(missing_ok=True)
