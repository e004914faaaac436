"""``clawrack status``: the whole fleet in one look."""

from clawrack.cli import leaving, show
from clawrack.cli.agent import AGENT_COLUMNS
from clawrack.cli.common import Json, here, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.machine import listed
from fleet.base.clean import line
from fleet.base.words import say

app = lone()


@app.command(cls=Verb)
def status(*, json: Json = False) -> None:
    """Show the whole fleet in one look."""
    now = open_fleet().status()
    if json:
        show.as_json("status", now)
        return
    to = here()
    listed(now.machines, to)
    to.line()
    show.table(now.agents, to, "show.no_agents", AGENT_COLUMNS)
    for stray in now.strays:
        to.line(f"{to.paint('!', 'warn')} {say('show.stray', name=line(stray))}")
    for one in now.watched:
        what = f"{one.kind} {one.version}".strip()
        told = {"name": one.name, "machine": one.machine, "container": line(one.container), "what": line(what)}
        to.paragraphs(say("show.watched", **told))
    for found in now.returned:
        for row in leaving.back(found, to):
            to.line(row)
