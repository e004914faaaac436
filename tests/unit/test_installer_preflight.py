"""What is in the way, told before anything is changed."""

from pathlib import Path

import msgspec
import pytest

from fleet.base import words
from fleet.base.errors import Refused
from fleet.base.yaml import parse
from installer.facts import Facts
from installer.preflight import Need, Problem, fit, judge, refuse

GIB = 1 << 20  # in the probe's KiB
GOOD = {
    "uname_s": "Linux",
    "os.ID": "debian",
    "os.VERSION_ID": "12",
    "os.PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
    "bin.apt-get": "/usr/bin/apt-get",
    "dpkg_arch": "amd64",
    "systemd": "1",
    "pid1": "systemd",
    "sudo": "root",
    "user": "root",
    "sdv_ct": "none",
    "sdv_vm": "none",
    "epoch": "1000000",
    "mem.MemTotal": str(4 * GIB),
    "df./": f"/dev/sda1 {40 * GIB} {20 * GIB} / rw",
    "df./var/lib": f"/dev/sda1 {40 * GIB} {20 * GIB} / rw",
    "df./usr/local": f"/dev/sda1 {40 * GIB} {20 * GIB} / rw",
    "routes": "192.168.1.0/24",
}
NEED = Need(memory=2 << 30, data=5 << 30, engine=10 << 30, architectures=frozenset({"amd64", "arm64"}), port=18789)
CASES = sorted((Path(__file__).parents[1] / "detect" / "fits").glob("*.yaml"))


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A good machine with changes (an empty value takes one away), and what is in the way then."""

    changes: dict[str, str]
    problems: list[str]
    fits: str


def case(path: Path) -> Case:
    return parse(path.read_bytes(), Case, str(path))


def judged(changes: dict[str, str], need: Need = NEED) -> list[Problem]:
    values = {key: value for key, value in {**GOOD, **changes}.items() if value}
    return judge(Facts(values, 1_000_000.0), need)


def test_a_good_machine_has_no_problem() -> None:
    assert judged({}) == []


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_trouble_is_told_and_no_other(path: Path) -> None:
    told = case(path)
    problems = judged(told.changes)
    assert [f"{problem.severity} {problem.key}" for problem in problems] == told.problems
    assert fit("openclaw", problems).fits == told.fits


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_each_trouble_has_its_words_in_both_languages(path: Path, language: str) -> None:
    texts = words.catalogue(language)
    for problem in judged(case(path).changes):
        for part in ("what", "why", "next"):
            assert words.placeholders(texts[f"{problem.key}.{part}"]) <= problem.params.keys()


def test_every_trouble_that_there_are_words_for_has_a_case() -> None:
    keys = {key.rpartition(".")[0] for key in words.catalogue("en") if key.startswith("preflight.")}
    told = {problem.split()[1] for path in CASES for problem in case(path).problems}
    assert keys - told == set()


def test_an_unprivileged_container_is_a_warning() -> None:
    changes = {"sdv_ct": "lxc", "cap_bounding": "0000003fffffffff", "uid_map": "0 100000 65536"}
    assert [problem.key for problem in judged(changes)] == ["preflight.unprivileged"]


@pytest.mark.parametrize(("release", "file"), [("12", "/boot/firmware/cmdline.txt"), ("11", "/boot/cmdline.txt")])
def test_the_raspberry_pis_line_is_told_with_its_file(release: str, file: str) -> None:
    changes = {"cg2": "cpu io pids", "has./etc/rpi-issue": "1", "dpkg_arch": "arm64", "os.VERSION_ID": release}
    told = fit("openclaw", judged(changes)).problems[0]
    assert told.next == f"sudo sed -i '1s/$/ cgroup_enable=memory cgroup_memory=1/' {file} && sudo reboot"


def test_a_list_of_flags_that_was_cut_off_proves_nothing() -> None:
    assert judged({"cpu_flags": "lm cx16 " + "flag " * 60}) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"sdv_ct": "docker", "cap_bounding": "0000003ffeffffff", "uid_map": "0 0 4294967295"},
        {"routes": "10.0.0.0/8 172.16.0.0/12"},
        {"routes": "nonsense 999.1.2.3/4"},
        {"docker.rootless": "1", "docker.sock": "/var/run/docker.sock"},
        {"cg_limit": "9223372036854771712"},
        {"sudo": "password", "user": "booth"},
        {"os.VERSION_ID": ""},
        {"epoch": ""},
        {"net_apt": "ok http://mirror/InRelease"},
    ],
)
def test_what_is_no_trouble_is_not_told(changes: dict[str, str]) -> None:
    assert judged(changes) == []


def test_state_and_images_on_one_disk_are_added_up() -> None:
    there = {"df./var/lib": f"/dev/sda1 {40 * GIB} {12 * GIB} / rw"}
    assert [problem.params["need"] for problem in judged(there)] == [15 << 10]
    apart = {**there, "df./var/lib/docker": f"/dev/sdb {40 * GIB} {12 * GIB} /var/lib/docker rw"}
    assert judged(apart) == []


def test_the_worst_comes_first_and_stops() -> None:
    problems = judged({"apt_busy": "1 apt /x", "epoch": "1000300", "sudo": "none"})
    assert [problem.severity for problem in problems] == ["fix", "mend", "wait"]
    with pytest.raises(Refused) as caught:
        refuse(problems, "m1")
    assert (caught.value.key, caught.value.where) == ("preflight.no_root", "m1")


def test_what_preparing_mends_does_not_stop() -> None:
    refuse(judged({"epoch": "1000300"}), "m1")
