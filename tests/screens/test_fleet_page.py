"""The screen on a fleet, without machines: what it shows, and what its keys do."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from fleet.base import words
from fleet.base.errors import Refused
from tests.screens.pictures import colours_of, play, same_as_kept, text_of
from tests.screens.stage import Hands, Stage, silent, told
from tui.state.heard import Doing, Trouble, Wished
from tui.state.store import Delta

SIZES = {"60x16": (60, 16), "80x24": (80, 24), "120x40": (120, 40)}
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


async def until(pilot: Pilot[Any], so: Callable[[], bool]) -> str:
    """Wait for what a thread does, and return what is shown then."""
    end = time.monotonic() + 20
    while not so():
        assert time.monotonic() < end, text_of(pilot.app)
        await pilot.pause(0.02)
        await settled(pilot)
    return text_of(pilot.app)


async def sees(pilot: Pilot[Any], text: str) -> str:
    return await until(pilot, lambda: text in text_of(pilot.app))


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


NARROW = {"fleet"}
BOTH_SIZES = {"fleet", "detail-machine", "stop"}
KEPT = [
    f"{page}-{language}-{size}"
    for page in PAGES
    for language in ("en", "zh")
    for size in SIZES
    if size == "80x24" or page in {"60x16": NARROW, "120x40": BOTH_SIZES}[size]
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


def squeezed(text: str) -> str:
    """The text with no more than one space anywhere."""
    return " ".join(text.split())


def rows_of(text: str) -> list[str]:
    """The names in the table, from the top."""
    lines = [line[1:].lstrip(" ▪├└") for line in text.splitlines()[3:-1]]
    return [line.split(" ")[0] for line in lines if line.strip()]


def test_stopping_asks_first_and_enter_changes_nothing() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        assert "Cancel" in await press(pilot, "j", "x")
        assert "Cancel" not in await press(pilot, "enter")
        await press(pilot, "x", "escape")
        assert app.hands.calls == []
        await press(pilot, "x", "right", "enter")
        await sees(pilot, "helper: stop done.")
        assert app.hands.calls == [("stop", "helper")]
        assert "stop: done" in await press(pilot, "8")

    scene(app, act)


def test_one_restart_is_done_at_once_and_several_ask_first() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "j", "r")
        await until(pilot, lambda: app.hands.calls == [("restart", "helper")])
        shown = await press(pilot, "g", "j", "space", "space", "r")
        assert "restart 2" in shown
        await press(pilot, "right", "enter")
        await until(pilot, lambda: app.hands.calls[1:] == [("restart", "helper"), ("restart", "shop-bot")])

    scene(app, act)


def test_removing_wants_the_name_and_two_seconds() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "j", "ctrl+p", *"remove", "enter", *"helpe", "enter", "tab", "enter")
        assert app.hands.calls == []
        await press(pilot, "ctrl+p", *"remove", "enter")
        await pilot.pause(2.2)
        await press(pilot, *"helper", "enter", "enter")
        await until(pilot, lambda: app.hands.calls == [("remove kept", "helper")])

    scene(app, act)


def test_what_failed_is_told_with_its_reason_and_the_next_command() -> None:
    app = Stage(hands=Hands(fails={"stop": Refused("fleet.no_agent", agent="helper")}))

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "j", "x", "right", "enter", "8")
        shown = await sees(pilot, "stop: failed.")
        assert "clawrack agent list" in shown

    scene(app, act)


@pytest.mark.parametrize("key", ["x", "r", "a"])
def test_read_only_leaves_keys_that_change_something_out(key: str) -> None:
    app = Stage(read_only=True)

    async def act(pilot: Pilot[Any]) -> None:
        before = await press(pilot, "j")
        assert "read-only" in before
        assert await press(pilot, key) == before
        assert app.hands.calls == []
        shown = await press(pilot, "ctrl+p", *"remove", "enter")
        assert "read-only" in shown
        assert app.hands.calls == []

    scene(app, act)


def test_read_only_help_names_nothing_that_changes_a_machine() -> None:
    async def act(pilot: Pilot[Any]) -> None:
        shown = await press(pilot, "question_mark")
        assert "Read-only" in shown
        assert "restart" not in shown

    scene(Stage(read_only=True), act, (120, 60))


def test_the_filter_narrows_while_it_is_typed_and_esc_takes_it_away() -> None:
    async def act(pilot: Pilot[Any]) -> None:
        assert rows_of(await press(pilot, "slash", *"@pc-1 gave"))[:2] == ["pc-1", "night-writer"]
        assert "/@pc-1 gave" in await press(pilot, "enter")
        assert len(rows_of(await press(pilot, "escape"))) == 11
        shown = await press(pilot, "slash", *"nobody", "enter")
        assert "None of 11 matches `nobody`." in shown

    scene(Stage(), act)


def test_a_broken_filter_is_told_and_shows_everything_else() -> None:
    async def act(pilot: Pilot[Any]) -> None:
        shown = await press(pilot, "slash", *"colour:red", "enter")
        assert "there is no colour to filter by" in squeezed(shown)

    scene(Stage(), act, (120, 40))


def test_a_marked_row_that_the_filter_hides_is_acted_on_all_the_same() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "j", "space", "slash", *"archive", "enter")
        assert "1 marked" in text_of(app)
        await press(pilot, "x", "right", "enter")
        await until(pilot, lambda: app.hands.calls == [("stop", "helper")])

    scene(app, act)


def test_a_dark_machine_keeps_its_values_and_comes_back() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        assert "└ archive ? was running ? dark 50s local-8b 11k" in squeezed(await press(pilot))
        app.put(told("pc-10", app.time.now))
        assert "└ archive ● running live local-8b 11k" in squeezed(await press(pilot))
        app.time.now += 100
        app.put(silent("pc-10", app.time.now))
        assert "? dark 1m" in await press(pilot)
        assert "answers again" in await press(pilot, "8")

    scene(app, act)


def test_an_empty_fleet_says_what_to_type() -> None:
    async def act(pilot: Pilot[Any]) -> None:
        assert "clawrack setup" in await press(pilot)

    scene(Stage(lambda at: [Wished(at=at)]), act)


def test_a_trouble_of_the_controller_stands_above_the_table_until_it_is_over() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        app.put(Trouble(at=app.time.now, text="agents/x.yaml:3: not a name"))
        assert "agents/x.yaml:3: not a name" in await press(pilot)
        app.put(Trouble(at=app.time.now, text=""))
        assert "x.yaml" not in await press(pilot)

    scene(app, act)


def test_a_small_window_says_so_and_a_larger_one_shows_the_table_again() -> None:
    async def act(pilot: Pilot[Any]) -> None:
        assert "too small" in await press(pilot)
        await pilot.resize_terminal(80, 24)
        assert "helper" in await press(pilot)

    scene(Stage(), act, (50, 12))


def test_the_table_shows_its_columns_again_after_another_page_heard_of_changes() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "8")
        app.put(told("nas", app.time.now, helper="stopped"))
        await press(pilot)
        assert "├ helper ‖ stopped" in squeezed(await press(pilot, "q"))

    scene(app, act)


def test_paused_the_page_stays_as_it_is() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "p")
        app.put(told("nas", app.time.now, helper="stopped"))
        assert "├ helper ● running" in squeezed(await press(pilot))
        assert "├ helper ‖ stopped" in squeezed(await press(pilot, "p"))

    scene(app, act)


def test_an_agent_is_asked_and_its_answer_is_harmless() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "j", "a", *"hello", "enter")
        shown = await sees(pilot, "You said: hello")
        assert app.hands.calls == [("ask", "helper: hello")]
        assert "�[31m[red]second line" in shown

    scene(app, act)


def test_logs_of_marked_agents_come_together_and_end_with_the_page() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "j", "space", "space", "l")
        shown = await sees(pilot, "has ended")
        assert "helper    line 59" in shown
        assert "shop-bot  line 59" in shown
        assert "following" in shown
        assert "not following" in await press(pilot, "k")
        shown = await press(pilot, "question_mark", *"line 7", "enter")
        assert "line 7" in shown
        shown = await press(pilot, "slash", *"59", "enter")
        assert "line 58" not in shown
        await press(pilot, "escape", "q")
        await until(pilot, lambda: app.hands.following == [True, False])

    scene(app, act)


def test_an_agents_page_is_open_as_long_as_its_dialog() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        await press(pilot, "j", "o")
        await sees(pilot, "http://127.0.0.1:28789/#nonce")
        await press(pilot, "escape")
        await until(pilot, lambda: app.hands.calls == [("page", "helper"), ("page closed", "helper")])

    scene(app, act)


@pytest.mark.parametrize("key", ["escape", "q"])
def test_one_esc_on_the_first_page_leaves_nothing_and_a_second_one_leaves(key: str) -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        assert "Once more leaves" in await press(pilot, key)
        assert app.is_running
        await press(pilot, "8", key)
        assert app.is_running
        await press(pilot, key)
        assert app.is_running
        await press(pilot, key)
        await until(pilot, lambda: not app.is_running)

    scene(app, act)


def test_a_key_that_does_nothing_to_a_row_says_why() -> None:
    async def act(pilot: Pilot[Any]) -> None:
        assert "open page is for agents; nas is a machine." in await press(pilot, "o")
        assert "pc-10 gives no answer" in await press(pilot, "G", "r")

    scene(Stage(), act, (200, 24))


def test_leaving_while_something_is_under_way_asks_first() -> None:
    app = Stage()

    async def act(pilot: Pilot[Any]) -> None:
        app.put(Doing(at=app.time.now, subject="nas/helper", action="stop"))
        await press(pilot)
        assert "Under way: 1" in await press(pilot, "ctrl+q")
        await press(pilot, "enter")
        assert app.is_running
        await press(pilot, "ctrl+q", "right", "enter")
        await until(pilot, lambda: not app.is_running)

    scene(app, act)


def test_columns_are_switched_and_the_order_is_turned() -> None:
    async def act(pilot: Pilot[Any]) -> None:
        shown = await press(pilot, "C", "down", "down", "enter", "escape")
        assert "KIND" in shown
        assert "VERSION" not in shown
        assert "STATE ▲" in await press(pilot, "greater_than_sign")
        assert "STATE ▼" in await press(pilot, "R")
        assert "NAME ▲" in await press(pilot, "less_than_sign")

    scene(Stage(), act)


def test_the_page_is_saved_as_it_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    seen: list[str] = []

    async def act(pilot: Pilot[Any]) -> None:
        seen.append(await press(pilot))
        await press(pilot, "ctrl+s")

    scene(Stage(), act)
    (saved,) = tmp_path.rglob("*.txt")
    assert [saved.read_text()] == seen
    assert saved.stat().st_mode & 0o077 == 0


def test_a_fault_of_the_screen_ends_it_without_a_picture_of_its_inside(capsys: pytest.CaptureFixture[str]) -> None:
    app = Stage()

    def breaks(delta: Delta) -> None:
        raise ZeroDivisionError(delta)

    async def act(pilot: Pilot[Any]) -> None:
        app.page.heard = breaks
        await pilot.pause(0.6)

    with pytest.raises(ZeroDivisionError):
        scene(app, act)
    assert isinstance(app.failure, ZeroDivisionError)
    assert "Traceback" not in "".join(capsys.readouterr())
