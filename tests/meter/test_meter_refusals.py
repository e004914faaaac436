"""A provider that refuses is remembered: by route, status and time, over a restart, until it answers again."""

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from meter_rig import Agent, Rig, ask

from templates.meter.meter.clock import WallClock
from templates.meter.meter.ledger import Heard, Ledger
from templates.meter.meter.report import report

SLOW = Agent("slow-one", 9)
SAID = "what-nobody-may-keep"


def refuse(rig: Rig, status: int, *, raises: bool) -> None:
    rig.routes({"slow": {"kind": "slow", "pieces": 1, "status": status, "raises": raises}})


def refusals(rig: Rig) -> list[dict[str, Any]]:
    return rig.printed_report()["refusals"]


@pytest.mark.parametrize("raises", [True, False], ids=["the route fails", "the answer is passed on"])
def test_a_refused_key_is_in_the_report_until_the_provider_answers_again(
    slow_rig: Callable[..., Rig], *, raises: bool
) -> None:
    rig = slow_rig(pieces=1)
    assert rig.call(SLOW).status == 200
    assert refusals(rig) == []
    refuse(rig, 401, raises=raises)
    for _ in range(2):
        assert rig.call(SLOW, ask(SAID)).status == (502 if raises else 401)
    [refused] = refusals(rig)
    assert (refused["route"], refused["status"], refused["times"], refused["answered"]) == ("slow", 401, 2, 0)
    assert abs(refused["at"] - time.time()) < 30
    rig.routes({"slow": {"kind": "slow", "pieces": 1}})
    assert rig.call(SLOW).status == 200
    [mended] = refusals(rig)
    assert mended["answered"] >= mended["at"] > 0
    refuse(rig, 402, raises=raises)
    rig.call(SLOW)
    assert [(one["status"], one["times"], one["answered"]) for one in refusals(rig)] == [(402, 1, 0)]


def test_a_refusal_outlives_the_meter_and_holds_nothing_of_what_was_said(slow_rig: Callable[..., Rig]) -> None:
    rig = slow_rig(status=403, pieces=1)
    rig.call(SLOW, ask(SAID))
    assert rig.stop() == 0
    rig.start()
    [refused] = refusals(rig)
    assert set(refused) == {"route", "status", "at", "times", "answered"}
    assert refused["status"] == 403
    assert SAID not in json.dumps(rig.printed_report()) + rig.log
    assert not [path for path in rig.ledger.parent.iterdir() if SAID.encode() in path.read_bytes()]


@pytest.mark.parametrize("status", [0, 400, 404, 413, 422])
def test_what_is_about_one_call_says_nothing_of_the_route(tmp_path: Path, status: int) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite", WallClock())
    with ledger.transaction():
        ledger.hear(Heard("main", 401))
        ledger.hear(Heard("main", status))
    [kept] = _rows(tmp_path)
    assert (kept["status"], kept["answered"]) == (401, 0)


def test_a_ledger_of_before_is_reported_and_taken_over(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite", WallClock()).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as db:
        db.execute("DROP TABLE refusals")
    db.close()
    assert _rows(tmp_path) == []
    ledger = Ledger(tmp_path / "ledger.sqlite", WallClock())
    with ledger.transaction():
        ledger.hear(Heard("main", 500))
    assert [kept["status"] for kept in _rows(tmp_path)] == [500]


def _rows(folder: Path) -> list[dict[str, Any]]:
    rows: Any = report(folder / "ledger.sqlite", WallClock())["refusals"]
    return rows
