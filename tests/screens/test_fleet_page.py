"""The screen on a fleet, without machines: what it shows, and what its keys do."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from fleet.base import words
from tests.screens.pictures import colours_of, play, same_as_kept, text_of
from tests.screens.stage import Stage

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
Act = Callable[[Pilot[Any]], Awaitable[None]]


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_chosen", ["en"])
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("SSH_TTY", raising=False)


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until what is under way has been shown."""
    for _ in range(3):
        await pilot.pause()
    cast("Stage", pilot.app).pull()
    for _ in range(3):
        await pilot.pause()


def scene(app: Stage, act: Act, size: tuple[int, int] = (80, 24)) -> None:
    async def acted(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await act(pilot)

    play(app, acted, size)


async def press(pilot: Pilot[Any], *keys: str) -> str:
    await pilot.press(*keys)
    await settled(pilot)
    return text_of(pilot.app)


PAGES = {
    "fleet": (),
    "agents": ("2",),
    "machines": ("3",),
    "detail-machine": ("j", "j", "j", "j", "j", "j", "enter"),
    "detail-agent": ("j", "j", "j", "j", "enter"),
    "help": ("question_mark",),
    "palette": ("ctrl+p", "s", "t"),
    "stop": ("j", "x"),
    "remove": ("j", "ctrl+p", *"remove", "enter"),
    "events": ("8",),
    "filter": ("slash", *"state:running"),
    "columns": ("C",),
    "cli": ("j", "ctrl+e"),
    "ask": ("j", "a"),
}


BOTH_SIZES = {"fleet", "detail-machine", "stop"}
KEPT = [
    f"{page}-{language}-{size}"
    for page in PAGES
    for language in ("en", "zh")
    for size in SIZES
    if size == "80x24" or page in BOTH_SIZES
]


@pytest.mark.parametrize("name", KEPT)
def test_a_page_looks_as_it_is_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page, language, size = name.rsplit("-", 2)
    monkeypatch.setattr(words, "_chosen", [language])

    async def act(pilot: Pilot[Any]) -> None:
        same_as_kept(name, await press(pilot, *PAGES[page]))

    scene(Stage(), act, SIZES[size])


def test_without_colours_signs_and_words_tell_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def act(pilot: Pilot[Any]) -> None:
        same_as_kept("fleet-en-80x24", await press(pilot))
        assert colours_of(pilot.app) == set()
        same_as_kept("stop-en-80x24", await press(pilot, "j", "x"))
        assert colours_of(pilot.app) == set()

    scene(Stage(), act)
