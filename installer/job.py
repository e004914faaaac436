"""Long work on a machine: detached there, polled from here, found again by a second run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleet.base.errors import TimedOut, Unreachable
from fleet.machine.port import Port
from installer import remote

Tell = Callable[[str], None]
"""Called with the job's last line of output while it runs."""

_POLL = 5
_WIRE_TRIES = 3
_WIRE_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes:
        code: its exit code; None where it is gone without one (a power cut, or there was none).
        told: what the script itself reported, in order: the words of its ``clawrack:`` lines.
        log: the last lines of its output where it failed.
    """

    code: int | None
    told: tuple[tuple[str, ...], ...] = ()
    log: tuple[str, ...] = ()


def run(port: Port, name: str, script: str, args: Sequence[str], *, tell: Tell, timeout: float) -> Ended:
    """Start a script of installer/scripts as a detached job and follow it to its end.

    Where a job of that name is running already, that one is followed and its end returned; the caller looks at the
    machine again in any case.

    Raises:
        TimedOut: it still runs after ``timeout`` seconds; it goes on by itself.
        Unreachable: the wire was cut; it goes on by itself.
        ActionFailed: it could not be started.
    """
    if _poll(port, name, 0)[0] != "running":
        remote.put(port, f"/run/clawrack-job/{name}/script", remote.text(script).encode())
        remote.ask(port, "job.sh", "start", name, *args)
    return follow(port, name, tell=tell, timeout=timeout)


def follow(port: Port, name: str, *, tell: Tell, timeout: float) -> Ended:
    """Follow a running job to its end; see ``run``."""
    deadline = time.monotonic() + timeout
    said = ""
    while True:
        state, ended, line = _poll(port, name, _POLL)
        if state != "running":
            remote.run(port, "job.sh", "clear", name)
            return ended
        if line != said:
            said = line
            tell(line)
        if time.monotonic() > deadline:
            raise TimedOut("step.job_late", where=port.name, job=name, minutes=round(timeout / 60), line=said or "-")


def _poll(port: Port, name: str, seconds: int) -> tuple[str, Ended, str]:
    """Return state, end and last line of a job; looking changes nothing, so a cut wire is tried again."""
    for left in reversed(range(_WIRE_TRIES)):
        try:
            ran = remote.run(port, "job.sh", "wait", name, str(seconds), timeout=seconds + 30.0)
            break
        except Unreachable:
            if not left:
                raise
            time.sleep(_WIRE_PAUSE)
    else:
        raise AssertionError
    found = remote.pairs(ran.out)
    by_key = dict(found)
    code = by_key.get("rc", "")
    return (
        by_key.get("state", "gone"),
        Ended(
            int(code) if code.isdigit() else None,
            tuple(tuple(value.split(" ")) for key, value in found if key == "told"),
            tuple(value for key, value in found if key == "log"),
        ),
        by_key.get("line", ""),
    )
