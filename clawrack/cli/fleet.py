"""``clawrack fleet``: the fleet's folder."""

from clawrack.cli.frame import Verb, noun
from clawrack.cli.rebuilding import rebuild

app = noun()
app.command("rebuild", cls=Verb)(rebuild)
