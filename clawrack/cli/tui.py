"""``clawrack tui``: the screen."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli.common import open_fleet
from clawrack.cli.failing import known_error
from clawrack.cli.frame import Verb, lone
from fleet.base.errors import BadInput, ClawrackError
from fleet.base.words import say

if TYPE_CHECKING:
    from tui.state.record import Recorder
    from tui.wiring import Wiring

app = lone()
File = Annotated[str, typer.Option(metavar="FILE")]


@app.command(cls=Verb)
def tui(
    *,
    read_only: Annotated[bool, typer.Option("--read-only")] = False,
    record: Annotated[str, typer.Option("--record", metavar="FILE")] = "",
    replay: Annotated[str, typer.Option("--replay", metavar="FILE")] = "",
    speed: Annotated[float, typer.Option("--speed", min=0.01, max=1000, metavar="TIMES")] = 1.0,
) -> None:
    """Show the whole fleet live, and work on it by keys."""
    if not all(map(os.isatty, (0, 1, 2))) or os.environ.get("TERM", "dumb") in {"", "dumb"}:
        raise BadInput("screen.no_terminal")
    if record and replay:
        raise BadInput("screen.record_or_replay")
    from tui.app import FleetApp  # noqa: PLC0415 - it takes 0.3 s to import, and only this command needs it

    recorder = _recorder(record) if record else None
    try:
        shown = FleetApp(_replayed(Path(replay), speed) if replay else _live(read_only=read_only, recorder=recorder))
        shown.run()
        if shown.failure:
            raise shown.failure
    finally:
        if recorder:
            recorder.close()


def _recorder(path: str) -> "Recorder":
    from tui.state.record import Recorder  # noqa: PLC0415 - see above

    return Recorder(Path(path), time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds"))


def _live(*, read_only: bool, recorder: "Recorder | None") -> "Wiring":
    from tui.watch import Watch, of_fleet  # noqa: PLC0415 - see above
    from tui.wiring import Wiring  # noqa: PLC0415 - see above

    fleet = open_fleet()
    return Wiring(
        source=lambda put: Watch(of_fleet(fleet), put),
        hands=fleet,
        foreseen=_foreseen,
        run=_run,
        keep=recorder.write if recorder else None,
        read_only=read_only,
    )


def _replayed(path: Path, speed: float) -> "Wiring":
    from tui.replay import Replay  # noqa: PLC0415 - see above
    from tui.state.record import read  # noqa: PLC0415 - see above
    from tui.wiring import Wiring  # noqa: PLC0415 - see above

    messages = list(read(path))  # whole, so that a damaged file is told before the screen opens
    return Wiring(source=lambda put: Replay(messages, put, speed), hands=None, foreseen=_foreseen, run=_run)


def _run(words: Sequence[str]) -> None:
    """Run another line of ours in this terminal, and nothing that lies in the folder where we are (-P).

    Where it failed, leave time to read why.
    """
    code = subprocess.call([sys.executable, "-P", "-m", "clawrack", *words])
    if code:
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            input(say("screen.shell_ended", code=code))


def _foreseen(error: BaseException) -> ClawrackError:
    return known_error(error, ("tui",))
