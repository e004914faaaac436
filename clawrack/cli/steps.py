"""Events as lines: one for each step, with its time.

While a person looks there is also the step under way, and a bar where bytes move; in a file, a line for every 10 %.
"""

import threading
import time
from types import TracebackType
from typing import Self

from clawrack.cli import show
from clawrack.cli.terminal import PROMPTING, Terminal
from fleet.base.cells import cut, wrap
from fleet.base.clean import line
from fleet.base.event import Event
from fleet.base.words import find, say

MIB = 1 << 20
_MARKS = {"done": ("✓", "good"), "already": ("·", "dim"), "failed": ("✗", "bad"), "unknown": ("?", "warn")}
_BAR = 20
_WIDE_ENOUGH = 70  # cells
_WORTH_TELLING = 0.1  # seconds


class Steps:
    """Listens to events and prints them; used as a context, so that nothing half painted stays behind.

    Args:
        to: where to.
        subjects: show what each event is about, for lines about several machines or agents.
    """

    def __init__(self, to: Terminal, *, subjects: bool = False) -> None:
        self._to = to
        self._subjects = subjects
        self._lock = threading.Lock()
        self._under_way: Event | None = None
        self._since = 0.0
        self._tenth: dict[str, int] = {}
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        if self._to.live:
            self._clock.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        with self._lock:
            self._under_way = None
            self._wipe()

    def __call__(self, event: Event) -> None:
        """Print one event."""
        with self._lock:
            if event.kind in {"begun", "progress"}:
                self._go_on(event)
            else:
                self._under_way = None
                self._wipe()
                for row in finished(event, self._to, subjects=self._subjects):
                    self._to.line(row)

    def _go_on(self, event: Event) -> None:
        self._under_way = event
        self._since = time.monotonic() - event.elapsed
        if self._to.live:
            self._paint()
        elif event.kind == "progress" and event.total:
            self._each_tenth(event)

    def _each_tenth(self, event: Event) -> None:
        tenth = 10 * event.moved // event.total
        if tenth > self._tenth.get(event.step, 0):
            self._tenth[event.step] = tenth
            self._to.line(f"  {text(event)}  {amount(event)}")

    def _tick(self) -> None:
        while not self._ended.wait(1):
            with self._lock:
                if self._under_way:
                    self._paint()

    def _paint(self) -> None:
        if self._under_way and not PROMPTING.is_set():
            shown = under_way(self._under_way, time.monotonic() - self._since, self._to.columns - 1)
            print(f"\r\x1b[2K{shown}", end="", file=self._to.out, flush=True)

    def _wipe(self) -> None:
        if self._to.live:
            print("\r\x1b[2K", end="", file=self._to.out, flush=True)


def as_json(event: Event) -> None:
    """Print one event as a document of JSON, on one line."""
    show.as_json("event", event)


def text(event: Event) -> str:
    """Return what an event says: ``STEP.KIND`` of the words, else ``STEP``."""
    known = next((key for key in (f"{event.step}.{event.kind}", event.step) if find(key)), None)
    return say(known, **event.params) if known else line(event.step)


def finished(event: Event, to: Terminal, *, subjects: bool = False) -> list[str]:
    """Return the lines of an event that ends a step, or of a note."""
    head = f"{line(event.subject)}: " if subjects else ""
    after = _after(event)
    first, *rest = wrap(f"{head}{text(event)}{after}", to.columns - 2)
    mark, style = _MARKS.get(event.kind, (" ", "dim"))
    return [f"{to.paint(mark, style)} {first}", *(f"  {row}" for row in rest)]


def _after(event: Event) -> str:
    if event.kind == "already":
        return f"  {say('show.already')}"
    return f"  {seconds(event.elapsed)}" if event.elapsed >= _WORTH_TELLING else ""


def under_way(event: Event, elapsed: float, columns: int) -> str:
    """Return the line of a step under way, in at most so many cells: a narrow terminal gets no bar."""
    tail = f"  {seconds(elapsed)}"
    if event.kind == "progress" and event.total:
        room = columns >= _WIDE_ENOUGH
        tail = f"  {bar(event.moved / event.total)} {amount(event)}{tail}" if room else f"  {amount(event)}{tail}"
    elif event.kind == "progress" and event.moved:
        tail = f"  {event.moved / MIB:.0f} MB{tail}"
    return cut(cut(f"… {text(event)}", max(4, columns - len(tail))) + tail, columns)


def bar(share: float) -> str:
    """Return a bar that is full by this share (0 to 1), of characters that take one cell in every font."""
    full = round(_BAR * min(1.0, max(0.0, share)))
    return f"[{'#' * full}{'.' * (_BAR - full)}]"


def amount(event: Event) -> str:
    """Return how far the bytes are, for example ``45 %  120/266 MB``."""
    percent = min(100, 100 * event.moved // event.total)
    return f"{percent} %  {event.moved / MIB:.0f}/{event.total / MIB:.0f} MB"


def seconds(elapsed: float) -> str:
    """Return a time as it is read: ``7.2 s``, ``2 min 5 s``."""
    if round(elapsed, 1) < 60:  # noqa: PLR2004 - a minute
        return f"{elapsed:.1f} s"
    return f"{int(elapsed) // 60} min {int(elapsed) % 60} s"
