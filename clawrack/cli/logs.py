"""``agent logs``: what agents wrote and write, of one or of many, each line with its agent's name."""

import itertools
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from clawrack.cli import failing, show
from clawrack.cli.failing import INTERRUPTED
from clawrack.cli.terminal import Terminal, terminal
from fleet.base.cells import pad, width
from fleet.base.clean import line
from fleet.base.errors import BadInput, ClawrackError
from fleet.base.words import say
from fleet.moments import moment

if TYPE_CHECKING:
    from fleet.api import Fleet
    from fleet.logs import LogLine, Note
    from fleet.model import Wish

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME…]")]
Every = Annotated[bool, typer.Option("--all")]
OnMachine = Annotated[str, typer.Option("--machine", metavar="MACHINE")]
Follow = Annotated[bool, typer.Option("--follow", "-f")]
Tail = Annotated[str, typer.Option("--tail", metavar="LINES")]
Since = Annotated[str, typer.Option("--since", metavar="TIME")]
Until = Annotated[str, typer.Option("--until", metavar="TIME")]
Grep = Annotated[str, typer.Option("--grep", metavar="TEXT")]
Regex = Annotated[bool, typer.Option("--regex")]
Stamps = Annotated[bool, typer.Option("--timestamps", "-t")]

_ONE, _EACH = 100, 20  # lines to begin with, of one agent alone and of each of several
_COLOURS = ("36", "32", "35", "34", "33", "96", "92", "95", "94", "93")
_MATCH = "1;33"


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed."""

    names: Sequence[str]
    every: bool
    machine: str
    follow: bool
    tail: str
    since: str
    until: str
    grep: str
    regex: bool
    timestamps: bool
    json: bool


class LogNote(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a log that is no line of it, on standard error.

    Attributes:
        key: says what it is, whatever the language.
        text: for a person.
    """

    agent: str
    machine: str
    key: str
    text: str


def run(fleet: "Fleet", typed: Typed) -> None:
    """Print what was asked for.

    Raises:
        BadInput: it cannot be asked for.
        Exit: 130 at Ctrl-C; another code than 0 where one of several logs could not be read.
    """
    from fleet.logs import Asked, Span  # noqa: PLC0415 - a help page does without

    names = _names(fleet.wish(), typed)
    pattern = _pattern(typed)
    span = Span(_tail(typed, len(names)), *_times(typed))
    asked = Asked(typed.follow, span, _finder(pattern))
    ears = _Ears(alone=len(names) == 1, json=typed.json)
    if typed.json:
        printed: Callable[[LogLine], None] = lambda found: show.as_json("line", found)  # noqa: E731 - one of two
    else:
        printed = _Page(terminal(sys.stdout), names, pattern, timestamps=typed.timestamps).print
    shown = False
    try:
        for found in fleet.logs_of(names, asked, ears):
            shown = True
            printed(found)
    except KeyboardInterrupt:  # the usual way to end it
        raise typer.Exit(INTERRUPTED) from None
    if ears.code:
        raise typer.Exit(ears.code)
    if not shown and not typed.json:
        _nothing(typed)


def _nothing(typed: Typed) -> None:
    """Say that there was no line to print, where nothing else would be said."""
    to = terminal(sys.stderr)
    to.line(f"{to.paint('·', 'dim')} {say('logs.no_hit' if typed.grep else 'logs.no_line', text=typed.grep)}")


def _names(wish: "Wish", typed: Typed) -> list[str]:
    if sum((bool(typed.names), typed.every, bool(typed.machine))) != 1:
        raise BadInput("logs.whose")
    if typed.machine and typed.machine not in wish.machines:
        raise BadInput("fleet.no_machine", machine=typed.machine)
    chosen = typed.names or [n for n, a in sorted(wish.agents.items()) if typed.every or a.machine == typed.machine]
    if not chosen:
        raise BadInput("logs.nobody", machine=typed.machine or "-")
    return list(dict.fromkeys(chosen))


def _pattern(typed: Typed) -> re.Pattern[str] | None:
    if typed.regex and not typed.grep:
        raise BadInput("logs.regex_of_what")
    try:
        return re.compile(typed.grep if typed.regex else re.escape(typed.grep)) if typed.grep else None
    except (re.error, OverflowError, RecursionError) as error:
        at = error.pos if isinstance(error, re.error) else 0
        raise BadInput("logs.bad_regex", text=typed.grep, column=(at or 0) + 1, whose=_whose(typed)) from error


def _finder(pattern: re.Pattern[str] | None) -> Callable[[str], bool]:
    return (lambda text: bool(pattern.search(text))) if pattern else lambda _: True


