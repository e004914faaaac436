"""What every page is: a title, the fleet in one line, its body, a line to type into, and what keys do."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from fleet.base.words import say
from tui.bars import Bar, Part, Prompt, fleet_line, hints
from tui.keys import motion, shown, typed
from tui.state.actions import Action, Place, by_key, lacking, offered
from tui.state.rows import Row
from tui.state.store import Delta

if TYPE_CHECKING:
    from tui.app import FleetApp

LEAST = (60, 16)  # cells, rows: less shows nothing worth acting on


class Page(Screen[None]):
    """A page; its keys come from the registry."""

    place: ClassVar[Place] = "any"
    first: ClassVar[tuple[str, ...]] = ()
    """Actions whose keys are told before others."""
    ready = False
    """Whether it is composed; before that nothing can be shown, and keys do nothing."""

    @property
    def fleet(self) -> "FleetApp":
        """The app."""
        return cast("FleetApp", self.app)  # pyright: ignore[reportUnknownMemberType] - App is generic there

    # ---- what a page says of itself --------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Yield what stands between the lines."""
        yield from ()

    def crumbs(self) -> str:
        """Return the page's name."""
        return ""

    def badges(self) -> Sequence[Part]:
        """Return what else stands in the title: how many are shown or marked."""
        return ()

    def rows(self) -> list[Row]:
        """Return the rows that an action is for: the marked ones, else the one under the cursor."""
        return []

    def row(self) -> Row | None:
        """Return the row that decides what a key does."""
        return next(iter(self.rows()), None)

    def heard(self, delta: Delta) -> None:
        """Show what changed."""

    def renew(self) -> None:
        """Show everything again: the page is on top again."""

    def move(self, name: str) -> bool:
        """Move by a motion of tui/keys.py; return whether it means something here."""
        del name
        return False

    # ---- the lines -------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Yield the lines and the body."""
        yield Bar(id="title")
        yield Bar(id="trouble")
        yield Bar(id="summary")
        yield from self.body()
        yield Prompt()
        yield Bar(id="hints")
        yield Static(say("screen.too_small", columns=LEAST[0], rows=LEAST[1]), id="small", markup=False)

    @property
    def prompt(self) -> Prompt:
        """The line to type into."""
        return self.query_one(Prompt)

    def lines(self) -> None:
        """Show the title, the fleet in one line, and the keys."""
        if not self.ready:
            return
        left = [Part(" clawrack ", "bold $primary"), Part(f" {self.crumbs()} ", "bold")]
        self.query_one("#title", Bar).put(left, self._right())
        trouble = self.query_one("#trouble", Bar)
        text = self.fleet.summary.trouble
        trouble.display = bool(text)
        trouble.put([Part(f" {text if self.fleet.wiring.hands is None else say('screen.trouble', text=text)}")])
        self.query_one("#summary", Bar).put(fleet_line(self.fleet.summary, self.size.width - 1))
        self.query_one("#hints", Bar).put(hints(self.keys(), self.size.width - 1))

    def _right(self) -> list[Part]:
        fleet = self.fleet
        modes = {"replay": fleet.wiring.hands is None, "read_only": fleet.read_only, "paused": fleet.paused}
        told = [Part(say(f"screen.badge.{name}"), "$warning") for name, on in modes.items() if on]
        spaced = [piece for part in (*self.badges(), *told) for piece in (part, Part("  "))]
        return [*spaced, Part(time.strftime("%H:%M:%S", fleet.wall(fleet.clock())), "$text-muted")]

    def actions(self) -> list[Action]:
        """Return what the registry offers here, as far as this page or the app does it."""
        return [one for one in offered(self.place, read_only=self.fleet.read_only) if self._does(one)]

    def _does(self, action: Action) -> bool:
        name = f"do_{action.id}"
        return hasattr(self, name) or hasattr(self.fleet, name) or bool(action.run)

    def keys(self) -> list[tuple[str, str]]:
        """Return the keys that do something here and now, with their labels; help comes last."""
        row = self.row()
        there = [one for one in self.actions() if one.keys and one.applies(row)]
        order = [*self.first, *(one.id for one in there)]
        there.sort(key=lambda one: (one.id == "help", order.index(one.id)))
        return [(shown(min(one.keys, key=len)), one.label) for one in there]

    # ---- what comes in ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Show what there is."""
        self._measure()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.ready = True
        self.renew()
        self.lines()

    def on_screen_resume(self) -> None:
        """Show what happened meanwhile."""
        if self.ready:
            self.call_after_refresh(self._begin)

    def on_resize(self) -> None:
        """Say so where the window is too small, and fit the lines."""
        self._measure()
        if self.ready:
            self.call_after_refresh(self._begin)

    def _measure(self) -> None:
        size = self.fleet.size
        self.set_class(size.width < LEAST[0] or size.height < LEAST[1], "-small")

    def tick(self, delta: Delta) -> None:
        """Show what changed since the last tick."""
        if self.ready:
            self.heard(delta)
            self.lines()

    def on_key(self, event: events.Key) -> None:
        """Move, or do what the registry has for the key."""
        if not self.ready or self.prompt.display:
            return
        key = typed(event)
        name = motion(key)
        if name and self.move(name):
            event.stop()
            event.prevent_default()
            return
        action = by_key(key, self.row(), self.place, read_only=self.fleet.read_only)
        if action:
            event.stop()
            event.prevent_default()
            self.fleet.do(action)
        else:
            self._tell_why_not(key)

    def _tell_why_not(self, key: str) -> None:
        action = lacking(key, self.place, read_only=self.fleet.read_only)
        if action and self._does(action):
            self.fleet.tell_why_not(action, self.rows())

    def wants(self, action: Action) -> bool:
        """Do an action of the page's own; return whether it is one."""
        act = getattr(self, f"do_{action.id}", None)
        if act:
            act()
        return bool(act)
