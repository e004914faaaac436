"""``clawrack usage``: what the meters counted."""

import sys

from clawrack.cli import show
from clawrack.cli.common import Json, here, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.terminal import terminal
from fleet.base.clean import line
from fleet.base.words import say

app = lone()
COLUMNS = ("agent", "machine", "day", "model", "calls", "estimated", "input", "output")


@app.command(cls=Verb)
def usage(*, json: Json = False) -> None:
    """Show what the agents used, by the ledgers of their meters."""
    told = open_fleet().usage()
    if json:
        show.as_json("usage", told.rows)
        if told.silent:
            show.as_json("silent", told.silent, sys.stderr)
        return
    show.table(told.rows, here(), "show.no_usage", COLUMNS)
    for machine in told.silent:
        terminal(sys.stderr).line(say("usage.silent", machine=line(machine)))
