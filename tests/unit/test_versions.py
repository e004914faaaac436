import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.versions import early, near, older, order, sorted_, well_formed

OPENCLAW = ("2026.8.1", "2026.8.2", "2026.9.1-beta.1", "2026.9.1", "2026.9.5", "2026.9.6", "2026.7.1-2")
NANOBOT = ("0.3.5", "0.3.0", "0.2.2", "0.1.5.post3", "0.1.5")
VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,3}){0,3}(-(alpha|beta|rc)\.[0-9])?", fullmatch=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026.8.2", "2026.9.6"),
        ("2026.9.6", "2026.10.1"),
        ("2026.9.1-beta.1", "2026.9.1"),
        ("2026.9.1-beta.2", "2026.9.1-beta.11"),
        ("2026.7.1", "2026.7.1-2"),
        ("0.1.5", "0.1.5.post1"),
        ("0.1.5.post3", "0.2.0"),
        ("0.3.0rc1", "0.3.0"),
        ("0.3", "0.3.1"),
        ("1", "2"),
    ],
)
def test_one_version_is_older_than_another(old: str, new: str) -> None:
    assert older(old, new)
    assert not older(new, old)
    assert order(old) < order(new)


def test_a_zero_that_is_not_said_makes_nothing_older() -> None:
    assert not older("1", "1.0")
    assert not older("1.0.0", "1")
    assert older("1.0-beta.1", "1")


@given(VERSIONS, VERSIONS)
def test_of_two_versions_at_most_one_is_the_older(one: str, other: str) -> None:
    assert not (older(one, other) and older(other, one))


@given(VERSIONS)
def test_no_version_is_older_than_itself(version: str) -> None:
    assert not older(version, version)
    assert well_formed(version)


@pytest.mark.parametrize(
    "text",
    ["", "latest", "^1", "1 || 2", "1;touch x", "../1", "-1", "npm:x@1", "1.0\n", "file:1", "1..2", "1@2", "9" * 65],
)
def test_what_is_no_version_is_told_apart(text: str) -> None:
    assert not well_formed(text)


@pytest.mark.parametrize(
    ("wanted", "known", "found"),
    [
        ("2026.9.7", OPENCLAW, ["2026.9.6", "2026.9.5", "2026.9.1"]),
        ("2026.8.3", OPENCLAW, ["2026.8.2", "2026.9.1", "2026.8.1"]),
        ("2026.9.1-beta.2", OPENCLAW, ["2026.9.1-beta.1", "2026.9.1", "2026.8.2"]),
        ("0.0.1", NANOBOT, ["0.1.5", "0.1.5.post3", "0.2.2"]),
        ("1", (), []),
    ],
)
def test_the_nearest_versions_come_first(wanted: str, known: tuple[str, ...], found: list[str]) -> None:
    assert near(wanted, known) == found


def test_the_oldest_is_first_and_early_ones_are_known() -> None:
    assert sorted_(OPENCLAW)[0] == "2026.7.1-2"
    assert early("2026.9.1-beta.1")
    assert not early("2026.7.1-2")
    assert not early("0.1.5.post3")
