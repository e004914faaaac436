"""Which mirror is taken: a property of the tests alone, whatever is said about countries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from installer.facts import Facts
from installer.mirrors import Mirror, codename, known, name_of
from installer.mirrors.choose import Measured, ranked, told

MINT = {
    "os.ID": "linuxmint",
    "os.ID_LIKE": "ubuntu debian",
    "os.VERSION_CODENAME": "xia",
    "os.UBUNTU_CODENAME": "noble",
}
OWN = "http://own/debian"


def measured(name: str, code: int = 200, seconds: float = 0.2, *, right: bool = True, cloud: str = "") -> Measured:
    return Measured(Mirror(f"http://{name}/debian", cloud=cloud), code, right=right, seconds=seconds)


TESTS = st.lists(
    st.builds(
        measured,
        st.sampled_from("abcdefgh"),
        st.sampled_from([0, 200, 200, 200, 403, 404, 429]),
        st.floats(0, 9),
        right=st.booleans(),
        cloud=st.sampled_from(["", "", "tencent", "aliyun"]),
    ),
    max_size=8,
    unique_by=lambda one: one.mirror.url,
)


@given(TESTS, st.sampled_from(["", "tencent"]), st.sampled_from(["", "http://a/debian"]))
def test_only_what_works_is_chosen_and_the_order_of_the_tests_does_not_matter(
    tests: list[Measured], cloud: str, kept: str
) -> None:
    found = ranked(tests, cloud=cloud, kept=kept)
    works = {one.mirror for one in tests if one.code == 200 and one.right and one.mirror.cloud in {"", cloud}}
    assert set(found) == works
    if len({one.seconds for one in tests}) == len(tests):
        assert ranked(tests[::-1], cloud=cloud, kept=kept) == found
    times = {one.mirror: one.seconds for one in tests}
    rest = [times[mirror] for mirror in found if not mirror.cloud and mirror.url != kept]
    assert rest == sorted(rest)


@pytest.mark.parametrize(
    ("tests", "cloud", "first"),
    [
        ([measured("own", 0), measured("far", seconds=0.1)], "", "far"),
        ([measured("own", seconds=0.3), measured("quick", seconds=0.1)], "", "own"),
        ([measured("own", seconds=5.0), measured("quick", seconds=0.1)], "", "quick"),
        ([measured("own", 404), measured("slow", seconds=5.0)], "", "slow"),
        ([measured("own", right=False), measured("other")], "", "other"),
        ([measured("own"), measured("inside", seconds=0.9, cloud="tencent")], "tencent", "inside"),
        ([measured("own"), measured("inside", seconds=0.1, cloud="tencent")], "aliyun", "own"),
        ([measured("own"), measured("inside", 403, cloud="tencent")], "tencent", "own"),
    ],
)
def test_the_cloud_s_own_comes_first_then_what_is_in_use_unless_it_is_much_slower(
    tests: list[Measured], cloud: str, first: str
) -> None:
    assert ranked(tests, cloud=cloud, kept=OWN + "/")[0].url == f"http://{first}/debian"


def test_what_the_tests_came_to_is_told_in_a_few_words() -> None:
    tests = [measured("a", 404, right=False), measured("b", 0, right=False), measured("c", right=False), measured("d")]
    assert told(tests) == "a: 404, b: —, c: ≠, d: ok"
    assert told([*tests, measured("e")]).endswith(", …")
    assert told([]) == "-"


@pytest.mark.parametrize(
    ("facts", "name", "release"),
    [
        ({"os.ID": "debian", "os.VERSION_CODENAME": "trixie"}, "debian", "trixie"),
        ({"os.ID": "ubuntu", "os.VERSION_CODENAME": "noble", "dpkg_arch": "amd64"}, "ubuntu", "noble"),
        ({"os.ID": "ubuntu", "os.UBUNTU_CODENAME": "noble", "dpkg_arch": "arm64"}, "ubuntu-ports", "noble"),
        (MINT, "ubuntu", "noble"),
        ({"os.ID": "kali", "os.ID_LIKE": "debian", "os.VERSION_CODENAME": "kali-rolling"}, "debian", ""),
        ({"os.ID": "fedora"}, "", ""),
    ],
)
def test_the_release_is_its_base_s_as_the_system_says_it_never_guessed(
    facts: dict[str, str], name: str, release: str
) -> None:
    assert name_of(Facts(facts)) == name
    assert codename(Facts(facts)) == release


def test_every_cloud_that_has_a_twin_is_one_that_the_firmware_can_name() -> None:
    clouds = {mirror.cloud for archive in known().archives.values() for mirror in archive.mirrors}
    assert clouds == {"", "aliyun", "tencent", "huawei", "volcengine"}


def test_the_official_archive_is_the_first_of_each() -> None:
    firsts = [archive.mirrors[0].url.split("/")[2] for archive in known().archives.values()]
    assert firsts == ["deb.debian.org", "archive.ubuntu.com", "ports.ubuntu.com", "download.docker.com"]
