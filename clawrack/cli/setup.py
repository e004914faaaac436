"""``clawrack setup``: from a bare machine to an agent that answers."""

import shlex
import sys
from os import environ
from pathlib import Path
from typing import Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import piped_secret, secret_of
from clawrack.cli.common import Json, Yes, here, listening
from clawrack.cli.faces import face
from clawrack.cli.frame import Verb, lone
from fleet.base.clean import line
from fleet.base.errors import ActionFailed, Interrupted, Refused
from fleet.base.words import say
from installer.answers import Answers, Firewall, Source, from_file, gather, variable
from installer.receipt.form import Receipt
from installer.wizard.interview import Interview

app = lone()
TOLD = ("agent", "kind", "version", "machine", "address", "model", "question", "answer", "seconds")
NEXT = ("talk", "stop", "remove", "leave")


@app.command(cls=Verb)
def setup(  # noqa: PLR0913 - every question of the setup has its option
    *,
    machine: Annotated[str, typer.Option("--machine", metavar="USER@ADDRESS[:PORT]")] = "",
    machine_name: Annotated[str, typer.Option("--machine-name", metavar="NAME")] = "",
    tags: Annotated[str, typer.Option("--tags", metavar="TAG,…")] = "",
    no_agent: Annotated[bool, typer.Option("--no-agent")] = False,
    restore_kept: Annotated[bool, typer.Option("--restore-kept")] = False,
    name: Annotated[str, typer.Option("--name", metavar="AGENT")] = "",
    kind: Annotated[str, typer.Option("--kind", metavar="KIND")] = "",
    yes: Yes = False,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin")] = False,
    fingerprint: Annotated[str, typer.Option("--fingerprint", metavar="SHA256:…")] = "",
    accept_new_host_key: Annotated[bool, typer.Option("--accept-new-host-key")] = False,
    image_source: Annotated[Source | None, typer.Option("--image-source", metavar="auto|registry|build")] = None,
    firewall: Annotated[Firewall | None, typer.Option("--firewall", metavar="keep|ssh-only|off")] = None,
    jump: Annotated[str, typer.Option("--jump", metavar="USER@ADDRESS[:PORT]")] = "",
    jump_password_stdin: Annotated[bool, typer.Option("--jump-password-stdin")] = False,
    jump_fingerprint: Annotated[str, typer.Option("--jump-fingerprint", metavar="SHA256:…")] = "",
    moved: Annotated[bool, typer.Option("--moved")] = False,
    harden: Annotated[bool, typer.Option("--harden")] = False,
    os: Annotated[str, typer.Option("--os", metavar="SYSTEM")] = "",
    hardware: Annotated[str, typer.Option("--hardware", metavar="SORT")] = "",
    bundle: Annotated[Path | None, typer.Option("--bundle", metavar="FILE")] = None,
    provider: Annotated[str, typer.Option("--provider", metavar="PROVIDER|https://…")] = "",
    region: Annotated[str, typer.Option("--region", metavar="REGION")] = "",
    model: Annotated[str, typer.Option("--model", metavar="MODEL")] = "",
    api_key_file: Annotated[str, typer.Option("--api-key-file", metavar="FILE|-")] = "",
    answers: Annotated[Path | None, typer.Option("--answers", metavar="FILE")] = None,
    resume: Annotated[bool, typer.Option("--resume")] = False,
    plan: Annotated[bool, typer.Option("--plan")] = False,
    json: Json = False,
) -> None:
    """Prepare a machine and start an agent on it."""
    flags = {
        "machine": machine, "machine_name": machine_name, "tags": tags, "no_agent": no_agent,
        "restore_kept": restore_kept,
        "name": name, "kind": kind, "yes": yes, "key": key, "fingerprint": fingerprint,
        "accept_new_host_key": accept_new_host_key, "image_source": image_source, "plan": plan,
        "firewall": firewall,
        "bundle": bundle, "os": os, "hardware": hardware,
        "provider": provider, "region": region, "model": model,
        "password": piped_secret() if password_stdin else None,
        "jump": jump, "jump_password": piped_secret() if jump_password_stdin else None,
        "jump_fingerprint": jump_fingerprint, "moved": moved, "harden": harden,
        "api_key": secret_of(api_key_file, "--api-key-file") if api_key_file else None,
    }  # fmt: skip
    run([gather(flags, environ, of_one) for of_one in (from_file(answers) if answers else [{}])], resume, as_json=json)


def run(told: list[Answers], resume: bool = False, *, as_json: bool) -> None:
    """Set up what the answers say, one machine or many."""
    for secret in ("password", "jump_password", "api_key"):
        environ.pop(variable(secret), None)  # no program that we start needs it
    if len(told) > 1:
        _several(told, as_json=as_json)
    elif told[0].no_agent:
        _alone(told[0], as_json=as_json)
    else:
        _one(told[0], resume=resume, as_json=as_json)


def _alone(answers: Answers, *, as_json: bool) -> None:
    """Make a machine ready, without an agent."""
    from clawrack import wire  # noqa: PLC0415 - see _one

    with listening(as_json=as_json) as listener:
        added = wire.add_machine(answers, listener, Interview(None if answers.yes or as_json else face()))
    if as_json:
        show.as_json("added", added)
    elif added is None:
        here().line(say("setup.only_planned"))
    else:
        here().paragraphs(say("add.ready" if added.changed else "add.already", machine=added.machine))
        if added.strays:
            here().paragraphs(say("add.strays", machine=added.machine, agents=", ".join(added.strays)))


def _one(answers: Answers, *, resume: bool, as_json: bool) -> None:
    from clawrack import wire  # noqa: PLC0415 - all that setup stands on; a help page does not wait for it

    draft = wire.draft()
    interview = Interview(None if answers.yes or as_json else face(), draft.read() if resume else None)
    try:
        with listening(as_json=as_json) as listener:
            receipt = wire.setup(answers, listener, interview)
    except KeyboardInterrupt:
        if not interview.leading:
            raise
        draft.write(interview.recorded)
        raise Interrupted("setup.saved", command=_again("--resume")) from None
    draft.forget()
    _told(receipt, as_json=as_json)


def _again(word: str) -> str:
    """Return the line that was typed, with another word: what was told on it still counts."""
    typed = [line(part) for part in sys.argv[1:]]
    return shlex.join(("clawrack", *typed, *([] if word in typed else [word])))


def _told(receipt: Receipt | None, *, as_json: bool) -> None:
    if as_json:
        show.as_json("receipt", receipt)
    elif receipt is None:
        here().line(say("setup.only_planned"))
    else:
        _print(receipt)


def _several(told: list[Answers], *, as_json: bool) -> None:
    """Set many machines up; nobody is asked, so the line must say --yes."""
    from clawrack import wire  # noqa: PLC0415 - see _one

    if not all(answers.yes or answers.plan for answers in told):
        raise Refused("setup.several_needs_yes", machines=len(told), command=_again("--yes"))
    with listening(as_json=as_json, subjects=True) as listener:
        results = wire.setup_several(told, listener)
    if as_json:
        show.as_json("setups", results)
    else:
        show.table(results, here(), "show.no_machines", ("machine", "fate", "seconds", "why"))
    if any(result.fate not in {"done", "planned"} for result in results):
        raise typer.Exit(ActionFailed.exit_code)


def _print(receipt: Receipt) -> None:
    """Print where the agent runs, what it answered, and how to talk to it, stop it and remove it."""
    to = here()
    to.line()
    show.details(receipt, to, TOLD)
    to.line()
    show.details(receipt, to, NEXT)
