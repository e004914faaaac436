"""What machines say cannot command the terminal: the real program, in a pseudo-terminal, byte for byte."""

import os
import re
import sys
from pathlib import Path

import pytest

from fleet.views import AgentView, MachineView, UsageRow
from tests.terminal import AtTerminal
from tui.state.heard import Message, Silent, Told, Used, Wished, WishedAgent, WishedMachine
from tui.state.record import Recorder

HOSTILE = {
    "title": "\x1b]0;pwned\x07",
    "clipboard": "\x1b]52;c;cHduZWQ=\x1b\\",
    "clear": "\x1b[2J\x1b[31mred",
    "c1": "\x9b31m\x9d0;pwned\x9c",
    "bidi": "a\u202egnp.exe\u2066b",
    "markup": "[red]x[/red][@click=app.quit]y[/]",
    "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467 ok",
    "long": "W" * 200,
    "lines": "one\r\ntwo\x0bthree\u2028four",
}
NOT_OURS = ("\x1b]0;", "\x1b]52", "\x9b", "\x9d", "\u202e", "\u2066", "\u200d", "\u2028")


def recording(path: Path) -> None:
    """A fleet in which every value that a machine or a file could give is hostile."""
    keeper = Recorder(path, 0.0, "2026-11-21T00:00:00+00:00")
    agents = tuple(
        AgentView(
            name=f"a{number}", machine="box", state="gave-up", kind=text, version=text, model=text, reason=text,
            release=text, container=text, image=text, address=text, started=text,
        )
        for number, text in enumerate(HOSTILE.values())
    )  # fmt: skip
    machine = MachineView(
        name="box", address=HOSTILE["title"], state="ok", agents=len(agents), id=HOSTILE["c1"], engine=HOSTILE["clear"],
        meter=HOSTILE["bidi"], trouble=HOSTILE["markup"],
    )  # fmt: skip
    rows = tuple(
        UsageRow(agent=f"a{number}", machine="box", day=text, model=text, calls=1, input=2, output=3)
        for number, text in enumerate(HOSTILE.values())
    )
    told: list[Message] = [
        Wished(
            at=0.0,
            machines=(WishedMachine("box", HOSTILE["title"]), WishedMachine("dark", HOSTILE["clear"])),
            agents=tuple(WishedAgent(one.name, "box", one.kind, one.version, one.model) for one in agents),
        ),
        Told(at=0.1, machine="box", view=machine, agents=agents, strays=tuple(HOSTILE.values())),
        Used(at=0.2, machine="box", today=HOSTILE["clear"], rows=rows),
        Silent(at=0.3, machine="dark", key="x", text="".join(HOSTILE.values())),
        Silent(at=0.4, machine="dark", key="x", text="".join(HOSTILE.values())),
    ]
    for message in told:
        keeper.write(message)
    keeper.close()


def bytes_of(words: list[str], keys: list[tuple[str, str]]) -> bytes:
    """What a program writes to its terminal of 120 by 40 while keys are pressed, each once a text has been written."""
    environment = {**os.environ, "TERM": "xterm-256color", "CLAWRACK_LANG": "en", "LC_ALL": "C.UTF-8"}
    with AtTerminal(words, environment, rows=40, columns=120) as terminal:
        for text, key in keys:
            terminal.sees(text)
            terminal.forget()
            terminal.press(key)
        terminal.ends()
        return terminal.said


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("hostile") / "recording"
    recording(path)
    words = [sys.executable, "-m", "clawrack", "tui", "--replay", str(path)]
    steps = [
        ("dark 1", "\r"),
        ("Summary", "q"),
        ("a3", "jjj\r"),
        ("Summary", "q"),
        ("a3", "8"),
        ("events", "\x11"),
    ]
    return bytes_of(words, steps).decode()


def test_the_screen_was_really_shown(written: str) -> None:
    assert "gave up" in written
    assert "[red]x[/red]" in written
    assert "in no file" in written
    assert "Agents" in written


@pytest.mark.parametrize("sequence", NOT_OURS, ids=ascii)
def test_no_sequence_of_a_machines_reaches_the_terminal(written: str, sequence: str) -> None:
    assert sequence not in written


def test_a_title_in_a_value_stays_letters(written: str) -> None:
    """The letters of a window's title are shown, and what would have made them one is not."""
    around = re.findall(r"(.{0,8})pwned", written)
    assert around
    assert all("\x1b]" not in before and "\x07" not in before for before in around)
    assert re.findall(r"\x1b\[31mred", written) == []
