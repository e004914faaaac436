"""The guard that we carry, run on a machine that has none yet: for what must be right before anything is downloaded."""

import templates
from fleet.base.clean import pairs
from fleet.machine.port import Port, Ran

_PARTS = "#-- parts --"


def text() -> str:
    """Return the guard as one script, its parts in the place of the line that reads them."""
    root = templates.path("machine")
    head = root.joinpath("guard.sh").read_text(encoding="utf-8").partition(_PARTS)[0]
    parts = sorted(root.joinpath("guard.d").iterdir(), key=lambda path: path.name)
    return "\n".join([head, *(part.read_text(encoding="utf-8") for part in parts), 'main "$@"', ""])


def run(port: Port, *words: str, timeout: float = 60.0) -> tuple[Ran, dict[str, str]]:
    """Run a verb of it as root; return how that ended, and what was said.

    Raises:
        Unreachable: the wire was cut.
    """
    ran = port.run(("sh", "-s", "--", *words), stdin=text().encode(), root=True, timeout=timeout)
    return ran, dict(pairs(ran.out))
