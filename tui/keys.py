"""Keys that move, and how keys are named. Keys that do something are in tui/state/actions.py."""

from textual import events

MOTIONS: dict[str, tuple[str, ...]] = {
    "up": ("up", "k"),
    "down": ("down", "j"),
    "page_up": ("pageup", "ctrl+u", "ctrl+b"),
    "page_down": ("pagedown", "ctrl+d", "ctrl+f"),
    "top": ("home", "g"),
    "end": ("end", "G"),
    "left": ("left", "h"),
    "right": ("right",),
    "range": ("V",),
    "wrap": ("w",),
}
"""What moves in tables and texts, by the keys; the first is the one that is shown, with the second."""

_SHOWN = {
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "f1": "F1",
    "f5": "F5",
}


def typed(event: events.Key) -> str:
    """Return the key as the registry names it: a character as itself, any other by its name."""
    return event.character if event.character and event.is_printable and event.character != " " else event.key


def shown(key: str) -> str:
    """Return a key as a person reads it."""
    return _SHOWN.get(key) or key.replace("ctrl+", "ctrl-")


def motion(key: str) -> str | None:
    """Return the motion of a key, or None."""
    return next((name for name, keys in MOTIONS.items() if key in keys), None)
