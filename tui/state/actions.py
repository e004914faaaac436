"""All that can be done at the screen: the one source of keys, hints, help, palette, dialogs and what read-only leaves.

Tiers: 0 looks. 1 changes one agent and can be changed back. 2 interrupts work, or changes several: a dialog whose
default is Cancel. 3 loses something: a dialog that wants a word typed; such an action has no key.
"""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from fleet.base.words import find as found
from fleet.base.words import say
from tui.state.cells import state_word
from tui.state.rows import AgentRow, MachineRow, Row

Tier = Literal[0, 1, 2, 3]
Place = Literal["any", "table", "text"]
"""Where it is offered: on every page, where rows are, or where lines of text are."""
_NAMES = 4  # that a dialog tells; then how many more
_UP = frozenset({"running", "starting", "trial"})
_DOWN = frozenset({"stopped", "gave-up"})


def _always(row: Row | None) -> bool:
    del row
    return True


def _row(row: Row | None) -> bool:
    return row is not None


def _agent(row: Row | None) -> bool:
    return isinstance(row, AgentRow)


def _running(row: Row | None) -> bool:
    return isinstance(row, AgentRow) and row.view.state == "running"


def _up(row: Row | None) -> bool:
    return isinstance(row, AgentRow) and row.view.state in _UP


def _down(row: Row | None) -> bool:
    return isinstance(row, AgentRow) and row.view.state in _DOWN


def _reached(row: Row | None) -> bool:
    return isinstance(row, MachineRow) or _running(row)


def _remover(row: Row) -> str:
    return "remove_machine" if isinstance(row, MachineRow) else "remove_agent"


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be done.

    Attributes:
        id: names it, and its texts: ``screen.act.ID`` (two words), ``screen.help.ID`` and, from tier 1,
            ``screen.effect.ID`` (what it does to how many).
        keys: as Textual names them, the first is the one that is shown; empty for what is only in the palette.
        tier: how much it can break.
        place: where it is offered.
        applies: whether it can be done to this row (None: there is none).
        many: it is done to all marked rows.
        words: of the command that does the same; empty where there is none.
        run: the name of the method of `fleet.api.Fleet`, by row; empty where the screen does it.
        undo: the id of the action that takes it back, or empty.
    """

    id: str
    keys: tuple[str, ...] = ()
    tier: Tier = 0
    place: Place = "any"
    applies: Callable[[Row | None], bool] = _always
    many: bool = False
    words: tuple[str, ...] = ()
    run: str | Callable[[Row], str] = ""
    undo: str = ""

    @property
    def label(self) -> str:
        """Its name in a word or two."""
        return say(f"screen.act.{self.id}")

    @property
    def help(self) -> str:
        """What it does, in a sentence."""
        return say(f"screen.help.{self.id}")

    def method(self, row: Row) -> str:
        """Return the name of the Fleet's method that does it to this row, or an empty text."""
        return self.run if isinstance(self.run, str) else self.run(row)

    def cli(self, row: Row | None) -> str:
        """Return the line that one would type for the same; empty where there is none."""
        noun = "machine" if isinstance(row, MachineRow) else "agent"
        name = row.name if row else ""
        return shlex.join(word.format(noun=noun, name=name) for word in self.words)


_NAMED = ("clawrack", "{noun}")
_FLEET = ("clawrack", "status")

ACTIONS: tuple[Action, ...] = (
    # what is done to rows
    Action(id="show", keys=("enter",), place="table", applies=_row, words=(*_NAMED, "show", "{name}")),
    Action(id="logs", keys=("l",), place="table", applies=_agent, many=True,
           words=(*_NAMED, "logs", "{name}", "--follow"), run="logs"),
    Action(id="ask", keys=("a",), tier=1, place="table", applies=_running,
           words=(*_NAMED, "ask", "{name}", "…"), run="ask"),
    Action(id="restart", keys=("r",), tier=1, place="table", applies=_up, many=True,
           words=(*_NAMED, "restart", "{name}"), run="restart"),
    Action(id="start", keys=("r",), tier=1, place="table", applies=_down, many=True,
           words=(*_NAMED, "start", "{name}"), run="start", undo="stop"),
    Action(id="stop", keys=("x",), tier=2, place="table", applies=_up, many=True,
           words=(*_NAMED, "stop", "{name}"), run="stop", undo="start"),
    Action(id="open", keys=("o",), tier=1, place="table", applies=_running, words=(*_NAMED, "open", "{name}")),
    Action(id="shell", keys=("s",), tier=1, place="table", applies=_reached, words=(*_NAMED, "shell", "{name}")),
    Action(id="remove", tier=3, place="table", applies=_row, words=(*_NAMED, "remove", "{name}"), run=_remover),
    Action(id="refresh", keys=("f5", "ctrl+r"), place="table", words=_FLEET),
    Action(id="mark", keys=("space",), place="table", applies=_row),
    Action(id="mark_all", keys=("*",), place="table"),
    Action(id="mark_others", keys=("%",), place="table"),
    Action(id="unmark", keys=("u",), place="table"),
    # what is shown of them
    Action(id="all", keys=("1",), words=_FLEET),
    Action(id="agents", keys=("2",), words=("clawrack", "agent", "list")),
    Action(id="machines", keys=("3",), words=("clawrack", "machine", "list")),
    Action(id="events", keys=("8", "e")),
    Action(id="filter", keys=("/",)),
    Action(id="sort_left", keys=("<",), place="table"),
    Action(id="sort_right", keys=(">",), place="table"),
    Action(id="reverse", keys=("R",), place="table"),
    Action(id="columns", keys=("C",), place="table"),
    # pages of text
    Action(id="highlight", keys=("?",), place="text"),
    Action(id="next_hit", keys=("n",), place="text"),
    Action(id="previous_hit", keys=("N",), place="text"),
    # the screen itself
    Action(id="pause", keys=("p",)),
    Action(id="cli", keys=("ctrl+e",)),
    Action(id="save", keys=("ctrl+s",)),
    Action(id="palette", keys=("ctrl+p", ":")),
    Action(id="help", keys=("f1", "?")),
    Action(id="suspend", keys=("ctrl+z",)),
    Action(id="back", keys=("q", "escape")),
    Action(id="quit", keys=("ctrl+q",)),
)  # fmt: skip


