import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text()
ROW = re.compile(r"^\| (\d+) \|([^|]+)\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")
LATER = {26}
"""Promises that are not made yet; the page says so."""


def test_every_promise_has_a_row_and_a_test() -> None:
    rows = {int(number): tests for number, _, tests, _ in ROW.findall(PAGE)}
    assert set(rows) == set(range(1, 30))
    assert [number for number, tests in rows.items() if not TEST.search(tests) and number not in LATER] == []


def test_every_test_that_is_named_exists() -> None:
    gone = [f"{file}::{name}" for file, name in TEST.findall(PAGE) if f"def {name}(" not in _text(ROOT / file)]
    assert gone == []


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""
