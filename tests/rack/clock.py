"""`clawrack` on a computer whose clock is wrong: ``clock.py SECONDS WORDS…`` types the words, so many seconds off.

Only what Python tells as the time of day is off. Time that passes is the kernel's, as on a computer with a wrong clock:
libfaketime shifts that too, and then waiting threads of Python 3.11 never wake (seen with 0.9.10).
"""

import datetime as dt
import sys
import time
from typing import Self

OFF = float(sys.argv[1])
_real = time.time


class Off(dt.datetime):
    """The time of day, wrong."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Self:
        """Return what the clock says."""
        return cls.fromtimestamp(time.time(), tz)


if __name__ == "__main__":
    time.time = lambda: _real() + OFF
    time.time_ns = lambda: int((_real() + OFF) * 1e9)
    dt.datetime = Off
    from clawrack.__main__ import main

    sys.argv = ["clawrack", *sys.argv[2:]]
    main()
