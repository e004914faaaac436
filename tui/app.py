"""The screen: it pulls what changed from the store a few times in a second, and does what the registry names."""

import asyncio
import os
import queue
import shlex
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.app import App

from fleet.base.clean import clean
from fleet.base.disk import replace
from fleet.base.errors import ClawrackError
from fleet.base.places import state
from fleet.base.words import say
from tui.jobs import Jobs
from tui.state.actions import Action, Asked, ask, find, why_not
from tui.state.heard import Ended, Message
from tui.state.rows import AgentRow, Row
from tui.state.store import Store
from tui.state.summary import Summary
from tui.wiring import NIGHT, Wiring

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui.screens.page import Page

HOME = 2  # screens: Textual's own first one, and the fleet
TICK = 0.25  # seconds
LONGEST = 1000  # characters of a sentence that is shown for some seconds
AGAIN = 4.0  # seconds in which a second Esc on the first page leaves
SLOW_TICK = 1.0  # at the end of somebody's SSH connection
_SEVERE = {"done": "information", "already": "information", "failed": "error", "unknown": "warning"}


class FleetApp(App[None]):
    """The screen of a fleet."""

    CSS_PATH = Path(__file__).with_name("clawrack.tcss")
    ENABLE_COMMAND_PALETTE = False
    TITLE = "clawrack"

    def __init__(self, wiring: Wiring) -> None:
        # Without colours the terminal's own are used, and only they.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.register_theme(NIGHT)
        self.theme = NIGHT.name
        self.wiring = wiring
        self.store = Store()
        self.clock = wiring.clock
        self.read_only = wiring.read_only or wiring.hands is None
        self.paused = False
        self.summary = Summary()
        self._coming: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._source = wiring.source(self._coming.put)
        self._jobs = Jobs(wiring.hands, self._coming.put, wiring.clock, wiring.foreseen)
        self._keep = wiring.keep
        self.put = self._coming.put
        self._epoch = time.time() - wiring.clock()
        self._back_at = float("-inf")

    # ---- life ------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Show the fleet and begin to listen."""
        self.show("fleet")
        self.set_interval(SLOW_TICK if os.environ.get("SSH_TTY") else TICK, self.pull)
        self._source.start()

    def on_unmount(self) -> None:
        """Ask no machine any more."""
        self._source.stop()

    def pull(self) -> None:
        """Hear all that came, and let the page on top show what changed."""
        while True:
            try:
                message = self._coming.get_nowait()
            except queue.Empty:
                break
            self._hear(message)
        if self.paused or not self.is_running or not self.is_page_on_top:
            return
        delta = self.store.take(self.clock())
        self.summary = delta.summary
        self.page.tick(delta)

    def _hear(self, message: Message) -> None:
        self.store.hear(message)
        if self._keep:
            self._kept(message)
        if isinstance(message, Ended):
            self.tell_end(message)
            self._source.urge(message.subject.partition("/")[0])

    def _kept(self, message: Message) -> None:
        """Record a message; where that fails, once, the screen goes on without."""
        try:
            cast("Callable[[Message], None]", self._keep)(message)
        except ClawrackError as error:
            self._keep = None
            self.tell(str(error), "error")

    def _fatal_error(self) -> None:
        """End without a picture of the program's inside, which may hold what nobody should see; the door tells."""
        self._close_messages_no_wait()

    @property
    def failure(self) -> BaseException | None:
        """What ended the app, where nobody wanted it."""
        return self._exception

    # ---- pages -----------------------------------------------------------------------------------------------------

    @property
    def is_page_on_top(self) -> bool:
        """Whether no dialog is open."""
        return hasattr(self.screen, "tick")

    @property
    def page(self) -> "Page":
        """The page that is open; dialogs are above it."""
        return cast("Page", next(one for one in reversed(self.screen_stack) if hasattr(one, "tick")))

    def show(self, name: str, *words: object) -> None:
        """Open a page or a dialog: the class `Shown` of a module of tui/screens, imported now."""
        made: Screen[None] = import_module(f"tui.screens.{name}").Shown(*words)
        self.push_screen(made)

    def wall(self, at: float) -> time.struct_time:
        """Return the local time of a moment on the store's clock."""
        return time.localtime(self._epoch + at)

    # ---- actions ---------------------------------------------------------------------------------------------------

    def do(self, action: Action, rows: Sequence[Row] | None = None) -> None:
        """Do an action: the page's, the app's, or one that reaches machines."""
        if rows is None and self.page.wants(action):
            return
        own = getattr(self, f"do_{action.id}", None)
        if own:
            own()
        elif action.run:
            self.do_to(action, list(rows or self.page.rows()))

    def do_to(self, action: Action, rows: Sequence[Row]) -> None:
        """Do an action to rows, after its dialog where its tier wants one."""
        asked = ask(action, rows if action.many else rows[:1], self.clock())
        if not asked.targets:
            self.tell_why_not(action, rows)
        elif asked.tier > 1:
            self.push_screen(import_module("tui.screens.confirm").Shown(asked), lambda yes: self._go(asked, yes))
        else:
            self._go(asked, yes=True)

    def _go(self, asked: Asked, yes: bool | None) -> None:
        rows = [self.store.rows[row] for row in asked.targets if row in self.store.rows]
        if yes and rows:
            self._jobs.begin(asked.action, rows)
            self.pull()

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a sentence for some seconds, cleaned: a recording may hold any."""
        self.notify(clean(text, LONGEST), severity=severity, markup=False)  # pyright: ignore[reportArgumentType] - one of the three

    def tell_why_not(self, action: Action, rows: Sequence[Row]) -> None:
        """Show why an action is done to none of these rows."""
        self.tell(why_not(action, rows, self.clock()), "warning")

    def tell_end(self, message: Ended) -> None:
        """Show how an action ended."""
        action = find(message.action)
        name = message.subject.rpartition("/")[2]
        text = say(f"screen.ended.{message.outcome}", action=action.label if action else message.action, name=name)
        self.tell(f"{text} {message.text}".strip(), _SEVERE.get(message.outcome, "information"))

    def do_logs(self) -> None:
        """Follow the logs of the rows."""
        agents = [row for row in self.page.rows() if isinstance(row, AgentRow)]
        if agents and self.wiring.hands:
            self.show("logs", agents)

    def do_ask(self) -> None:
        """Ask the agent."""
        row = self.page.row()
        if row:
            self.show("ask", row)

    def do_open(self) -> None:
        """Open the agent's own page."""
        row = self.page.row()
        if row:
            self.show("opened", row)

    def do_shell(self) -> None:
        """Leave the screen for a shell, and come back."""
        action, row = find("shell"), self.page.row()
        if action and row:
            with self.suspend():
                self.wiring.run(shlex.split(action.cli(row))[1:])
            self.refresh()

    def do_all(self) -> None:
        """Show machines and their agents."""
        self._home("all")

    def do_agents(self) -> None:
        """Show agents only."""
        self._home("agents")

    def do_machines(self) -> None:
        """Show machines only."""
        self._home("machines")

    def _home(self, scope: str) -> None:
        while len(self.screen_stack) > HOME:
            self.pop_screen()
        getattr(self.page, f"do_{scope}")()

    # ---- what is the same on every page ----------------------------------------------------------------------------

    def do_help(self) -> None:
        """Show every key of the page."""
        self.show("help", self.page)

    def do_palette(self) -> None:
        """Find an action or a row by its name."""
        self.show("palette", self.page)

    def do_events(self) -> None:
        """Show what happened."""
        if self.page.name != "events":
            self.show("events")

    def do_cli(self) -> None:
        """Show the commands that do the same."""
        self.show("cli", self.page)

    def do_pause(self) -> None:
        """Leave the page as it is, or go on."""
        self.paused = not self.paused
        self.page.lines()

    def do_refresh(self) -> None:
        """Ask the machines now."""
        self._source.urge()
        self.tell(say("screen.refreshing"))

    def do_save(self) -> None:
        """Save what is shown as text."""
        strips = self.screen._compositor.render_strips()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - no public way
        text = "\n".join(strip.text.rstrip() for strip in strips) + "\n"
        path = state() / "screens" / time.strftime("%Y%m%d-%H%M%S.txt")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace(path, text.encode())
        self.tell(say("screen.saved", path=path))

    def do_suspend(self) -> None:
        """Go to the shell."""
        self.action_suspend_process()

    def do_back(self) -> None:
        """Go to the page before; from the first one, out at the second time: one Esc too many leaves nothing."""
        before, self._back_at = self._back_at, time.monotonic()
        if len([one for one in self.screen_stack if hasattr(one, "tick")]) > 1:
            self.pop_screen()
            self._back_at = float("-inf")
        elif self._back_at - before < AGAIN:
            self.do_quit()
        else:
            self.notify(say("screen.once_more"), timeout=AGAIN, markup=False)

    def do_quit(self) -> None:
        """Leave; while something is under way, ask first."""
        if self.summary.doing and self.wiring.hands:
            self.push_screen(import_module("tui.screens.leave").Shown(self.summary.doing), self._leave)
        else:
            self.exit()

    def _leave(self, yes: bool | None) -> None:
        if yes:
            self.exit()

    async def action_quit(self) -> None:
        """Leave by ctrl-q, from anywhere."""
        await asyncio.sleep(0)
        self.do_quit()

    def action_help_quit(self) -> None:
        """Tell how to leave: ctrl-c does not."""
        self.tell(say("screen.how_to_quit"))
