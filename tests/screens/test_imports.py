"""What a command costs that is not the screen: nothing of it is imported; and of the screen only what is shown."""

import subprocess
import sys

import pytest

LINES = [("--help",), ("--version",), ("agent", "list", "--help"), ("status", "--help"), ("tui", "--help")]
HEAVY = {"textual", "tui"}


def imported(code: str) -> set[str]:
    """The modules that are there after this code has run."""
    script = f"import sys\n{code}\nprint('\\n'.join(['', 'MODULES', *sys.modules]))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.partition("\nMODULES\n")[2].split())


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_no_other_command_imports_the_screen(words: tuple[str, ...]) -> None:
    there = imported(f"from clawrack.cli.door import run\nassert run({words!r}) == 0")
    assert "clawrack.cli.door" in there
    assert {name for name in there if name.partition(".")[0] in HEAVY} == set()


def test_a_page_is_imported_when_it_is_first_shown() -> None:
    there = imported("import tui.app")
    assert "textual.app" in there
    assert {name for name in there if name.startswith("tui.screens.")} == set()


def test_a_recording_is_shown_without_what_reaches_machines() -> None:
    there = imported("import tui.app, tui.state.record, tui.screens.fleet")
    assert there & {"paramiko", "fabric", "docker", "fleet.api"} == set()


def test_without_a_terminal_the_screen_says_what_to_type() -> None:
    words = [sys.executable, "-m", "clawrack", "tui"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "clawrack status" in done.stderr
