"""``clawrack setup``: from a bare machine to an agent that answers."""

from pathlib import Path
from typing import Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import piped_secret, someone
from clawrack.cli.common import Json, Yes, here, listening
from clawrack.cli.frame import Verb, lone
from fleet.base.words import say
from installer.answers import Answers, Receipt, Source

app = lone()
TOLD = ("agent", "kind", "version", "machine", "address", "model", "question", "answer", "seconds")
NEXT = ("talk", "stop", "remove", "leave")


@app.command(cls=Verb)
def setup(  # noqa: PLR0913 - every question of the setup has its option
    *,
    machine: Annotated[str, typer.Option("--machine", metavar="USER@ADDRESS[:PORT]")] = "",
    name: Annotated[str, typer.Option("--name", metavar="AGENT")] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND")] = "openclaw",
    yes: Yes = False,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin")] = False,
    fingerprint: Annotated[str, typer.Option("--fingerprint", metavar="SHA256:…")] = "",
    accept_new_host_key: Annotated[bool, typer.Option("--accept-new-host-key")] = False,
    image_source: Annotated[Source, typer.Option("--image-source", metavar="auto|registry|build")] = "auto",
    plan: Annotated[bool, typer.Option("--plan")] = False,
    json: Json = False,
) -> None:
    """Prepare a machine and start an agent on it."""
    from clawrack import wire  # noqa: PLC0415 - all that setup stands on; a help page does not wait for it

    answers = Answers(
        machine=machine,
        name=name,
        kind=kind,
        yes=yes,
        key=key,
        password=piped_secret() if password_stdin else None,
        fingerprint=fingerprint,
        accept_new_host_key=accept_new_host_key,
        image_source=image_source,
        plan=plan,
    )
    with listening(as_json=json) as listener:
        receipt = wire.setup(answers, listener, someone("clawrack setup --yes", silent=yes or json))
    if json:
        show.as_json("receipt", receipt)
    elif receipt is None:
        here().line(say("setup.only_planned"))
    else:
        _print(receipt)


def _print(receipt: Receipt) -> None:
    """Print where the agent runs, what it answered, and how to talk to it, stop it and remove it."""
    to = here()
    to.line()
    show.details(receipt, to, TOLD)
    to.line()
    show.details(receipt, to, NEXT)
