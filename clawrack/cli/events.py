"""``clawrack events``: what happened, and with --follow what happens."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from clawrack.cli import show
from clawrack.cli.common import Json, here, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.steps import finished
from fleet import events, journal
from fleet.api import Fleet
from fleet.base import places
from fleet.base.clean import line
from fleet.base.words import find, say
from fleet.events import Happened

app = lone()
BEAT = 1.0  # seconds between two looks at the journal
LOOKS_EVERY = 5  # beats between two looks at the machines


@app.command("events", cls=Verb)
def events_(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f")] = False,
    last: Annotated[int, typer.Option("--last", min=0, metavar="N")] = 50,
    json: Json = False,
) -> None:
    """Show what happened in the fleet."""
    wanted = frozenset(names or ())
    past = [one for one in _journal() if _about(one, wanted)]
    for one in past[-last:] if last else []:
        _tell(one, as_json=json)
    if not past and not follow and not json:
        here().line(say("events.none"))
    for one in _coming(open_fleet()) if follow else ():
        if _about(one, wanted):
            _tell(one, as_json=json)


def _path() -> Path:
    return places.state() / "journal.jsonl"


def _size() -> int:
    return _path().stat().st_size if _path().exists() else 0


def _journal() -> list[Happened]:
    return list(events.told(journal.read(_path())))


def _about(one: Happened, wanted: frozenset[str]) -> bool:
    return not wanted or not wanted.isdisjoint(one.event.subject.split("/"))


def _coming(fleet: Fleet) -> Iterator[Happened]:
    """Yield what comes into the journal, whoever writes it, and what the machines look like when that changes."""
    size, known, before, beat = _size(), len(_journal()), fleet.status(), 0
    while True:
        time.sleep(BEAT)
        beat += 1
        if _size() != size:  # it is read again only when it has grown
            size, now = _size(), _journal()
            yield from now[known:]
            known = len(now)
        if beat % LOOKS_EVERY == 0:
            after = fleet.status()
            at = events.moment(time.time())
            yield from (Happened(at=at, source="look", event=one) for one in events.changes(before, after))
            before = after


def _tell(one: Happened, *, as_json: bool) -> None:
    if as_json:
        show.as_json("happened", one)
        return
    to = here()
    for row in finished(_in_words(one), to, subjects=True):
        to.line(f"{to.paint(one.at, 'dim')}  {row}" if not row.startswith("  ") else row)
    if one.why:
        to.paragraphs(line(one.why))


def _in_words(one: Happened) -> events.Event:
    """Return the event with its states as people read them."""
    params = {key: _word(key, str(value)) for key, value in one.event.params.items()}
    return msgspec.structs.replace(one.event, params=params)


def _word(key: str, value: str) -> str:
    return find(f"value.state.{value}") or value if key in {"old", "new"} else value
