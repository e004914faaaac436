"""``clawrack fleet``: the fleet's folder."""

from clawrack.cli.fleet_import import import_
from clawrack.cli.frame import Verb, noun
from clawrack.cli.rebuilding import rebuild

app = noun()
app.command("rebuild", cls=Verb)(rebuild)
app.command("import", cls=Verb)(import_)
