"""``clawrack fleet import``: agents that somebody else made, looked at; taken over only when the person says so."""

from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli import show
from clawrack.cli.asking import sure
from clawrack.cli.common import Json, Yes, here, listening, open_fleet
from clawrack.cli.terminal import Terminal
from fleet.base.clean import line
from fleet.base.errors import BadInput
from fleet.base.words import say
from fleet.views import Result

if TYPE_CHECKING:
    from fleet.adopt.recognise import Found
    from fleet.api import Fleet

_MIB = 1 << 20
_MAKERS = {
    "compose": "docker compose",
    "openclaw-fleet": "openclaw fleet",
    "unraid": "Unraid",
    "portainer": "Portainer",
}
"""What can start a container again, as it is called in every language."""


def import_(  # noqa: PLR0913 - all but the first two are options
    machine: Annotated[str, typer.Argument(metavar="MACHINE")],
    containers: Annotated[list[str] | None, typer.Argument(metavar="[CONTAINER]…")] = None,
    *,
    name: Annotated[str, typer.Option("--name", metavar="NAME")] = "",
    take_over: Annotated[bool, typer.Option("--take-over")] = False,
    with_key: Annotated[bool, typer.Option("--with-key")] = False,
    without_channels: Annotated[bool, typer.Option("--without-channels")] = False,
    undo: Annotated[bool, typer.Option("--undo")] = False,
    forget: Annotated[bool, typer.Option("--forget")] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Look at agents on a machine that clawrack did not make; take one over, or give it back."""
    if take_over + undo + forget > 1:
        raise BadInput("import.one_at_a_time")
    fleet = open_fleet()
    if forget:
        _forget(fleet, machine, containers or [], json=json)
        return
    found = fleet.foreign(machine, containers or ())
    if name:
        found = [_renamed(fleet, _one(found), name)]
    if take_over:
        terms = (with_key, without_channels)
        _take_over(fleet, _one(found), terms, yes=yes, json=json)
    elif undo:
        _give_back(fleet, _one(found), yes=yes, json=json)
    elif json:
        show.as_json("imports", found)
    else:
        _tell(found, machine, here())


def _one(found: "list[Found]") -> "Found":
    """Return the one that is meant."""
    if len(found) != 1:
        raise BadInput("import.which", known=", ".join(one.container for one in found) or "-")
    return found[0]


def _renamed(fleet: "Fleet", found: "Found", name: str) -> "Found":
    from msgspec import structs  # noqa: PLC0415 - a help page does not wait for it

    fleet.rename_watched(found.name, name)
    return structs.replace(found, name=name)


def _take_over(fleet: "Fleet", found: "Found", agreed: tuple[bool, bool], *, yes: bool, json: bool) -> None:
    from fleet.api.adopting import Terms, check  # noqa: PLC0415 - a help page does not wait for it

    terms = Terms(*agreed)
    if not found.taken:
        check(found, terms)
        command = f"clawrack fleet import {found.machine} {found.container} --take-over --yes"
        if not json and not yes:
            _tell_one(found, here())
        sure(found.name, "import.take_sure", command, yes=yes or json)
    with listening(as_json=json) as listener:
        changed = fleet.take_over(found.name, terms, listener)
    if json:
        show.as_json("result", Result(agent=found.name, changed=changed))
        return
    key = "import.said.taken" if terms.key else "import.said.taken_practice"
    here().paragraphs(say(key, name=found.name, container=found.container, machine=found.machine))


def _give_back(fleet: "Fleet", found: "Found", *, yes: bool, json: bool) -> None:
    command = f"clawrack fleet import {found.machine} {found.container} --undo --yes"
    sure(found.name, "import.undo_sure", command, yes=yes or json)
    with listening(as_json=json) as listener:
        kept = fleet.give_back(found.name, listener)
    if json:
        show.as_json("result", Result(agent=found.name, changed=True))
        return
    here().paragraphs(say("import.said.back", container=found.container))
    if kept:
        here().paragraphs(say("import.said.kept", kept=line(kept)))


def _forget(fleet: "Fleet", machine: str, words: list[str], *, json: bool) -> None:
    """Forget one; it may be gone already, so it is not looked at."""
    if len(words) != 1:
        raise BadInput("import.which", known=", ".join(fleet.watched()) or "-")
    name = fleet.forget_watched(machine, words[0])
    if json:
        show.as_json("result", Result(agent=name, changed=True))
    else:
        here().paragraphs(say("import.said.forgotten", container=line(words[0])))


def _tell(found: "list[Found]", machine: str, to: Terminal) -> None:
    if not found:
        to.paragraphs(say("import.none", machine=machine))
        return
    for one in found:
        _tell_one(one, to)
        to.line()
    untouched = [one for one in found if not one.taken]
    if untouched:
        to.paragraphs(say("import.said.untouched"))
        to.line(f"clawrack fleet import {machine} {untouched[0].container} --take-over")


def _tell_one(found: "Found", to: Terminal) -> None:
    """Say what was found; what a person ought to know first comes last, where it is read."""
    to.line(to.paint(say("import.head", name=found.name, container=found.container), "bold"))
    facts = {
        "kind": f"{found.kind} {found.version}".strip(),
        "image": found.image,
        "state": found.state,
        "kept": say(f"import.kept.{found.kept}", source=found.source),
        "size": "-" if found.bytes is None else f"{found.bytes / _MIB:.1f} MB",
        "made_by": say(f"import.by.{found.supervisor}", project=found.project or "-", restart=found.restart),
        "model": found.model or "-",
        "keys": ", ".join(_key(one.where, one.name) for one in found.keys) or "-",
        "channels": ", ".join(found.channels) or "-",
        "ports": ", ".join(f"{one.at or '*'}:{one.port}" for one in found.ports) or "-",
    }
    for label, value in facts.items():
        to.paragraphs(f"  {to.paint(say(f'import.fact.{label}'), 'dim')} {line(value, 400)}")
    for warning in _warnings(found):
        to.paragraphs(f"{to.paint('!', 'warn')} {warning}")


def _key(where: str, name: str) -> str:
    return say(f"import.key.{where}", name=name)


def _warnings(found: "Found") -> list[str]:
    world = [f"{one.at or '*'}:{one.port}" for one in found.ports if one.world]
    told: dict[str, tuple[bool, dict[str, str]]] = {
        "import.warn.world": (bool(world), {"ports": ", ".join(world)}),
        "import.warn.key": (any(one.where == "environment" for one in found.keys), {}),
        "import.warn.privileged": (found.privileged, {}),
        "import.warn.layer": (found.kept == "container", {}),
        "import.warn.channels": (bool(found.channels), {"channels": ", ".join(found.channels)}),
        "import.warn.comes_back": (found.taken and found.state == "running", {}),
        "import.warn.maker": (found.supervisor in _MAKERS, {"maker": _MAKERS.get(found.supervisor, "")}),
    }
    return [say(key, **params) for key, (holds, params) in told.items() if holds]
