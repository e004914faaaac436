"""``fleet check``, ``fleet sample`` and ``fleet schema``: the fleet's files, for those who write them."""

import json as encoder
from typing import Annotated

import msgspec
import typer

import templates
from clawrack.cli import show
from clawrack.cli.common import Json, here
from fleet.base.errors import BadInput
from fleet.base.words import language, say

FILES = {"fleet": "fleet.yaml", "machine": "machines/rack-a-01.yaml", "agent": "agents/helper.yaml"}
"""The sample of each sort of file, below templates/fleet/LANGUAGE."""
Which = Annotated[str, typer.Argument(metavar="[fleet|machine|agent]")]


class Sample(msgspec.Struct, frozen=True):
    """An example of one of the fleet's files.

    Attributes:
        file: where such a file lies in the fleet's folder.
        text: what stands in it.
    """

    file: str
    text: str


class Checked(msgspec.Struct, frozen=True):
    """What a fleet's folder holds, all of which has a meaning.

    Attributes:
        folder: where it is.
        machines, agents, groups: how many.
        beyond: agents that are members of a group which has fewer now.
    """

    folder: str
    machines: int
    agents: int
    groups: int
    beyond: tuple[str, ...] = ()


def check(*, json: Json = False) -> None:
    """Read all of the fleet's files, and say what is wrong and where."""
    from fleet import folder, load  # noqa: PLC0415 - a help page does not wait for them

    at = load.default_folder()
    wish = folder.check(at)
    found = Checked(str(at), len(wish.machines), len(wish.agents), len(wish.groups), tuple(wish.beyond))
    if json:
        show.as_json("checked", found)
        return
    told = msgspec.to_builtins(found)
    here().paragraphs(say("folder.checked", **told))
    for name, agent in wish.beyond.items():
        here().paragraphs(say("folder.beyond", agent=name, group=agent.group))


def sample(which: Which = "fleet", *, json: Json = False) -> None:
    """Print a commented example of a file."""
    _known(which)
    text = templates.text("fleet", language(), FILES[which])
    shown = asleep(text) if which == "fleet" else text
    if json:
        show.as_json("sample", Sample(FILES[which], shown))
    else:
        here().line(shown.rstrip())


def asleep(text: str) -> str:
    """Return an example whose values are comments: what is taken as it is changes nothing."""
    return "".join(
        row if row.startswith("#") or not row.strip() else f"#{row}" for row in text.splitlines(keepends=True)
    )


def schema(which: Which = "fleet", *, json: Json = False) -> None:
    """Print the JSON Schema of a file, for editors."""
    from fleet.groups_file import FleetFile  # noqa: PLC0415 - a help page does not wait for them
    from fleet.model import Agent, Machine  # noqa: PLC0415 - likewise
    from fleet.schema import of_file  # noqa: PLC0415 - likewise

    _known(which)
    kinds: dict[str, type[msgspec.Struct]] = {"fleet": FleetFile, "machine": Machine, "agent": Agent}
    found = of_file(FILES[which], kinds[which], inherits=which == "agent")
    if json:
        show.as_json("schema", found)
    else:
        here().line(encoder.dumps(found, indent=2, ensure_ascii=False))


def _known(which: str) -> None:
    if which not in FILES:
        raise BadInput("folder.no_file", name=which, known=", ".join(FILES))
