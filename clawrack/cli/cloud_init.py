"""``clawrack cloud-init``: user-data with which a new cloud machine prepares itself at its first boot."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clawrack import version
from clawrack.cli import show
from clawrack.cli.common import Json, here
from clawrack.cli.frame import Verb, lone
from fleet.base.cells import wrap
from fleet.base.disk import replace
from fleet.base.errors import Refused
from fleet.base.words import say

if TYPE_CHECKING:
    from installer.cloudinit import Made

app = lone()


@app.command("cloud-init", cls=Verb)
def cloud_init(
    *,
    answers: Annotated[Path | None, typer.Option("--answers", metavar="FILE")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE")] = None,
    json: Json = False,
) -> None:
    """Print user-data with which a new cloud machine prepares itself."""
    from clawrack import wire  # noqa: PLC0415 - a help page does not wait for it
    from installer import cloudinit  # noqa: PLC0415 - likewise

    told = cloudinit.wanted(answers) if answers else cloudinit.Wanted()
    if out and (out.exists() or out.is_symlink()):
        raise Refused("cloudinit.exists", where=str(out))
    made = cloudinit.made(told, wire.controller_key().public, version(), str(out or ""))
    if out:
        replace(out, made.user_data.encode(), 0o644)
    if json:
        show.as_json("cloud_init", made)
    elif out:
        _say(made, out)
    else:
        print(made.user_data, end="")


def _say(made: "Made", out: Path) -> None:
    to = here()
    said = [say("cloudinit.written", path=shlex.quote(str(out)), size=made.size)]
    said += [say("cloudinit.left_out", name=name) for name in made.left_out]
    said += [say("cloudinit.fingerprint"), say("cloudinit.then", login=made.login or "LOGIN")]
    for row in (row for text in said for row in wrap(text, to.columns)):
        to.line(row)
