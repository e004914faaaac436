"""Every key of a page, made from the registry."""

from collections.abc import Iterator
from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult

from fleet.base.words import say
from tui.keys import MOTIONS, shown
from tui.lines import Line
from tui.screens.page import Page
from tui.screens.text import TextPage
from tui.state.actions import Action, Place
from tui.textview import TextView

_MOVES: dict[Place, tuple[str, ...]] = {
    "table": ("up", "down", "page_up", "page_down", "top", "end", "range"),
    "text": ("up", "down", "page_up", "page_down", "top", "end", "left", "right", "wrap"),
    "any": (),
}


def lines(about: Page) -> Iterator[Line]:
    """Yield the keys of a page and what they do; then what has no key."""
    place, actions = about.place, about.actions()
    if about.fleet.read_only:
        yield Line("", say("screen.read_only_help"), "warn")
    for own in (place, "any"):
        there = [one for one in actions if one.place == own and one.keys]
        if there:
            yield from (Line("", ""), Line("", say(f"screen.keys.{own}"), "strong"))
            yield from (_line(list(same)) for _, same in groupby(there, lambda one: one.keys))
    yield from (Line("", ""), Line("", say("screen.keys.moving"), "strong"))
    for move in _MOVES[place]:
        yield Line(" ".join(map(shown, MOTIONS[move])), say(f"screen.move.{move}"))
    rest = [one for one in actions if not one.keys]
    if rest:
        yield from (Line("", ""), Line("", say("screen.keys.none"), "strong"))
        yield from (Line(one.label, f"{one.help}{_tier(one)}") for one in rest)


def _line(actions: list[Action]) -> Line:
    """Return the line of one key: what it does, by the row."""
    told = " · ".join(f"{one.label}: {one.help}" for one in actions)
    return Line(" ".join(map(shown, actions[0].keys)), told + _tier(actions[0]))


def _tier(action: Action) -> str:
    return f"  ({say(f'screen.tier.{action.tier}')})" if action.tier else ""


class Shown(TextPage):
    """The page of help about another page."""

    name_key: ClassVar[str] = "screen.act.help"

    def __init__(self, about: Page) -> None:
        super().__init__()
        self._about = about

    def body(self) -> ComposeResult:
        """Yield the text."""
        yield TextView(id="text")

    def renew(self) -> None:
        """Show the keys."""
        self.text.show(lines(self._about))
