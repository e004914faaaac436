"""Where clawrack keeps its own things on this computer (the XDG folders)."""

import os
from pathlib import Path


def state() -> Path:
    """Return the folder of journals, pins and keys: memory, and the way in."""
    return _xdg("XDG_STATE_HOME", ".local/state")


def cache() -> Path:
    """Return the folder of what can be made again, such as images."""
    return _xdg("XDG_CACHE_HOME", ".cache")


def _xdg(variable: str, usual: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / usual) / "clawrack"
