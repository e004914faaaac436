"""What a screen shows, as text that can be read in a review; kept in snapshots/NAME.txt.

After a wanted change: CLAWRACK_PICTURES=write pytest tests/screens, and look at the difference in git.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from textual.app import App
from textual.pilot import Pilot

FOLDER = Path(__file__).with_name("snapshots")


def text_of(app: App[Any]) -> str:
    """The characters on the screen, line by line, without the space at their ends."""
    strips = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage] - no public way to it
    return "\n".join(strip.text.rstrip() for strip in strips).rstrip() + "\n"


def colours_of(app: App[Any]) -> set[str]:
    """The names of the colours on the screen; the terminal's own are none."""
    strips = app.screen._compositor.render_strips()  # pyright: ignore[reportPrivateUsage] - no public way to it
    styles = [piece.style for strip in strips for piece in strip if piece.style]
    found = [colour for style in styles for colour in (style.color, style.bgcolor) if colour]
    return {colour.name for colour in found if not colour.is_default}


def same_as_kept(name: str, text: str) -> None:
    """Fail where the text is not the one that is kept under this name."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("CLAWRACK_PICTURES") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path} is not there; see {__name__}"
    assert text == path.read_text(encoding="utf-8")


def play(app: App[Any], act: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int] = (80, 24)) -> None:
    """Run the app without a terminal, and the act on it."""

    async def played() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            await act(pilot)

    asyncio.run(played())
