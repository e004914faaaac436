"""The palette: every action with its key and whether it can be done now, and every row, found by a few letters."""

from collections.abc import Iterator

from fleet.base.words import say
from tui.keys import shown
from tui.screens.choose import Choice, Choose
from tui.screens.page import Page
from tui.state.actions import ACTIONS, Action, find, offered

_ROW, _ACTION = "row:", "do:"


class Shown(Choose):
    """The palette of a page."""

    def __init__(self, page: Page) -> None:
        super().__init__(say("screen.act.palette"))
        self._page = page

    def choices(self, words: str) -> list[Choice]:
        """Return actions and rows whose names have these letters in this order; the best first."""
        every = [*self._actions(), *self._rows()] if words else list(self._actions())
        scored = [(min(score(words, one.text), score(words, _id(one))), place, one) for place, one in enumerate(every)]
        scored.sort(key=lambda item: (not item[2].usable, item[0], item[1]))
        return [one for points, _, one in scored if points < _NEVER]

    def _actions(self) -> Iterator[Choice]:
        place = self._page.place
        row = self._page.row()
        rows = self._page.rows()
        usable = {one.id for one in offered(place, read_only=self.fleet.read_only) if one.applies(row)}
        for one in ACTIONS:
            if one.place in {place, "any"} or one.run:
                name = f" {rows[0].name}" if one.run and len(rows) == 1 else ""
                can = one.id in usable or bool(one.run and one.applies(row) and self._allowed(one))
                yield Choice(_ACTION + one.id, f"{one.label}{name}", self._beside(one), usable=can)

    def _allowed(self, action: Action) -> bool:
        return find(action.id, read_only=self.fleet.read_only) is not None

    def _beside(self, action: Action) -> str:
        if not self._allowed(action):
            return say("screen.badge.read_only")
        told = [say(f"screen.tier.{action.tier}")] if action.tier else []
        return "  ".join([*told, *(shown(key) for key in sorted(action.keys, key=len)[:1])])

    def _rows(self) -> Iterator[Choice]:
        for row in self.fleet.store.rows.values():
            yield Choice(_ROW + row.id, row.id, say("screen.act.show"))

    def choose(self) -> None:
        """Close, and do it or open the row."""
        chosen = self.grid.cursor
        if not chosen or not self._found[chosen].usable:
            return
        fleet = self.fleet
        self.dismiss(None)
        kind, _, name = chosen.partition(":")
        action = find(name, read_only=fleet.read_only)
        if f"{kind}:" == _ROW:
            fleet.call_later(fleet.show, "detail", name)
        elif action:
            fleet.call_later(fleet.do, action)


_NEVER = 10**6


def _id(one: Choice) -> str:
    """Return the name by which a choice is found in any language."""
    return one.id.partition(":")[2]


def score(words: str, text: str) -> int:
    """Return how far a text is from what was typed: 0 begins with it, then holds it, then has its letters in order."""
    wanted, there = words.casefold().strip(), text.casefold()
    if there.startswith(wanted):
        return 0
    if wanted in there:
        return 1 + there.index(wanted)
    at = -1
    for letter in wanted:
        at = there.find(letter, at + 1)
        if at < 0:
            return _NEVER
    return 1000 + at
