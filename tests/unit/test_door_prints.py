"""What the door prints: steps, bars, tables and JSON, in cells and without anything that a terminal would obey."""

import io
import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawrack.cli import machine, show, steps
from clawrack.cli.terminal import Terminal, terminal
from fleet.base import words
from fleet.base.cells import cut, pad, width, wrap
from fleet.base.event import Event
from fleet.views import AgentView, MachineView

SAID = "你好。这是一个很长的句子、用来检查换行是否正确。"


@pytest.fixture(autouse=True)
def english() -> None:
    words.choose("en")


def plain() -> Terminal:
    return Terminal(io.StringIO())


def live(columns: int = 80) -> Terminal:
    return Terminal(io.StringIO(), live=True, columns=columns)


def shown(to: Terminal) -> str:
    assert isinstance(to.out, io.StringIO)
    return to.out.getvalue()


def event(**fields: object) -> Event:
    base: dict[str, object] = {"kind": "done", "subject": "m", "step": "step.deploy", "params": {"agent": "helper"}}
    return msgspec.convert({**base, **fields}, Event)


def agent(name: str, **fields: object) -> AgentView:
    base = {
        "name": name,
        "machine": "there",
        "state": "running",
        "kind": "openclaw",
        "version": "1",
        "model": "practice",
    }
    return msgspec.convert({**base, **fields}, AgentView)


def test_a_step_is_one_line_with_its_time() -> None:
    to = plain()
    with steps.Steps(to) as heard:
        heard(event(kind="begun"))
        heard(event(elapsed=7.21))
    assert shown(to) == "✓ Agent helper  7.2 s\n"


def test_what_was_so_already_has_no_time() -> None:
    to = plain()
    with steps.Steps(to) as heard:
        heard(event(kind="already", elapsed=0.3))
    assert shown(to) == "· Agent helper  already so\n"


def test_a_cut_wire_is_never_shown_as_done() -> None:
    assert steps.finished(event(kind="unknown"), plain())[0].startswith("? ")


def test_where_nobody_looks_bytes_are_told_every_tenth_once() -> None:
    to = plain()
    with steps.Steps(to) as heard:
        for moved in range(0, 101, 3):
            heard(event(kind="progress", moved=moved << 20, total=100 << 20))
    rows = shown(to).splitlines()
    assert len(rows) == 9
    assert rows[0] == "  Agent helper  12 %  12/100 MB"


def test_while_a_person_looks_the_step_under_way_is_painted_over() -> None:
    to = live()
    with steps.Steps(to) as heard:
        heard(event(kind="begun"))
        heard(event(kind="progress", moved=50 << 20, total=100 << 20))
        heard(event(elapsed=65))
    painted = shown(to).split("\r\x1b[2K")
    assert painted[1].startswith("… Agent helper")
    assert "[##########..........] 50 %  50/100 MB" in painted[2]
    assert painted[-2] == "✓ Agent helper  1 min 5 s\n"


def test_a_step_that_never_ends_leaves_no_half_painted_line() -> None:
    to = live()
    with steps.Steps(to) as heard:
        heard(event(kind="begun"))
    assert shown(to).endswith("\r\x1b[2K")


@pytest.mark.parametrize("columns", [20, 40, 80])
@pytest.mark.parametrize("moved", [0, 1 << 20, 266 << 20])
def test_the_step_under_way_fits_its_line_in_chinese(columns: int, moved: int) -> None:
    words.choose("zh")
    at = event(kind="progress", step="step.image", params={"of": "智能体" * 9}, moved=moved, total=266 << 20)
    row = steps.under_way(at, 3725.0, columns - 1)
    assert width(row) < columns


def test_an_unknown_step_is_shown_by_its_key_and_harmless() -> None:
    assert steps.text(event(step="never.heard\x1b[2J")) == "never.heard�[2J"


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    steps.as_json(event(elapsed=1.5))
    told = json.loads(capsys.readouterr().out)["event"]
    assert (told["kind"], told["step"], told["elapsed"]) == ("done", "step.deploy", 1.5)


