"""``clawrack agent``: see agents, ask them, stop and start them, remove them."""

import shlex
from functools import partial
from typing import Annotated

import typer

from clawrack.cli import creating, logs, opening, shell, show
from clawrack.cli.asking import sure
from clawrack.cli.common import Json, Name, Yes, here, listening, open_fleet
from clawrack.cli.frame import Verb, noun
from clawrack.cli.shell import Command, Listing
from fleet import folder, near
from fleet.base.outcome import AlreadyTrue
from fleet.base.words import say
from fleet.views import Result

app = noun()
Keep = Annotated[bool, typer.Option("--keep-state/--erase")]


@app.command("list", cls=Verb)
def list_(*, json: Json = False) -> None:
    """Show every agent."""
    agents = open_fleet().agents()
    if json:
        show.as_json("agents", agents)
    else:
        show.table(agents, here(), "show.no_agents", AGENT_COLUMNS)


AGENT_COLUMNS = ("name", "state", "machine", "kind", "version", "model", "reason")


@app.command("show", cls=Verb)
def show_(name: Name, *, json: Json = False) -> None:
    """Show all that is known of one agent."""
    agent = open_fleet().agent(name)
    if json:
        show.as_json("agent", agent)
    else:
        show.details(agent, here())


@app.command(cls=Verb)
def ask(
    name: Name,
    text: Annotated[str, typer.Argument(metavar="TEXT")],
    *,
    wait: Annotated[int, typer.Option("--wait", min=0, metavar="SECONDS")] = 0,
    json: Json = False,
) -> None:
    """Send one message through an agent and print its answer."""
    answer = open_fleet().ask(name, text, wait or None)
    if json:
        show.as_json("answer", answer)
    else:
        show.prose(answer.text, here())


@app.command("logs", cls=Listing)
def logs_(  # noqa: PLR0913 - a log is looked through from many sides
    names: logs.Names = None,
    *,
    all_: logs.Every = False,
    machine: logs.OnMachine = "",
    follow: logs.Follow = False,
    tail: logs.Tail = "",
    since: logs.Since = "",
    until: logs.Until = "",
    grep: logs.Grep = "",
    regex: logs.Regex = False,
    timestamps: logs.Stamps = False,
    json: Json = False,
) -> None:
    """Print agents' logs, in one order."""
    typed = logs.Typed(
        names=names or (), every=all_, machine=machine, follow=follow, tail=tail, since=since, until=until,
        grep=grep, regex=regex, timestamps=timestamps, json=json,
    )  # fmt: skip
    logs.run(open_fleet(), typed)


@app.command("shell", cls=Listing)
def shell_(name: Name, words: Command = None, *, json: Json = False) -> None:
    """Open a shell in an agent's container, or run a command there."""
    shell.check(words or (), "clawrack agent shell", json=json)
    shell.run(partial(open_fleet().shell, name, words or ()), json=json)


app.command("open", cls=Verb)(opening.open_)
app.command("create", cls=Verb)(creating.create)


@app.command(cls=Verb)
def start(name: Name, *, json: Json = False) -> None:
    """Start an agent and wait until it is ready."""
    with listening(as_json=json) as listener:
        outcome = open_fleet().start(name, listener)
    _ended("agent.started", name, changed=not isinstance(outcome, AlreadyTrue), as_json=json)


@app.command(cls=Verb)
def stop(name: Name, *, json: Json = False) -> None:
    """Stop an agent; it stays stopped after a reboot too."""
    with listening(as_json=json) as listener:
        outcome = open_fleet().stop(name, listener)
    _ended("agent.stopped", name, changed=not isinstance(outcome, AlreadyTrue), as_json=json)


@app.command(cls=Verb)
def restart(name: Name, *, json: Json = False) -> None:
    """Stop and start an agent, and wait until it is ready."""
    with listening(as_json=json) as listener:
        open_fleet().restart(name, listener)
    _ended("agent.restarted", name, changed=True, as_json=json)


@app.command(cls=Verb)
def remove(name: Name, *, keep_state: Keep = True, yes: Yes = False, json: Json = False) -> None:
    """Take an agent off its machine."""
    fleet = open_fleet()
    wish = fleet.wish()
    if name not in wish.everyone:
        raise near.no_agent(name, wish)
    folder.no_member(fleet.folder, name, wish)
    sure(
        name, "question.remove_agent" if keep_state else "question.erase_agent", _again(name, keep=keep_state), yes=yes
    )
    with listening(as_json=json) as listener:
        fleet.remove_agent(name, keep_state=keep_state, listen=listener)
    _ended("agent.removed_kept" if keep_state else "agent.removed", name, changed=True, as_json=json)


def _again(name: str, *, keep: bool) -> str:
    return shlex.join(("clawrack", "agent", "remove", name, "--keep-state" if keep else "--erase", "--yes"))


def _ended(key: str, name: str, *, changed: bool, as_json: bool) -> None:
    if as_json:
        show.as_json("result", Result(agent=name, changed=changed))
    else:
        here().line(say(key, name=name))
