"""``clawrack usage``: what the meters counted."""

from clawrack.cli import show
from clawrack.cli.common import Json, here, open_fleet
from clawrack.cli.frame import Verb, lone

app = lone()
COLUMNS = ("agent", "machine", "day", "model", "calls", "input", "output")


@app.command(cls=Verb)
def usage(*, json: Json = False) -> None:
    """Show what the agents used, by the ledgers of their meters."""
    rows = open_fleet().usage()
    if json:
        show.as_json("usage", rows)
    else:
        show.table(rows, here(), "show.no_usage", COLUMNS)
