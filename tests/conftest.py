"""What every test stands on: the checkout on the path, and the long sweeps that only `./test.sh --soak` runs."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parents[1]))  # helpers are imported as tests.rack.machine
SOAK = bool(os.environ.get("CLAWRACK_SOAK"))
settings.register_profile("run", deadline=None)  # a box with much else to do is no fault
settings.register_profile("soak", max_examples=5000, deadline=None)
left_out: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: a long sweep, run by ./test.sh --soak alone")
    settings.load_profile("soak" if SOAK else "run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = [item for item in items if item.get_closest_marker("soak")] if not SOAK else []
    items[:] = [item for item in items if item not in long]
    left_out.extend(item.name for item in long)
    config.hook.pytest_deselected(items=long)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if left_out:
        terminalreporter.write_line(f"left to ./test.sh --soak: {', '.join(left_out)}")
