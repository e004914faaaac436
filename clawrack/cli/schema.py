"""``clawrack schema``: the documents that the commands print as JSON, and which command prints which.

A new command takes one line in ``COMMANDS``; tests/unit/test_schema.py finds out where it is missing. After a change,
``clawrack schema --out docs/schema`` writes the pages anew.
"""

import json as encoder
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from clawrack.cli import show
from clawrack.cli.booth_bundle import Held
from clawrack.cli.common import Json, here
from clawrack.cli.completion import Script
from clawrack.cli.detect import RecognisedFor
from clawrack.cli.failing import Told
from clawrack.cli.folder import Checked, Sample
from clawrack.cli.frame import Verb, lone
from clawrack.cli.image import BuiltImage, PublishedVersion
from clawrack.cli.key import ProviderView
from clawrack.cli.logs import LogNote
from clawrack.cli.shell import ShellRan
from clawrack.installation import Environment, Installation, Upgraded
from fleet.adopt.recognise import Found
from fleet.backup.store import BackupView, RecoveryView, Restored
from fleet.base.disk import replace
from fleet.base.errors import BadInput
from fleet.base.event import Event
from fleet.bundle.form import Written
from fleet.doctor.finding import DiagnosisView
from fleet.events import Happened
from fleet.logs import LogLine
from fleet.plan_view import PlanView
from fleet.rebuild import Rebuilt
from fleet.rollout_view import RolloutView
from fleet.schema import Schema, bare, document
from fleet.talk import Answer
from fleet.views import AgentView, KeyView, MachineView, PageView, Result, Status, UsageRow
from installer.add import Added
from installer.booth.sheet import Sheet
from installer.booth.view import TicketView
from installer.cloudinit import Made
from installer.detect.verdict import Recognised
from installer.receipt.form import Receipt
from installer.several import Result as Setup

app = lone()


class Printed(msgspec.Struct, frozen=True):
    """A command and what it prints with ``--json``.

    Attributes:
        command: its words, without ``clawrack``.
        documents: by name, in the order in which they may come; of ``event`` and ``line`` there may be many or none.
    """

    command: str
    documents: tuple[str, ...]


CHANGE = {"event": Event, "result": Result}
COMMANDS: dict[str, dict[str, Any]] = {
    "setup": {"event": Event, "receipt": Receipt | None, "setups": list[Setup], "added": Added | None},
    "booth bundle": {"event": Event, "offline_bundle": Held},
    "booth desk": {"ticket": TicketView, "sheet": Sheet},
    "booth list": {"tickets": list[TicketView]},
    "booth sheet": {"sheet": Sheet},
    "detect": {"verdict": Recognised, "verdict_for": RecognisedFor},
    "agent list": {"agents": list[AgentView]},
    "agent show": {"agent": AgentView},
    "agent create": {"result": Result},
    "agent ask": {"answer": Answer},
    "agent logs": {"line": LogLine, "note": LogNote},
    "agent shell": {"shell": ShellRan},
    "agent open": {"page": PageView, "event": Event},
    "agent start": CHANGE,
    "agent stop": CHANGE,
    "agent restart": CHANGE,
    "agent remove": CHANGE,
    "machine add": {"event": Event, "added": Added | None},
    "fleet rebuild": {"event": Event, "rebuilt": list[Rebuilt]},
    "fleet import": {"imports": list[Found], "event": Event, "result": Result},
    "machine list": {"machines": list[MachineView]},
    "machine show": {"machine": MachineView},
    "machine shell": {"shell": ShellRan},
    "machine harden": CHANGE,
    "machine claim": CHANGE,
    "machine tag": {"result": Result},
    "machine drain": {"result": Result},
    "machine remove": CHANGE,
    "machine handover": {"event": Event, "receipt": Receipt | None},
    "apply": {"event": Event, "rollout": RolloutView | None},
    "upgrade": {"event": Event, "rollout": RolloutView | None},
    "rollback": {"event": Event, "rollout": RolloutView | None},
    "rollout list": {"rollouts": list[RolloutView]},
    "rollout show": {"rollout": RolloutView | None},
    "rollout pause": {"rollout": RolloutView | None},
    "rollout resume": {"event": Event, "rollout": RolloutView | None},
    "rollout abort": {"event": Event, "rollout": RolloutView | None},
    "fleet check": {"checked": Checked},
    "fleet sample": {"sample": Sample},
    "fleet schema": {"schema": dict[str, Any]},
    "status": {"status": Status},
    "events": {"happened": Happened},
    "plan": {"plan": PlanView},
    "doctor": {"event": Event, "diagnosis": DiagnosisView},
    "usage": {"usage": list[UsageRow], "silent": list[str]},
    "key set": {"key": KeyView},
    "key list": {"keys": list[KeyView], "silent": list[str]},
    "key remove": {"result": Result},
    "key providers": {"providers": list[ProviderView]},
    "image list": {"images": list[BuiltImage]},
    "image versions": {"versions": list[PublishedVersion]},
    "backup create": {"event": Event, "backups": list[BackupView]},
    "backup list": {"backups": list[BackupView]},
    "backup verify": {"backups": list[BackupView]},
    "backup restore": {"event": Event, "restored": Restored},
    "backup prune": {"backups": list[BackupView]},
    "backup key": {"recovery_key": RecoveryView},
    "support-bundle": {"event": Event, "bundle": Written},
    "schema": {"schemas": list[Printed], "schema": dict[str, Any]},
    "self show": {"installation": Installation},
    "self upgrade": {"upgraded": Upgraded},
    "self rollback": {"upgraded": Upgraded},
    "self formats": {"formats": dict[str, int]},
    "self judge": {"environment": Environment},
    "cloud-init": {"cloud_init": Made},
    "completion": {"completion": Script},
}
"""What each command prints: the name of each document, and the type of its value."""
HIDDEN = frozenset({"self formats", "self judge"})
"""Commands that another clawrack or install.sh types; people are not shown them."""
BARE = frozenset({"verdict", "verdict_for"})
"""Documents that are nothing but their value, for others print the same keys."""
EVERYWHERE = {"error": Told}
"""What any command prints, on standard error, where it ends with another code than 0."""

