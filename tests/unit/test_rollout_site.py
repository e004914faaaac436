"""The lease of a machine lasts as long as the work there, and a trial as long as its gate may take."""

import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from fleet import site
from fleet.deploy import GRACE, Bounds, patience
from fleet.kinds import kind
from fleet.machine.port import Ran


class Box:
    """The port of a machine whose guard answers, and which verbs it was asked."""

    name = "pc"

    def __init__(self, renewal: Ran) -> None:
        self.asked = Counter[str]()
        self.renewal = renewal

    def run(self, argv: tuple[str, ...], **told: object) -> Ran:
        del told
        self.asked[argv[1]] += 1
        return self.renewal if argv[1] == "renew" else Ran(0, b"token=7\nversion=1\n", b"")


@pytest.fixture(autouse=True)
def often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(site, "RENEW_EVERY", 0.01, raising=False)


def work(box: Box) -> Counter[str]:
    """Work on a machine for a while; return what it was asked meanwhile."""
    with site.held(box, "me"):  # pyright: ignore[reportArgumentType] - a port of one method is enough here
        end = time.monotonic() + 5
        while box.asked["renew"] < 3 and time.monotonic() < end and _keepers():
            time.sleep(0.01)
        return box.asked.copy()


def _keepers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "clawrack-lease-pc"]


def test_the_lease_is_renewed_while_the_work_lasts_and_no_longer() -> None:
    box = Box(Ran(0, b"left=1800\n", b""))
    assert work(box)["renew"] >= 3
    assert (_keepers(), box.asked["release"]) == ([], 1)
    after = box.asked["renew"]
    time.sleep(0.1)
    assert box.asked["renew"] == after


def test_a_machine_that_fails_to_renew_is_asked_again() -> None:
    assert work(Box(Ran(1, b"", b"no space left on device")))["renew"] >= 3


def test_a_lease_that_is_lost_is_asked_for_no_more() -> None:
    assert work(Box(Ran(3, b"reason=stale-token\n", b"")))["renew"] == 1


@pytest.mark.parametrize(("way", "more"), [("none", 0), ("practice", 150), ("own", 150)])
def test_a_machine_waits_for_a_message_before_it_takes_a_trial_back(way: str, more: int) -> None:
    gate = Bounds(300, 10, message=way)  # pyright: ignore[reportArgumentType] - one of its words
    assert patience(gate, kind("openclaw")) == 300 + 10 + more + GRACE
