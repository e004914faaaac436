"""What stands in the cells: short texts with the name of a style. Every state has a sign and a word, for colours go."""

from typing import Literal, NamedTuple

from fleet.base.words import find, say
from tui.state.heard import Doing
from tui.state.rows import AgentRow, Fresh, MachineRow, Row

Style = Literal["plain", "good", "warn", "bad", "dim", "strong", "doing"]
NOTHING = "\N{EN DASH}"
SIGNS: dict[str, tuple[str, Style]] = {
    "ok": ("●", "good"),
    "running": ("●", "good"),
    "starting": ("◐", "warn"),
    "trial": ("◐", "warn"),
    "stopped": ("‖", "plain"),
    "gave-up": ("✗", "bad"),
    "no-engine": ("✗", "bad"),
    "absent": ("○", "warn"),
    "unprepared": ("○", "warn"),
    "silent": ("?", "bad"),
    "unknown": ("?", "dim"),
}
_FRESH: dict[Fresh, tuple[str, Style]] = {
    "live": ("", "dim"),
    "stale": ("~", "warn"),
    "dark": ("?", "bad"),
    "never": ("·", "dim"),
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Cell(NamedTuple):
    """The text of a cell, on one line and harmless, and the name of its style."""

    text: str
    style: Style = "plain"


def age(seconds: float) -> str:
    """Return a time in one unit: 12s, 5m, 3h, 9d."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return say("screen.age.s", n=whole)
    if whole < _HOUR:
        return say("screen.age.m", n=whole // _MINUTE)
    return say("screen.age.h", n=whole // _HOUR) if whole < _DAY else say("screen.age.d", n=whole // _DAY)


def amount(number: int) -> str:
    """Return a count in at most five characters: 950, 1.2k, 340k, 1.5M."""
    if number < 1000:  # noqa: PLR2004 - a thousand
        return str(number)
    value, unit = float(number), ""
    for unit in ("k", "M", "G", "T"):  # noqa: B007 - used below
        value /= 1000
        if value < 999.5:  # noqa: PLR2004 - what rounds to less than a thousand
            break
    return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"  # noqa: PLR2004 - two digits


def size(free: int) -> str:
    """Return bytes as binary gigabytes."""
    return f"{free / (1 << 30):.0f} GB" if free >= 10 << 30 else f"{free / (1 << 30):.1f} GB"


def state_word(state: str) -> str:
    """Return a state as a person reads it."""
    return find(f"value.state.{state}") or state


def state(row: Row, now: float) -> Cell:
    """Return the state: what we are doing to it, else as it is, else as it was."""
    if row.doing:
        return doing(row.doing, now)
    shown = row.state(now)
    sign, style = SIGNS.get(shown, ("?", "dim"))
    if shown == "unknown" and isinstance(row, AgentRow) and row.view.state != "unknown":
        return Cell(f"{sign} {_was(row.view.state)}", "dim")
    return Cell(f"{sign} {state_word(shown)}", style if row.fresh(now) != "stale" else "dim")


def _was(state: str) -> str:
    return find(f"screen.was.{state}") or say("screen.was", state=state_word(state))


def doing(what: Doing, now: float) -> Cell:
    """Return what is under way, with its age."""
    label = find(f"screen.act.{what.action}") or what.action
    return Cell(f"… {label} {age(now - what.at)}", "doing")


def fresh(row: Row, now: float) -> Cell:
    """Return how old all of the row is."""
    shown = row.fresh(now)
    sign, style = _FRESH[shown]
    word = say(f"screen.fresh.{shown}")
    if shown == "live":
        return Cell(word, style)
    if shown == "never":
        return Cell(f"{sign} {word}", style)
    return Cell(f"{sign} {word} {age(row.pulse.age(now))}", style)


def last(row: Row) -> str:
    """Return the one thing worth knowing of a row beyond its state, or an empty text."""
    if isinstance(row, AgentRow):
        return row.view.reason or _exit(row)
    return row.why or row.view.trouble or _strays(row) or _place(row)


def _exit(row: AgentRow) -> str:
    code = row.view.exit_code
    return say("screen.exit", code=code) if code and row.view.state not in {"running", "trial"} else ""


def _strays(row: MachineRow) -> str:
    return say("screen.strays", names=", ".join(row.strays[:3])) if row.strays else ""


def _place(row: MachineRow) -> str:
    return row.view.address + (f" · {size(row.view.free)}" if row.view.free else "")
