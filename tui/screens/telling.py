"""What happened, in words: for the events page and the details."""

import time

from fleet.base.words import find, say
from tui.state.cells import state_word
from tui.state.happened import Happened

_STYLES = {"dark": "bad", "trouble": "bad", "stray": "warn", "removed": "warn", "back": "good", "added": "good"}
_ENDS = {"done": "good", "already": "dim", "failed": "bad", "unknown": "warn"}
_STATES = {"running": "good", "gave-up": "bad", "no-engine": "bad", "absent": "warn", "stopped": "plain"}


def sentence(one: Happened) -> str:
    """Return what happened, without when and to whom."""
    match one.what:
        case "state":
            text = say("screen.told.state", old=state_word(one.old), new=state_word(one.new))
        case "doing":
            text = say("screen.told.doing", action=_action(one.old))
        case "ended":
            text = say(f"screen.outcome.{one.new}", action=_action(one.old))
        case "stray":
            text = say("screen.told.stray", name=one.new)
        case _:
            text = say(f"screen.told.{one.what}")
    return f"{text} {one.text}".strip()


def style(one: Happened) -> str:
    """Return the name of its style."""
    if one.what in {"state", "ended"}:
        return (_STATES if one.what == "state" else _ENDS).get(one.new, "plain")
    return _STYLES.get(one.what, "plain")


def clock(at: time.struct_time) -> str:
    """Return a time of day."""
    return time.strftime("%H:%M:%S", at)


def _action(name: str) -> str:
    return find(f"screen.act.{name}") or name
