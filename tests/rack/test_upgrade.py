"""An agent is upgraded, and comes back from an upgrade that fails, with its image, its configuration and its state."""

from collections.abc import Iterator

import pytest

from tests.rack.fleet_rig import Fleet, fleet_of


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_of(2, tmp_path_factory.mktemp("fleet")) as made:
        yield made


def test_one_agent_is_upgraded_and_the_other_is_not_touched(fleet: Fleet) -> None:
    fleet.done("agent", "ask", "tiny-1", "remember me")
    before = fleet.at("tiny-2").container()
    fleet.kind(version="2", schema=2)
    typed = fleet.done("upgrade", "tiny-1", "--to", "2", "--yes", "--json")
    shown = typed.document["rollout"]
    assert (shown["state"], shown["done"], shown["failed"]) == ("complete", 1, 0)
    said = fleet.version("tiny-1")
    assert (said["version"], said["schema"]) == ("2", 2)
    assert 'version: "2"' in fleet.file("tiny-1")
    assert fleet.at("tiny-2").container() == before
