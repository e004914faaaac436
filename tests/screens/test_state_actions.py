"""The registry of actions: one source for keys, hints, help, palette, dialogs and read-only."""

from typing import get_args

import pytest

from clawrack.cli.door import root
from clawrack.cli.frame import Noun
from fleet.api import Fleet
from fleet.base.words import catalogue
from fleet.views import AgentState, AgentView, MachineView
from tui.state import actions
from tui.state.actions import ACTIONS, Place
from tui.state.rows import AgentRow, MachineRow, Pulse, Row

PLACES: tuple[Place, ...] = get_args(Place)


def pulse(at: float = 0.0) -> Pulse:
    made = Pulse(2.0)
    made.answered(at)
    return made


def agent(state: AgentState = "running", name: str = "helper", machine: str = "box", at: float = 0.0) -> AgentRow:
    view = AgentView(name=name, machine=machine, state=state, kind="openclaw", version="1", model="main")
    return AgentRow(id=f"{machine}/{name}", view=view, pulse=pulse(at))


def machine() -> MachineRow:
    return MachineRow(id="box", view=MachineView(name="box", address="a", state="ok", agents=1), pulse=pulse())


ROWS: list[Row | None] = [None, machine(), *(agent(state) for state in get_args(AgentState))]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("read_only", [False, True])
def test_no_key_means_two_things_for_the_same_row(place: Place, *, read_only: bool) -> None:
    for row in ROWS:
        keys = [key for one in actions.offered(place, read_only=read_only) if one.applies(row) for key in one.keys]
        assert len(keys) == len(set(keys))


def test_every_action_of_the_screen_can_be_reached_by_a_key_except_what_loses_something() -> None:
    for one in ACTIONS:
        reached = any(one.id == there.id and there.keys for place in PLACES for there in actions.offered(place))
        assert reached == (one.tier < 3), one.id


def test_every_action_has_its_texts_in_both_languages() -> None:
    for words in (catalogue("en"), catalogue("zh")):
        lacking = [f"screen.{part}.{one.id}" for one in ACTIONS for part in ("act", "help")]
        lacking += [f"screen.effect.{one.id}" for one in ACTIONS if one.tier]
        assert [key for key in lacking if key not in words] == []


def test_every_action_that_reaches_a_machine_is_a_method_of_the_fleet() -> None:
    rows = [row for row in ROWS if row]
    methods = {one.method(row) for one in ACTIONS for row in rows if one.applies(row)} - {""}
    assert methods > {"start", "stop", "restart"}
    assert [name for name in methods if not callable(getattr(Fleet, name, None))] == []


def test_every_action_above_tier_0_reaches_a_machine_by_the_fleet_or_by_a_page_of_the_screens_own() -> None:
    assert [one.id for one in ACTIONS if one.tier and not one.run] == ["open", "shell"]


def test_every_command_that_the_screen_shows_exists() -> None:
    with root().make_context("clawrack", ["--version"], resilient_parsing=True) as ctx:
        for one in ACTIONS:
            for row in ROWS:
                words = one.cli(row).split()[1:] if one.applies(row) else []
                command = ctx.command
                while words and isinstance(command, Noun):
                    found = command.get_command(ctx, words.pop(0))
                    assert found, (one.id, one.cli(row))
                    command = found


def test_read_only_leaves_nothing_that_changes_a_machine() -> None:
    left = {one.id for one in actions.offered("table", read_only=True)}
    assert {one.id for one in actions.offered("table")} - left == {
        "ask", "restart", "start", "stop", "open", "shell", "remove"
    }  # fmt: skip
    assert actions.by_key("x", agent(), "table", read_only=True) is None
    assert actions.find("stop", read_only=True) is None
    assert actions.find("stop")


def test_r_restarts_what_runs_and_starts_what_is_stopped() -> None:
    found = {row.view.state: actions.by_key("r", row, "table") for row in ROWS if isinstance(row, AgentRow)}
    assert {state: one.id if one else "" for state, one in found.items()} == {
        "running": "restart", "starting": "restart", "trial": "restart", "stopped": "start", "gave-up": "start",
        "absent": "", "unknown": "",
    }  # fmt: skip


def test_a_question_mark_highlights_on_a_page_of_text_and_helps_elsewhere() -> None:
    assert actions.by_key("?", None, "text") is actions.find("highlight")
    found = actions.by_key("?", None, "table")
    assert found
    assert found.id == "help"
    assert [one.keys for one in actions.offered("text") if one.id == "help"] == [("f1",)]


def test_one_restart_needs_no_dialog_and_two_do() -> None:
    restart = actions.find("restart")
    assert restart
    assert actions.ask(restart, [agent()], 1.0).tier == 1
    assert actions.ask(restart, [agent(), agent(name="other")], 1.0).tier == 2


def test_a_dialog_tells_on_which_machines_and_what_is_left_out() -> None:
    stop = actions.find("stop")
    assert stop
    rows = [agent(), agent(name="b"), agent("stopped", "c"), agent(name="d", machine="far", at=-100.0)]
    asked = actions.ask(stop, rows, 1.0)
    assert asked.targets == ("box/helper", "box/b")
    assert asked.left_out == ("box/c", "far/d")
    assert asked.machines == {"box": 2}
    assert asked.cli == ("clawrack agent stop helper", "clawrack agent stop b")
    assert "helper, b" in asked.effect
    assert asked.typed == ""


def test_what_is_done_to_several_is_told_in_the_plural_with_four_names() -> None:
    stop = actions.find("stop")
    assert stop
    four, six = ([agent(name=name) for name in names] for names in ("abcd", "abcdef"))
    assert actions.ask(stop, four, 1.0).effect.startswith("Stops 4: a, b, c, d. They answer nobody")
    assert actions.ask(stop, six, 1.0).effect.startswith("Stops 6: a, b, c, d and 2 more. They")
    assert actions.ask(stop, four[:1], 1.0).effect.startswith("Stops 1: a. It answers nobody")


@pytest.mark.parametrize(
    ("key", "row", "reason"),
    [
        ("o", machine(), "open page is for agents; box is a machine."),
        ("r", agent(at=-100.0), "box gives no answer: helper cannot be reached now. restart: not done."),
        ("x", agent("stopped"), "stop does not apply: helper is stopped."),
        ("enter", None, "Nothing here to do that to: open"),
    ],
)
def test_a_key_that_does_not_apply_says_why(key: str, row: Row | None, reason: str) -> None:
    action = actions.lacking(key, "table")
    assert action
    assert actions.why_not(action, [row] if row else [], 1.0) == reason


def test_removing_wants_the_name_typed() -> None:
    remove = actions.find("remove")
    assert remove
    assert remove.keys == ()
    assert actions.ask(remove, [agent()], 1.0).typed == "helper"
    assert actions.ask(remove, [machine()], 1.0).cli == ("clawrack machine remove box",)
    assert remove.method(machine()) == "remove_machine"
