"""A plan drawn for people: machine by machine what is, what will be, why, and what is noticed of it."""

from collections.abc import Iterator

from clawrack.cli.terminal import Terminal
from fleet.base.cells import cut, width, wrap
from fleet.base.words import say
from fleet.plan_view import ActionView, DriftView, PlanView, UnknownView

_MARKS = {
    "PlaceImage": ("+", "dim"),
    "PlaceMeter": ("~", "warn"),
    "Start": (">", "good"),
    "Mend": ("~", "warn"),
    "Rollback": ("<", "warn"),
}
_LEFT = 4  # cells before a subject
_INNER = 8  # cells before what belongs to it
_NAMES = 60  # cells of a list of names
_COUNTED = {"Deploy": "changed", "Rollback": "changed", "Mend": "mended", "Start": "started", "PlaceMeter": "meters"}


def lines(plan: PlanView, to: Terminal) -> Iterator[str]:
    """Yield the lines of a plan."""
    drawn = _Page(to)
    for machine, found in sorted(_by_machine(plan).items()):
        yield to.paint(machine, "bold")
        for one in found:
            yield from drawn.action(one) if isinstance(one, ActionView) else drawn.drift(one)
    yield from drawn.rest(plan)
    yield from drawn.sums(plan)


def _by_machine(plan: PlanView) -> dict[str, list[ActionView | DriftView]]:
    found: dict[str, list[ActionView | DriftView]] = {}
    for one in (*plan.actions, *plan.drift):
        found.setdefault(one.machine, []).append(one)
    return found


class _Page:
    """Draws a plan; of lines that change alike in many agents only the first ones are shown."""

    def __init__(self, to: Terminal) -> None:
        self._to = to
        self._shown: dict[tuple[str, ...], str] = {}

    def action(self, action: ActionView) -> Iterator[str]:
        """Yield the lines of an action."""
        mark, style = _MARKS.get(action.what, ("~", "warn"))
        if action.impact == "new":
            mark, style = "+", "good"
        yield self._head(f"  {self._to.paint(mark, style)} ", _what(action), _impact(action))
        yield from self._inner(say("plan.because", why=action.because))
        yield from self._diff(action)

    def _head(self, before: str, what: str, impact: str) -> str:
        room = self._to.columns - _LEFT - width(impact) - (2 if impact else 0)
        text = cut(what, max(20, room))
        gap = " " * max(2, self._to.columns - _LEFT - width(text) - width(impact)) if impact else ""
        return f"{before}{text}{gap}{impact}"

    def _inner(self, text: str, style: str = "dim") -> Iterator[str]:
        for row in wrap(text, self._to.columns - _INNER):
            yield " " * _INNER + self._to.paint(row, style)

    def _diff(self, action: ActionView) -> Iterator[str]:
        if not action.diff:
            return
        first = self._shown.setdefault(action.diff, action.agent)
        if first != action.agent:
            yield from self._inner(say("plan.same_lines", agent=first))
            return
        for row in action.diff:
            yield from self._change(row)

    def _change(self, row: str) -> Iterator[str]:
        if row.startswith(("+++", "@@")):
            return
        if row.startswith("---"):
            yield " " * _INNER + self._to.paint(row[4:], "bold")
            return
        style = {"+": "good", "-": "bad"}.get(row[:1], "dim")
        yield " " * _INNER + self._to.paint(cut(row, self._to.columns - _INNER), style)

    def drift(self, found: DriftView) -> Iterator[str]:
        """Yield the lines of something that is not as it was left."""
        style = "bad" if found.then == "held" else "warn"
        first, *rest = wrap(_told(found), self._to.columns - _LEFT)
        yield f"  {self._to.paint('!', style)} {first}"
        yield from (" " * _LEFT + row for row in rest)
        yield from self._next(found.next)

    def _next(self, command: str) -> Iterator[str]:
        if command:
            first, *rest = wrap(command, self._to.columns - _LEFT - 2)
            yield f"{' ' * _LEFT}→ {first}"
            yield from (" " * (_LEFT + 2) + row for row in rest)

    def rest(self, plan: PlanView) -> Iterator[str]:
        """Yield what nothing is done about."""
        for one in plan.unknown:
            yield from self._note("?", _silent(one), one.why)
        for one in plan.unplaced:
            yield from self._note("!", say("plan.unplaced", agent=one.agent, why=one.why), "")
        for name in plan.unwell:
            yield from self._note("!", say("plan.unwell", name=name), say("plan.unwell.next"))

    def _note(self, mark: str, text: str, after: str) -> Iterator[str]:
        first, *rest = wrap(text, self._to.columns - 2)
        yield f"{self._to.paint(mark, 'warn')} {first}"
        yield from (f"  {row}" for row in rest)
        yield from (f"  {self._to.paint(row, 'dim')}" for row in wrap(after, self._to.columns - 2) if after)

    def sums(self, plan: PlanView) -> Iterator[str]:
        """Yield how much it is, in one line."""
        if plan.empty:
            yield from wrap(say("plan.nothing_known" if plan.unknown else "plan.nothing", alike=plan.alike), 80)
            return
        yield ""
        yield from wrap(" · ".join(_sums(plan)), self._to.columns)


def _what(action: ActionView) -> str:
    if action.what == "PlaceImage":
        return " ".join(filter(None, (say("plan.row.image"), action.of, action.version)))
    if action.what == "PlaceMeter":
        return " ".join(filter(None, (say("plan.row.meter"), _way(action))))
    if action.what == "Deploy":
        return " ".join(filter(None, (action.agent, action.of, _way(action))))
    told = {"Start": "plan.start", "Mend": "plan.mend"}.get(action.what)
    return f"{action.agent}  {say(told) if told else say('plan.rollback', release=action.release)}"


def _way(action: ActionView) -> str:
    changes = action.runs and action.version and action.runs != action.version
    return f"{action.runs} → {action.version}" if changes else action.version


def _impact(action: ActionView) -> str:
    if action.what == "Deploy" and action.impact == "none":
        return say("plan.resume")
    return "" if action.impact == "none" else say(f"plan.impact.{action.impact}")


def _told(found: DriftView) -> str:
    return say("plan.drift", what=found.what, then=say(f"drift.then.{found.then}"))


def _silent(one: UnknownView) -> str:
    if not one.agents:
        return say("plan.unknown_empty", machine=one.machine)
    names = cut(", ".join(one.agents), _NAMES)
    return say("plan.unknown", machine=one.machine, agents=names)


def _sums(plan: PlanView) -> Iterator[str]:
    counts: dict[str, int] = {}
    for action in plan.actions:
        sort = "new" if action.impact == "new" else _COUNTED.get(action.what, "images")
        counts[sort] = counts.get(sort, 0) + 1
    counts["held"] = len({(one.machine, one.agent) for one in plan.drift if one.then == "held"})
    counts["unknown"] = len(plan.unknown)
    counts["alike"] = plan.alike
    order = ("new", "changed", "mended", "started", "meters", "images", "held", "unknown", "alike")
    yield from (say(f"plan.sum.{sort}", count=counts[sort]) for sort in order if counts.get(sort))