_PAGE = """# What `--json` prints
Every document is one line, `{"version": 1, NAME: value}` (but for a [verdict](verdict.json), which is bare), and has a
schema here (JSON Schema 2020-12), made from the structs that are printed: `clawrack schema --out docs/schema` writes
this folder anew, and `clawrack schema NAME` prints one. Within a version fields may be added to what is printed; none
is taken away, renamed, or given another meaning.

A command that changes something prints an [event](event.json) for each step while it works, and then the document that
tells how it ended. An [error](error.json) comes on standard error, and the exit code is the one in it; so do notes on
what is missing from the rest ([note](note.json), and as [silent](silent.json) machines that did not answer). A program
finds the same list in [index.json](index.json).

| command | documents |
|---|---|
"""


@app.command(cls=Verb)
def schema(
    name: Annotated[str, typer.Argument(metavar="[NAME]")] = "",
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER")] = None,
    json: Json = False,
) -> None:
    """Print the schema of a document, or say which command prints which."""
    if out:
        for file, text in pages().items():
            replace(out / file, text.encode(), 0o644)
    if name:
        _one(name, as_json=json)
    elif json:
        show.as_json("schemas", printed())
    else:
        rows = [one for one in printed() if one.command not in HIDDEN]
        show.table(rows, here(), "schema.none", ("command", "documents"))


def _one(name: str, *, as_json: bool) -> None:
    kinds = documents()
    if name not in kinds:
        raise BadInput("schema.unknown", name=name, known=", ".join(sorted(kinds)))
    found = form(name)
    if as_json:
        show.as_json("schema", found)
    else:
        here().line(_text(found).rstrip())


def documents() -> dict[str, Any]:
    """Return every document's name and the type of its value; error documents come last."""
    found: dict[str, Any] = {}
    for command, told in {**COMMANDS, "": EVERYWHERE}.items():
        for name, kind in told.items():
            if found.setdefault(name, kind) != kind:
                raise TypeError(f"{command}: {name} is another document already")
    return found


def form(name: str) -> Schema:
    """Return the schema of a document."""
    kind = documents()[name]
    return bare(name, kind) if name in BARE else document(name, kind, show.FORMAT)


def printed() -> list[Printed]:
    """Return every command and the names of its documents."""
    return [Printed(command, tuple(told)) for command, told in sorted(COMMANDS.items())]


def pages() -> dict[str, str]:
    """Return the files of docs/schema: a schema for each document, and the index for people and for programs."""
    found = {f"{name}.json": _text(form(name)) for name in documents()}
    index = {"version": show.FORMAT, "schemas": msgspec.to_builtins(printed())}
    rows = "\n".join(f"| `clawrack {one.command}` | {_links(one.documents)} |" for one in printed())
    return {**found, "index.json": _text(index), "README.md": f"{_PAGE}{rows}\n"}


def _links(names: tuple[str, ...]) -> str:
    return ", ".join(f"[{name}]({name}.json)" for name in names)


def _text(value: Schema) -> str:
    return encoder.dumps(value, indent=2, ensure_ascii=False) + "\n"
