import pytest

from fleet.gate import parse
from fleet.machine.guard import pairs
from fleet.observe import read


def test_what_the_guard_says_becomes_a_machine_with_its_agents() -> None:
    said = (
        b"id=m1\ndocker.version=20.10\ndocker.platform=linux/amd64\nfirewall=ok\ndisk_free=4096\nmeter.state=running\n"
    )
    said += b"agent.ada.release=r1\nagent.ada.state=exited\nagent.ada.exit_code=78\nagent.ada.reason=never-retry\n"
    seen = read(pairs(said))
    assert (seen.id, seen.architecture, seen.engine, seen.free, seen.firewall) == ("m1", "amd64", "20.10", 4096, True)
    ada = seen.agents["ada"]
    assert (ada.release, ada.state, ada.exit_code, ada.reason) == ("r1", "stopped", 78, "never-retry")


@pytest.mark.parametrize("number", ["²", "٣", "-1", "1e9", "9" * 5000, "", "nan"])
def test_a_number_that_is_none_is_no_reason_to_fall_over(number: str) -> None:
    assert read([("disk_free", number), ("agent.ada.exit_code", number)]).free == 0


def test_an_answer_nested_without_end_is_no_json() -> None:
    assert parse(b"[" * 200_000) is None
