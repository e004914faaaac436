"""Which versions of a kind may be wished for."""

import pytest
from msgspec import structs

from fleet.base.errors import BadInput, Refused
from fleet.kinds import Floor, check_version, homes, kind
from fleet.versions import older

OPENCLAW = kind("openclaw")


@pytest.mark.parametrize("version", ["2026.6.5", "2026.8.2", OPENCLAW.version, "2027.1.1-beta.1"])
def test_a_version_from_the_floor_on_may_run(version: str) -> None:
    check_version(OPENCLAW, version)


@pytest.mark.parametrize("version", ["2026.6.4", "2026.6.5-beta.1", "2026.1.29", "1"])
def test_a_version_below_the_floor_is_refused_with_what_is_known_of_it(version: str) -> None:
    with pytest.raises(Refused) as told:
        check_version(OPENCLAW, version, "agents/bot.yaml")
    assert told.value.where == "agents/bot.yaml"
    assert "GHSA-cf2p-f286-mphf" in told.value.part("why")
    assert "2026.6.5" in told.value.part("why")


@pytest.mark.parametrize("version", ["", "latest", "2026.9.6; reboot", "npm:evil@1", "../../x"])
def test_what_is_no_version_is_bad_input(version: str) -> None:
    with pytest.raises(BadInput) as told:
        check_version(OPENCLAW, version)
    assert told.value.key == "version.malformed"


def test_a_kind_without_a_floor_takes_any_version() -> None:
    check_version(structs.replace(OPENCLAW, floor=None), "0.0.1")


def test_no_kind_that_is_shipped_is_itself_below_its_floor_and_each_floor_says_its_source() -> None:
    for name in homes():
        which = kind(name)
        check_version(which, which.version)
        assert which.floor is None or (which.floor.source and not older(which.version, which.floor.version))


def test_a_floor_is_what_it_says() -> None:
    assert OPENCLAW.floor == Floor(version="2026.6.5", source=OPENCLAW.floor.source if OPENCLAW.floor else "")
