"""The screen on a real machine, in a real terminal: what it shows is so, and what its keys do is done."""

import sys
from collections.abc import Iterator

import pytest

from tests.rack import faults, tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine
from tests.screens.terminal import Terminal

AGENTS = ("one", "two")


@pytest.fixture(scope="module")
def told() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as machine:
        yield machine


@pytest.fixture(scope="module")
def controller(told: Machine, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """A controller with two agents of the tiny kind on one machine."""
    made = Controller(tmp_path_factory.mktemp("controller"))
    made.environment["CLAWRACK_KINDS"] = tinykinds.place(tmp_path_factory.mktemp("kinds"))
    for name in AGENTS:
        made.done(
            "setup", "--machine", f"root@{told.address}", "--key", str(told.key), "--fingerprint", told.fingerprint(),
            "--kind", tinykinds.NAME, "--name", name, "--yes", "--json",
        )  # fmt: skip
    return made


@pytest.fixture
def screen(controller: Controller, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    options: tuple[str, ...] = getattr(request, "param", ())
    with Terminal([sys.executable, "-m", "clawrack", "tui", *options], controller.environment) as terminal:
        terminal.shows("● ok", "├ one", "└ two", "● running 2", within=20)
        yield terminal


def runs(machine: Machine, agent: str) -> bool:
    return bool(machine.sh(f"docker ps -q --filter name=clawrack-{agent}").text)


def test_an_agent_is_stopped_by_keys_through_the_dialog_and_started_again(screen: Terminal, told: Machine) -> None:
    screen.press("j", "x")
    screen.shows("Stops 1: one.", "clawrack agent stop one")
    screen.press("Enter")  # the button that has the focus changes nothing
    screen.hides("Stops 1: one.")
    assert runs(told, "one")
    screen.press("x")
    screen.shows("Stops 1: one.")
    screen.press("Right", "Enter")
    screen.shows("├ one", "‖ stopped", "one: stop done.", within=30)
    assert not runs(told, "one")
    screen.press("r")
    screen.shows("one: start done.", within=30)
    screen.shows("● running 2", within=30)
    assert runs(told, "one")
    screen.press("8")
    screen.shows("stop: done", "start: done", "stopped → ")


def test_a_log_is_shown_as_it_is_written(screen: Terminal) -> None:
    screen.press("j", "l")
    screen.shows("▸ logs one", "tiny 1 with schema 1 listens", "following")
    screen.press("q")
    screen.shows("├ one")


def test_a_shell_on_the_machine_and_back(screen: Terminal) -> None:
    screen.press("s")
    screen.shows(":~#", within=20)
    screen.press("echo", "Space", "here-$((40+2))", "Enter")
    screen.shows("here-42", within=20)
    screen.press("C-d")
    screen.shows("├ one", "● running", within=20)


def test_a_shell_that_cannot_be_had_says_why_before_the_screen_comes_back(screen: Terminal) -> None:
    screen.press("j", "s")  # the image of the tiny kind has none
    screen.shows("has no shell", "Enter goes back to the screen", within=20)
    screen.press("Enter")
    screen.shows("├ one", "● running", within=20)


def test_a_machine_whose_cable_is_pulled_goes_dark_with_its_values_and_comes_back(
    screen: Terminal, told: Machine
) -> None:
    faults.disconnect(told)
    try:
        shown = screen.shows("? dark", "? was running", "? silent", within=60)
        assert shown.count("? was running") == len(AGENTS)
        assert "practice" in shown
    finally:
        faults.reconnect(told)
    screen.press("F5")
    screen.shows("● ok", "live", "● running 2", within=40)


@pytest.mark.parametrize("screen", [("--read-only",)], indirect=True)
def test_read_only_no_key_reaches_the_machine(screen: Terminal, told: Machine) -> None:
    screen.press("j", "x", "Right", "Enter")
    screen.shows("▸ ")
    screen.press("C-q")
    screen.ends()
    assert runs(told, "one")