def _tail(typed: Typed, agents: int) -> int | None:
    """Return how many lines to begin with; a search, or a time, asks for all that there is."""
    if typed.tail == "all" or (not typed.tail and (typed.since or typed.grep)):
        return None
    if not typed.tail:
        return _ONE if agents == 1 else _EACH
    if not typed.tail.isascii() or not typed.tail.isdecimal() or len(typed.tail) > len("999999999"):
        raise BadInput("logs.bad_tail", text=typed.tail, whose=_whose(typed))
    return int(typed.tail)


def _times(typed: Typed) -> tuple[int | None, int | None]:
    """Return from when and until when, in nanoseconds since 1970.

    Raises:
        BadInput: one is no time, or the end is before the beginning.
    """
    now = datetime.now().astimezone()
    try:
        since, until = _nanoseconds(typed.since, "--since", now), _nanoseconds(typed.until, "--until", now)
    except BadInput as error:
        told = {name: str(value) for name, value in error.params.items()}
        raise BadInput(error.key, where="", **told, whose=_whose(typed)) from error
    if since is not None and until is not None and until < since:
        raise BadInput("logs.upside_down", since=typed.since, until=typed.until, command=_turned(typed))
    return since, until


def _turned(typed: Typed) -> str:
    return f"clawrack agent logs {_whose(typed)} {shlex.join(('--since', typed.until, '--until', typed.since))}"


def _nanoseconds(text: str, option: str, now: datetime) -> int | None:
    if not text:
        return None
    told = moment(text, now, option).timestamp()
    if told < 0:
        raise BadInput("logs.bad_time", option=option, text=text)
    return int(told * 1_000_000) * 1000


def _whose(typed: Typed) -> str:
    """Return whose logs were asked for, as it was typed."""
    return "--all" if typed.every else shlex.join(("--machine", typed.machine) if typed.machine else typed.names)


class _Page:
    """Lines for a person.

    Args:
        to: where to.
        names: of all agents; of one alone the name is left out.
        pattern: what is found is shown.
        timestamps: begin each line with its time, in this computer's time zone.
    """

    def __init__(
        self, to: Terminal, names: Sequence[str], pattern: re.Pattern[str] | None, *, timestamps: bool
    ) -> None:
        self._to = to
        self._pattern = pattern if to.colour else None
        self._timestamps = timestamps
        wide = max(map(width, names))
        colours = dict(zip(sorted(names), itertools.cycle(_COLOURS)))
        self._heads = {name: self._paint(pad(name, wide), colours[name]) + "  " for name in names if len(names) > 1}

    def print(self, found: "LogLine") -> None:
        """Print one."""
        at = self._to.paint(_local(found.at), "dim") + "  " if self._timestamps else ""
        text = self._pattern.sub(self._match, found.line) if self._pattern else found.line
        self._to.line(f"{self._heads.get(found.agent, '')}{at}{text}")

    def _match(self, found: re.Match[str]) -> str:
        return self._paint(found.group(), _MATCH) if found.group() else ""

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._to.colour else text


def _local(at: str) -> str:
    """Return an engine's time in our time zone, to the millisecond, or dashes where it told none."""
    try:
        told = datetime.fromisoformat(at[:19] + "+00:00").astimezone()
    except ValueError:
        return "-" * len("2026-11-21T10:00:00.000+00:00")
    return told.replace(microsecond=int(f"{at[20:23].rstrip('Z'):0<3}") * 1000).isoformat(timespec="milliseconds")


class _Ears:
    """Tells on standard error what is no line."""

    def __init__(self, *, alone: bool, json: bool) -> None:
        self._alone = alone
        self._json = json
        self.code = 0

    def __call__(self, note: "Note") -> None:
        if note.error and note.last:
            if self._alone:
                raise note.error
            self.code = self.code or note.error.exit_code
        if self._json:
            self._as_json(note)
        elif note.error:
            for row in self._error(note, note.error):
                print(row, file=sys.stderr, flush=True)
        else:
            to = terminal(sys.stderr)
            to.line(f"{to.paint('·', 'dim')} {_text(note)}")

    def _error(self, note: "Note", error: ClawrackError) -> list[str]:
        rows = failing.lines(error, terminal(sys.stderr))
        return rows if note.last else [*rows[:1], f"  {say('logs.trying', agent=note.agent)}"]

    def _as_json(self, note: "Note") -> None:
        text = line(str(note.error)) if note.error else _text(note)
        key = note.error.key if note.error else note.key
        told = LogNote(agent=note.agent, machine=note.machine, key=key, text=text)
        print(show.json_line({"version": show.FORMAT, "note": msgspec.to_builtins(told)}), file=sys.stderr, flush=True)


def _text(note: "Note") -> str:
    return say(note.key, agent=note.agent, machine=note.machine, **dict(note.params))