def offered(place: Place, *, read_only: bool = False) -> tuple[Action, ...]:
    """Return what is offered on a page, in the order of the registry; its own keys win over those of every page."""
    here = [action for action in ACTIONS if action.place in {place, "any"} and not (read_only and action.tier)]
    own = {key for action in here if action.place == place != "any" for key in action.keys}
    return tuple(
        action if action.place != "any" else msgspec.structs.replace(action, keys=_without(action.keys, own))
        for action in here
    )


def _without(keys: tuple[str, ...], taken: set[str]) -> tuple[str, ...]:
    return tuple(key for key in keys if key not in taken)


def find(action: str, *, read_only: bool = False) -> Action | None:
    """Return an action by its id, or None: there is none, or read-only leaves it out."""
    return next((one for one in ACTIONS if one.id == action and not (read_only and one.tier)), None)


def by_key(key: str, row: Row | None, place: Place, *, read_only: bool = False) -> Action | None:
    """Return what a key does to a row: the first that applies, so that one key restarts and starts."""
    return next((one for one in offered(place, read_only=read_only) if key in one.keys and one.applies(row)), None)


def lacking(key: str, place: Place, *, read_only: bool = False) -> Action | None:
    """Return what a key would do to another row, or None: it means nothing here."""
    return next((one for one in offered(place, read_only=read_only) if key in one.keys), None)


def why_not(action: Action, rows: Sequence[Row], now: float) -> str:
    """Return the sentence that says why an action is done to none of these rows."""
    row = next((one for one in rows if action.applies(one)), rows[0] if rows else None)
    if row is None:
        return say("screen.nothing_to_do", action=action.label)
    if isinstance(row, MachineRow) and not action.applies(row):
        return say("screen.why_not.machine", action=action.label, name=row.name)
    fresh = row.fresh(now)
    if fresh in {"dark", "never"}:
        reason = "dark" if fresh == "dark" or row.pulse.misses else "never"
        return say(f"screen.why_not.{reason}", action=action.label, name=row.name, machine=row.machine)
    return say("screen.why_not.state", action=action.label, name=row.name, state=state_word(row.state(now)))


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialog tells before an action is done.

    Attributes:
        tier: of the action on so many: several at once are tier 2 at least.
        targets: ids of the rows that it is done to.
        left_out: ids of marked rows that it is not done to: it does not apply, or their machine is dark.
        effect: the sentence.
        machines: how many targets on each machine.
        cli: the lines that do the same.
        typed: the word that has to be typed; empty below tier 3.
    """

    action: Action
    tier: Tier
    targets: tuple[str, ...]
    left_out: tuple[str, ...]
    effect: str
    machines: dict[str, int]
    cli: tuple[str, ...]
    typed: str = ""


def ask(action: Action, rows: Sequence[Row], now: float) -> Asked:
    """Return what has to be told before this action is done to these rows (one, unless the action takes many)."""
    wanted = [row for row in rows if action.applies(row) and row.fresh(now) not in {"dark", "never"}]
    taken = {row.id for row in wanted}
    return Asked(
        action=action,
        tier=action.tier if action.tier != 1 or len(wanted) < 2 else 2,  # noqa: PLR2004 - several at once
        targets=tuple(row.id for row in wanted),
        left_out=tuple(row.id for row in rows if row.id not in taken),
        effect=_effect(action, wanted) if action.tier else "",
        machines=dict(Counter(row.machine for row in wanted)),
        cli=tuple(action.cli(row) for row in wanted),
        typed=(wanted[0].name if wanted else "") if action.tier == 3 else "",  # noqa: PLR2004 - the tier
    )


def _effect(action: Action, rows: Sequence[Row]) -> str:
    """Return what an action does to these rows, in the number that is right for them."""
    names = ", ".join(row.name for row in rows[:_NAMES])
    if len(rows) > _NAMES:
        names = say("screen.effect.names", names=names, more=len(rows) - _NAMES)
    key = f"screen.effect.{action.id}" + ("_machine" if rows and isinstance(rows[0], MachineRow) else "")
    several = f"{key}.several"
    return say(several if len(rows) > 1 and found(several) else key, names=names, count=len(rows))
