"""``clawrack events``: what happened, and with --follow what happens."""

import time
from collections.abc import Iterator
from typing import Annotated

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


def _journal() -> list[Happened]:
    return list(events.told(journal.read(places.state() / "journal.jsonl")))


def _about(one: Happened, wanted: frozenset[str]) -> bool:
    return not wanted or not wanted.isdisjoint(one.event.subject.split("/"))


def _coming(fleet: Fleet) -> Iterator[Happened]:
    """Yield what comes into the journal, whoever writes it, and what the machines look like when that changes."""
    known, before, beat = len(_journal()), fleet.status(), 0
    while True:
        time.sleep(BEAT)
        beat += 1
        now = _journal()
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
    """Return the event with its states as people read them, and how it went where the line's mark does not say it."""
    params = {key: _word(key, str(value)) for key, value in one.event.params.items()}
    return events.Event(
        kind=one.event.kind, subject=one.event.subject, step=one.event.step, params=params, elapsed=one.event.elapsed
    )


def _word(key: str, value: str) -> str:
    return find(f"value.state.{value}") or value if key in {"old", "new"} else value
