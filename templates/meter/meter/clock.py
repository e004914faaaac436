"""Which day it is: the only place where the meter looks at the wall clock for money."""

import datetime as dt
from typing import Protocol


class Clock(Protocol):
    """Tells the day; tests turn it."""

    def day(self) -> str:
        """Return today as ``YYYY-MM-DD``, in UTC."""
        ...


class WallClock:
    """The machine's own clock, which may be wrong: the ledger never follows it backwards."""

    def day(self) -> str:
        """Return today as ``YYYY-MM-DD``, in UTC."""
        return dt.datetime.now(dt.UTC).date().isoformat()
