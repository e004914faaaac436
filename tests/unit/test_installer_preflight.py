"""What is in the way, told before anything is changed."""

import pytest

from fleet.base import words
from fleet.base.errors import Refused
from installer.facts import Facts
from installer.preflight import Need, Problem, judge, refuse

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
NEED = Need(memory=2 << 30, data=5 << 30, engine=10 << 30, architectures=frozenset({"amd64", "arm64"}))
SMALL = f"/dev/sda1 {40 * GIB} {8 * GIB} / rw"

CASES: list[tuple[str, dict[str, str], str, str]] = [
    ("Fedora", {"os.ID": "fedora"}, "stop", "preflight.system"),
    ("a NAS that says Debian", {"has./usr/trim": "1"}, "stop", "preflight.nas"),
    ("Debian 10", {"os.VERSION_ID": "10"}, "stop", "preflight.version"),
    ("no systemd", {"systemd": "", "pid1": "init"}, "stop", "preflight.no_systemd"),
    ("32 bits", {"dpkg_arch": "i386"}, "stop", "preflight.bits"),
    ("a 64-bit kernel under 32 bits", {"dpkg_arch": "armhf", "uname_m": "aarch64"}, "stop", "preflight.userland"),
    ("no image for it", {"dpkg_arch": "riscv64"}, "stop", "preflight.architecture"),
    ("1 GB", {"mem.MemTotal": str(GIB)}, "stop", "preflight.memory"),
    ("a container's limit", {"cg_limit": str(1 << 30)}, "stop", "preflight.memory"),
    ("disk full", {"df./var/lib": SMALL}, "fix", "preflight.disk"),
    ("docker's disk full", {"df./var/lib/docker": f"/dev/sdb {GIB} 0 /var/lib/docker rw"}, "fix", "preflight.disk"),
    ("read-only", {"df./var/lib": f"/dev/sda1 {40 * GIB} {20 * GIB} / ro"}, "fix", "preflight.read_only"),
    ("no sudo", {"sudo": "none", "user": "booth"}, "fix", "preflight.no_root"),
    ("rootless", {"docker.security": "name=seccomp name=rootless"}, "fix", "preflight.rootless"),
    ("rootless beside nothing", {"docker.rootless": "1"}, "fix", "preflight.rootless"),
    ("userns-remap", {"docker.userns": "default"}, "fix", "preflight.userns"),
    ("snap", {"bin.docker": "/snap/bin/docker"}, "fix", "preflight.snap"),
    ("a caged container", {"sdv_ct": "docker", "cap_bounding": "00000000a80425fb"}, "stop", "preflight.caged"),
    ("apt busy", {"apt_busy": "321 unattended-upgr /var/lib/dpkg/lock"}, "wait", "preflight.apt_busy"),
    ("offline", {"net_apt": "failed http://m/InRelease E: Could not resolve"}, "fix", "preflight.mirror"),
    ("no sources", {"net_apt": "no-sources"}, "fix", "preflight.no_sources"),
    ("clock five minutes off", {"epoch": "1000300"}, "warn", "preflight.clock"),
    ("clock a year off", {"epoch": "32000000"}, "fix", "preflight.clock"),
    ("no subnet", {"routes": "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16"}, "stop", "preflight.subnets"),
    ("no subnet, in halves", {"routes": "0.0.0.0/1 128.0.0.0/1"}, "stop", "preflight.subnets"),
]


def judged(changes: dict[str, str], need: Need = NEED) -> list[Problem]:
    values = {key: value for key, value in {**GOOD, **changes}.items() if value}
    return judge(Facts(values, 1_000_000.0), need)


def test_a_good_machine_has_no_problem() -> None:
    assert judged({}) == []


@pytest.mark.parametrize(("changes", "severity", "key"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_each_trouble_is_told(changes: dict[str, str], severity: str, key: str) -> None:
    assert [(problem.severity, problem.key) for problem in judged(changes)] == [(severity, key)]


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("changes", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_each_trouble_has_its_words_in_both_languages(changes: dict[str, str], language: str) -> None:
    texts = words.catalogue(language)
    for problem in judged(changes):
        for part in ("what", "why", "next"):
            assert words.placeholders(texts[f"{problem.key}.{part}"]) <= problem.params.keys()


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
        {"mem.MemTotal": ""},
        {"df./": "", "df./var/lib": "", "df./usr/local": ""},
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
    assert [problem.severity for problem in problems] == ["fix", "wait", "warn"]
    with pytest.raises(Refused) as caught:
        refuse(problems, "m1")
    assert (caught.value.key, caught.value.where) == ("preflight.no_root", "m1")


def test_warnings_do_not_stop() -> None:
    refuse(judged({"epoch": "1000300"}), "m1")
