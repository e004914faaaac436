"""A meter's report becomes rows that say how many of the calls nobody has counted."""

import json
import sys
from typing import Any

import pytest

from clawrack.cli import show
from clawrack.cli.terminal import terminal
from clawrack.cli.usage import COLUMNS
from fleet import usage


def _sum(**more: object) -> dict[str, Any]:
    one = {"agent": "a", "day": "2026-01-02", "route": "main", "calls": 2, "input_tokens": 3, "output_tokens": 4}
    return {**one, **more}


def test_what_was_estimated_is_told_beside_what_was_counted() -> None:
    told = {"usage": [_sum(estimated=False), _sum(estimated=True, calls=5), _sum(day="2026-01-03")]}
    first, second = usage.rows("box", json.dumps(told).encode())
    assert (first.calls, first.estimated, first.input) == (7, 5, 6)
    assert (second.calls, second.estimated) == (2, 0)


@pytest.mark.parametrize(("language", "heading"), [("en", "estimated"), ("zh", "其中估算")])
def test_the_table_shows_it_in_80_columns(
    language: str, heading: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAWRACK_LANG", language)
    rows = usage.rows("front-desk", json.dumps({"usage": [_sum(estimated=True, calls=5)]}).encode())
    show.table(rows, terminal(sys.stdout), "show.no_usage", COLUMNS)
    first, second = capsys.readouterr().out.splitlines()
    assert heading in first
    assert second.split() == ["a", "front-desk", "2026-01-02", "main", "5", "5", "3", "4"]
