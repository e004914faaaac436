"""The controller is killed at each of its steps, as by `kill -9`; the same command typed again ends what was begun.

A step is before each line that is put on the disk, before each rename, and before each call of the guard, and in the
middle of those that take a while (tests/rack/killer.py counts them). Two fleets are swept side by side.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.rack.fleet_rig import Fleet, fleet_of

KILLED = -9
KILLER = Path(__file__).with_name("killer.py")
ROOT = Path(__file__).resolve().parents[2]
AGENT = "tiny-1"
SUMS = (
    "cd /var/lib/clawrack/agents/*/snapshots || exit 0;"
    "for s in *.tar; do test ! -f $s || { sha256sum <$s; cat $s.sha256; }; done"
)


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Fleet]]:
    with fleet_of(1, tmp_path_factory.mktemp("one")) as one, fleet_of(1, tmp_path_factory.mktemp("two")) as two:
        for fleet in (one, two):
            fleet.done("agent", "ask", AGENT, "remember me")
        yield one, two


def kill(fleet: Fleet, step: int, *words: str) -> tuple[int, list[str]]:
    """Type a command that dies at a step; return its exit code and the steps that it passed."""
    told = fleet.controller.folder / "steps"
    more = {"CLAWRACK_KINDS": str(fleet.kinds), "PYTHONPATH": str(ROOT)}
    line = (sys.executable, str(KILLER), str(step), str(told), *words)
    ended = subprocess.run(line, env=fleet.controller.environment | more, capture_output=True, timeout=200, check=False)
    assert ended.returncode in {0, KILLED}, ended.stderr.decode()[-2000:]
    return ended.returncode, told.read_text().splitlines()


def whole(fleet: Fleet) -> None:
    """See what must hold after whatever happened."""
    box = fleet.at(AGENT)
    assert box.containers() == [f"clawrack-{AGENT}"]
    assert fleet.version(AGENT)["messages"] >= 1, "what it was told is still there"
    sums = [line.split()[0] for line in box.machine.sh(SUMS, check=False).text.splitlines()]
    assert sums[::2] == sums[1::2], "every snapshot is what its checksum says"
    assert "trial" not in box.look()
    assert fleet.done("rollout", "show", "--json").document["rollout"]["state"] == "complete"


def changes(fleet: Fleet, number: int) -> None:
    """Have the files wish something else."""
    fleet.kind(fault=f"calm-{number}")


def sweep(fleet: Fleet, words: tuple[str, ...], prepare: bool) -> list[str]:
    """Kill the command at each step; return what went wrong, each with its step."""
    wrong, number = list[str](), 0
    while True:
        number += 1
        earlier = fleet.at(AGENT).look()["release"]
        if prepare:  # a release to go back from
            changes(fleet, 1000 + number)
            fleet.done("apply", "--yes", "--touch", "1", "--json")
        changes(fleet, number)
        code, steps = kill(fleet, number, *words)
        if code == 0:
            return wrong
        time.sleep(0.2 if "guard" in steps[-1] else 0)  # the machine goes on with what it was told
        # Its last line was written, though nobody waited for the disk: it is over; the same words are a new command.
        again = None if steps[-1].endswith("rolling._end") else fleet.type(*words)
        try:
            assert again is None or again.code == 0, again
            whole(fleet)
            after = fleet.at(AGENT).look()["release"]
            if prepare:
                assert after == earlier, "back at the release before, once"
            else:
                assert fleet.done("plan", "--json").document["plan"]["actions"] == []
        except (AssertionError, KeyError) as error:
            wrong.append(f"{steps[-1]}: {type(error).__name__} {str(error)[:1500]}")


def test_killed_at_every_step_of_an_upgrade_or_a_rollback_the_next_run_ends_it(fleets: tuple[Fleet, Fleet]) -> None:
    one, two = fleets
    apply = ("apply", "--yes", "--touch", "1", "--json")
    back = ("rollback", AGENT, "--yes", "--touch", "1", "--json")
    with ThreadPoolExecutor(2) as pool:
        ended = [pool.submit(sweep, one, apply, prepare=False), pool.submit(sweep, two, back, prepare=True)]
        assert [wrong for each in ended for wrong in each.result()] == []
