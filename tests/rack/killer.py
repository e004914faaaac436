"""`clawrack`, killed at one of its steps: ``killer.py N FILE WORDS…`` types the words and dies at the N-th step.

A step is before everything that outlives the program: each line that is put on the disk, each rename, each call of a
machine's guard; and in the middle of the calls that take a while. With N = 0 nobody dies. The steps that were passed
are written to FILE, a line each.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clawrack.__main__ import main
from fleet.machine.guard import Guard

MOMENT = 0.15  # seconds
LONG = {"trial", "commit", "rollback", "revert"}
"""Verbs of the guard that a death in the middle of them is tried for."""
CALL = "_call"
"""The one way of all typed calls to the guard; a program that is to die in it may know its name."""


class Counter:
    """Counts steps; at the last one the program is gone, as by `kill -9`."""

    def __init__(self, last: int, told: Path) -> None:
        self._last = last
        self._told = told.open("w", buffering=1)
        self.passed = 0

    def step(self, name: str) -> None:
        """Pass a step."""
        self.passed += 1
        self._told.write(f"{name}\n")
        if self.passed == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """Return the function with a step before it."""

        def counted(*args: Any, **more: Any) -> Any:
            if said := name(*args):
                self.step(f"before {said}")
            return function(*args, **more)

        return counted

    def within(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """Return the function with a step before it, and one a moment after it has begun."""

        def counted(*args: Any, **more: Any) -> Any:
            self.step(f"before {name(*args)}")
            if args[1] not in LONG:
                return function(*args, **more)
            middle = threading.Timer(MOMENT, self.step, [f"within {name(*args)}"])
            middle.start()
            try:
                return function(*args, **more)
            finally:
                middle.join()  # every run passes the same steps, however quick the machine is

        return counted


def caller() -> str:
    """Return which of our functions is about to write, and for whom; nothing within a rename, which is one step."""
    frame, names = sys._getframe(2), list[str]()  # pyright: ignore[reportPrivateUsage]
    while frame and len(names) < 2:
        file = frame.f_code.co_filename
        if file.endswith("/disk.py") and frame.f_code.co_name in {"_write", "_sync_folder"}:
            return ""
        if "/fleet/" in file and not file.endswith("/disk.py"):
            names.append(f"{Path(file).stem}.{frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(names)


def verb_of(*words: object) -> str:
    """Return the verb of a call to the guard, whose first argument is the guard itself."""
    return f"guard {words[1]}"


if __name__ == "__main__":
    counter = Counter(int(sys.argv[1]), Path(sys.argv[2]))
    os.fsync = counter.before(os.fsync, lambda *_: caller())
    os.replace = counter.before(os.replace, lambda *_: caller())
    setattr(Guard, CALL, counter.within(getattr(Guard, CALL), verb_of))
    sys.argv = ["clawrack", *sys.argv[3:]]
    main()
