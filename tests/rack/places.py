"""Where the rack keeps its things: a cache directory outside the checkout, shared by every test run of one user."""

import fcntl
import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def home() -> Path:
    """The rack's directory, `${XDG_CACHE_HOME:-~/.cache}/clawrack-tests`, made at first use."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(cache) if cache.startswith("/") else Path.home() / ".cache"
    path = base / "clawrack-tests"
    path.mkdir(parents=True, exist_ok=True)
    return path


def tag() -> str:
    """Six hexadecimal digits that tell the racks of two users on one box apart (bridge names, loop mounts)."""
    return hashlib.sha256(str(home()).encode()).hexdigest()[:6]


@contextmanager
def locked(name: str) -> Generator[None]:
    """Hold the rack's lock called `name`; waits for as long as another process holds it."""
    path = home() / f"{name}.lock"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
