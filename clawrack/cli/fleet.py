"""``clawrack fleet``: the fleet's folder."""

from clawrack.cli import folder
from clawrack.cli.fleet_import import import_
from clawrack.cli.frame import Verb, noun
from clawrack.cli.rebuilding import rebuild

app = noun()
app.command("rebuild", cls=Verb)(rebuild)
app.command("import", cls=Verb)(import_)
app.command("check", cls=Verb)(folder.check)
app.command("sample", cls=Verb)(folder.sample)
app.command("schema", cls=Verb)(folder.schema)
