"""The lines around a page: its title, the fleet in one line, what keys do, and a line to type into."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widgets import Input, Static

from fleet.base.words import say
from tui.grid import fitted
from tui.state.cells import SIGNS, amount, state_word
from tui.state.rows import Fresh
from tui.state.summary import Summary

STYLES = {"good": "$success", "warn": "$warning", "bad": "$error", "dim": "$text-muted"}
_FRESH: dict[Fresh, str] = {"live": "$success", "stale": "$warning", "dark": "$error", "never": "$text-muted"}


class Part(NamedTuple):
    """A piece of a line and its style, as Textual writes styles."""

    text: str
    style: str = ""


class Bar(Static):
    """One line. What is put into it is never read as markup."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name
        super().__init__("", id=id, markup=False)
        self._shown: Content | None = None

    def put(self, parts: Iterable[Part], right: Sequence[Part] = ()) -> None:
        """Show these pieces, others at the right end; the left ones give way."""
        tail = "".join(part.text for part in right)
        room = max(0, self.screen.size.width - cell_len(tail) - 1)
        left = cut_parts(parts, room)
        gap = room - sum(cell_len(part.text) for part in left)
        content = Content.assemble(*left, " " * gap, *right, " " if right else "")
        if content != self._shown:
            self._shown = content
            self.update(content, layout=False)  # it is one line, whatever it says: nothing else has to move


def cut_parts(parts: Iterable[Part], room: int) -> list[Part]:
    """Return the pieces that fit in so many cells; the last one is cut."""
    kept: list[Part] = []
    for part in parts:
        cells = cell_len(part.text)
        if cells > room:
            return [*kept, Part(fitted(part.text, room), part.style)]
        kept.append(part)
        room -= cells
    return kept


def fleet_line(summary: Summary, room: int) -> list[Part]:
    """Return the whole fleet in a line of so many cells: machines by how fresh they are, agents by state, tokens."""
    if not summary.loaded:
        return [Part(f" {say('screen.sum.loading')}", "$text-muted")]
    whole = _fleet(summary, words=True)
    return whole if sum(cell_len(part.text) for part in whole) <= room else _fleet(summary, words=False)


def _fleet(summary: Summary, *, words: bool) -> list[Part]:
    parts = [Part(f" {say('screen.sum.machines', count=summary.machines)}", "bold")]
    for fresh, style in _FRESH.items():
        if summary.fresh.get(fresh):
            parts.append(Part(f"  {say(f'screen.fresh.{fresh}')} {summary.fresh[fresh]}", style))
    parts.append(Part(f"   {say('screen.sum.agents', count=summary.agents)}", "bold"))
    for state, (sign, style) in SIGNS.items():
        if summary.states.get(state):
            name = f"{sign} {state_word(state)}" if words else sign
            parts.append(Part(f"  {name} {summary.states[state]}", STYLES.get(style, "")))
    if summary.tokens:
        told = say("screen.sum.tokens" if words else "screen.sum.today", count=amount(summary.tokens))
        parts.append(Part(f"   {told}"))
    return parts


def hints(keys: Iterable[tuple[str, str]], room: int) -> list[Part]:
    """Return keys with what they do, as many as fit in so many cells; help is always among them."""
    pairs = list(keys)
    last = pairs.pop()
    room -= _taken(last)
    shown: list[Part] = []
    for pair in pairs:
        if _taken(pair) <= room:
            room -= _taken(pair)
            shown += _pair(pair)
    return [*shown, *_pair(last)]


def _taken(pair: tuple[str, str]) -> int:
    return sum(cell_len(part.text) for part in _pair(pair))


def _pair(pair: tuple[str, str]) -> list[Part]:
    return [Part(f" {pair[0]}", "bold $accent"), Part(f" {pair[1]} ", "$text-muted")]


class Prompt(Input):
    """A line to type a filter or a search into, at the bottom of a page; it is there only while it is typed into."""

    def __init__(self) -> None:
        super().__init__(id="prompt", compact=True)
        self._changed: Callable[[str], None] | None = None
        self._ended: Callable[[str | None], None] | None = None
        self.display = False

    def open(
        self, key: str, value: str, ended: Callable[[str | None], None], changed: Callable[[str], None] | None = None
    ) -> None:
        """Ask for a line.

        Args:
            key: of the text that says what for.
            value: what stands there already.
            ended: told the line, or None when it was left by Esc.
            changed: told after each key.
        """
        self._ended, self._changed = None, None
        self.placeholder = say(key)
        self.value = value
        self.cursor_position = len(value)
        self._ended, self._changed = ended, changed
        self.display = True
        self.focus()

    def _close(self, answer: str | None) -> None:
        ended, self._ended, self._changed = self._ended, None, None
        self.display = False
        if ended:
            ended(answer)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell each change."""
        event.stop()
        if self._changed:
            self._changed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tell the line."""
        event.stop()
        self._close(event.value)

    def on_key(self, event: events.Key) -> None:
        """Leave by Esc."""
        if event.key == "escape":
            event.stop()
            event.prevent_default()
            self._close(None)
