"""One meter per ledger, ever: an exclusive lock on a file beside it, held as long as the process lives."""

import fcntl
import os
from pathlib import Path


class LedgerHeld(Exception):
    """Another meter has this ledger open."""


def hold(ledger: Path) -> int:
    """Lock a ledger and return the handle; the kernel lets go when the process ends, however it ends.

    Raises:
        LedgerHeld: another process holds it.
        OSError: the lock's file cannot be made.
    """
    handle = os.open(ledger.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise LedgerHeld(f"{ledger}: another meter has it open") from None
    return handle
