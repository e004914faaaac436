"""Long work on a machine: detached there, polled from here, found again by a second run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleet.base.clean import pairs
from fleet.base.errors import TimedOut, Unreachable
from fleet.machine.port import Port
from installer import remote

Tell = Callable[[str], None]
"""Called with the job's last line of output while it runs."""

_POLL = 5
_WIRE_TRIES = 3
_WIRE_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    Attributes:
        name: one job of a name runs on a machine at a time.
        script: which of installer/scripts.
        args: its arguments: plain words, without ``$`` and ``%``, which systemd-run would read.
        timeout: seconds until we stop looking; it goes on by itself.
    """

    name: str
    script: str
    args: Sequence[str]
    timeout: float


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


def run(port: Port, job: Job, tell: Tell) -> Ended:
    """Start a job, detached, and follow it to its end.

    Where a job of that name is running already, that one is followed and its end returned; the caller looks at the
    machine again in any case.

    Raises:
        TimedOut: it still runs after its time; it goes on by itself.
        Unreachable: the wire was cut; it goes on by itself.
        ActionFailed: it could not be started.
    """
    if _poll(port, job.name, 0)[0] != "running":
        remote.put(port, f"/run/clawrack-job/{job.name}/script", remote.text(job.script).encode())
        remote.ask(port, "job.sh", "start", job.name, *job.args)
    deadline = time.monotonic() + job.timeout
    said = ""
    while True:
        state, ended, line = _poll(port, job.name, _POLL)
        if state != "running":
            remote.run(port, "job.sh", "clear", job.name)
            return ended
        if line != said:
            said = line
            tell(line)
        if time.monotonic() > deadline:
            raise TimedOut(
                "step.job_late", where=port.name, job=job.name, minutes=round(job.timeout / 60), line=said or "-"
            )


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
    found = pairs(ran.out)
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
