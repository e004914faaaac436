import re

import pytest

from fleet.base.clean import pairs
from fleet.base.words import find
from fleet.gate import parse
from fleet.observe import read
from templates import path


def test_what_the_guard_says_becomes_a_machine_with_its_agents() -> None:
    said = (
        b"id=m1\ndocker.version=20.10\ndocker.platform=linux/amd64\nfirewall=ok\ndisk_free=4096\nmeter.state=running\n"
    )
    said += b"agent.ada.release=r1\nagent.ada.state=exited\nagent.ada.exit_code=78\nagent.ada.reason=never-retry\n"
    seen = read(pairs(said))
    assert (seen.id, seen.architecture, seen.engine, seen.free, seen.firewall) == ("m1", "amd64", "20.10", 4096, True)
    ada = seen.agents["ada"]
    assert (ada.release, ada.state, ada.exit_code) == ("r1", "stopped", 78)
    assert "a person is needed" in ada.reason


SAID = re.compile(r"^(?:[^#]*[;{|&]|\s*)\s*(?:fail|refuse|try|give_up|note_reason) ([a-z][a-z-]+)\b", re.MULTILINE)
NO_REASONS = {"not-installed", "running", "watched"}  # told otherwise; and two words of other commands


def test_every_reason_of_the_guard_has_its_words() -> None:
    parts = sorted((path("machine") / "guard.d").glob("*.sh"))
    reasons = {reason for part in (path("machine", "guard.sh"), *parts) for reason in SAID.findall(part.read_text())}
    assert len(reasons) > 40
    assert {reason for reason in reasons if not find(f"guard.reason.{reason}")} <= NO_REASONS


@pytest.mark.parametrize("number", ["²", "٣", "-1", "1e9", "9" * 5000, "", "nan"])
def test_a_number_that_is_none_is_no_reason_to_fall_over(number: str) -> None:
    assert read([("disk_free", number), ("agent.ada.exit_code", number)]).free == 0


def test_an_answer_nested_without_end_is_no_json() -> None:
    assert parse(b"[" * 200_000) is None