def test_a_table_lines_up_in_chinese() -> None:
    words.choose("zh")
    to = plain()
    show.table(
        [agent("a"), agent("long-name", state="gave-up", reason=SAID)],
        to,
        "show.no_agents",
        ("name", "state", "reason"),
    )
    head, first, second = shown(to).splitlines()
    at = width(head[: head.index("状态")])
    assert width(first[: first.index("运行中")]) == at
    assert width(second[: second.index("已放弃")]) == at


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_table_is_no_wider_than_the_terminal(columns: int) -> None:
    to = live(columns)
    rows = [agent("x" * 9, machine="y" * 9, reason=SAID * 3)]
    show.table(rows, to, "show.no_agents", ("name", "machine", "state", "reason"))
    assert all(width(line) <= columns for line in shown(to).splitlines())


def test_names_are_never_cut() -> None:
    to = live(40)
    rows = [agent("x" * 40, machine="y" * 40, reason=SAID * 3)]
    show.table(rows, to, "show.no_agents", ("name", "machine", "reason"))
    assert f"{'x' * 40}  {'y' * 40}" in shown(to)


def test_of_a_silent_machine_nothing_is_invented_and_its_trouble_has_a_line_of_its_own() -> None:
    to = live(80)
    trouble = "south-side-office: No answer within 10 s (timed out) The machine is off, or has another address."
    silent = MachineView(name="south-side-office", address="192.0.2.17", state="silent", agents=3, trouble=trouble)
    well = MachineView(name="south-side-home", address="192.0.2.18", state="ok", agents=1, free=3 << 30, engine="24.0")
    machine.listed([silent, well], to)
    head, first, second, *rest = shown(to).splitlines()
    assert "trouble" not in head
    assert first.split() == ["south-side-office", "silent", "192.0.2.17", "3", "-", "-"]
    assert second.split()[0] == "south-side-home"
    assert rest[0].startswith("! south-side-office: No answer")
    assert all(width(line) <= 80 for line in shown(to).splitlines())
    of_one = live(80)
    show.details(silent, of_one)
    assert "GB" not in shown(of_one)
    assert "firewall" not in shown(of_one)


def test_columns_that_are_empty_everywhere_are_left_out() -> None:
    to = plain()
    show.table([agent("a")], to, "show.no_agents", ("name", "reason", "state"))
    assert shown(to).splitlines()[0].split() == ["name", "state"]


def test_what_a_machine_says_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    to = plain()
    evil = agent("a", reason="\x1b[2Jgone\u202eback\x9b31m\nnext")
    show.table([evil], to, "show.no_agents", ("name", "reason"))
    show.details(evil, to)
    show.as_json("agent", evil)
    said = shown(to) + capsys.readouterr().out
    assert not re.search("[\x1b\x9b\u202e]", said)


def test_json_keeps_what_it_makes_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    show.as_json("agent", agent("a", reason="\x1b[2J 你好 \u202e\x9b"))
    raw = capsys.readouterr().out
    assert "你好" in raw
    assert json.loads(raw)["agent"]["reason"] == "\x1b[2J 你好 \u202e\x9b"


def test_a_machine_shows_its_space_in_gigabytes_and_a_short_id() -> None:
    to = plain()
    view = MachineView(name="here", address="here", state="ok", agents=1, id="ab" * 32, free=3 << 30)
    show.table([view], to, "show.no_machines", ("name", "id", "free"))
    assert shown(to).splitlines()[1].split() == ["here", "abababababababab", "3.0", "GB"]


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal(Screen()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert (terminal(Screen()).colour, terminal(Screen()).live) == (False, True)
    monkeypatch.setenv("TERM", "dumb")
    assert not terminal(Screen()).live


TEXTS = st.text(st.sampled_from("ab 、。你好世界-/\t\n"), max_size=80)


@given(TEXTS, st.integers(4, 40))
def test_wrapping_keeps_every_word_and_every_width(text: str, cells: int) -> None:
    rows = wrap(text, cells)
    assert "".join("".join(rows).split()) == "".join(text.split())
    assert all(width(row) <= cells or not re.search(r"[\s你好世界]", row.strip("、。")[1:]) for row in rows)


@given(TEXTS.map(lambda text: text.replace("\n", "").replace("\t", "")), st.integers(2, 30))
def test_cutting_and_padding_give_exactly_the_cells(text: str, cells: int) -> None:
    assert width(cut(text, cells)) <= cells
    assert width(pad(cut(text, cells), cells)) == cells
