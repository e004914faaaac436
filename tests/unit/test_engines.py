"""Docker for each family: which data a machine gets, and the script for its package manager against transcripts.

A transcript (tests/engines) is what we would type and what is answered, as the manager's makers document it; the script
runs for real, the package manager is played by the transcript. None of it was seen on a real machine, and says so.
"""

import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import pytest

from fleet.base import words
from fleet.base.yaml import parse
from installer import engines, remote
from installer.facts import Facts
from installer.job import Ended
from installer.mirrors import known
from installer.preflight import Need, judge
from installer.steps import packages

TRANSCRIPTS = sorted((Path(__file__).parents[1] / "engines").glob("*.yaml"))
PLAYED = ("dnf", "rpm", "zypper", "apk", "pacman", "curl", "gpg")
STUB = """#!{python}
import json, pathlib, sys
home = pathlib.Path({home!r})
talk = json.loads((home / "talk.json").read_text())
said = " ".join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]).replace("\\n", "\\\\n")
with (home / "said").open("a") as log:
    log.write(said + "\\n")
number = len((home / "said").read_text().splitlines()) - 1
line = talk[number] if number < len(talk) else {{"out": "nothing more was expected", "code": 99}}
if line.get("writes") is not None:
    pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text(line["writes"])
sys.stdout.write(line["out"])
sys.exit(line["code"])
"""


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One command (``*`` for what differs from run to run), and what it answers."""

    run: str
    out: str = ""
    code: int = 0
    writes: str | None = None


class Transcript(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One machine: its facts, which programs it lacks, the talk, and how it ends."""

    where: str
    seen: bool
    facts: dict[str, str]
    missing: list[str]
    talk: list[Line]
    code: int = 0
    told: list[str] = []
    notes: list[str] = []
    repository: str = ""
    patience: str = "5"
    error: str = ""


def transcript(path: Path) -> Transcript:
    return parse(path.read_bytes(), Transcript, str(path))


def rooted(text: str, home: Path) -> str:
    """The script as it would run where `home` is the root of everything, its managers played."""
    path = next(line for line in text.splitlines() if line.startswith("PATH="))
    text = text.replace(path, f"PATH={home}/bin:/usr/bin:/bin")
    for place in ("/etc/", "/var/lib/pacman"):
        text = text.replace(f" {place}", f" {home}{place}").replace(f"={place}", f"={home}{place}")
    return text


def played(told: Transcript, home: Path) -> subprocess.CompletedProcess[str]:
    """Run others.sh as the step would, and let the transcript answer."""
    family = engines.of(Facts(told.facts))
    assert family
    (home / "bin").mkdir(exist_ok=True)
    (home / "talk.json").write_bytes(msgspec.json.encode(told.talk))
    (home / "said").write_text("")
    for name in PLAYED:
        (home / "bin" / name).write_text(STUB.format(python=sys.executable, home=str(home)))
        (home / "bin" / name).chmod(0o755)
    values = engines.branch(family, Facts(told.facts), "amd64")
    source = f"http://mirror/linux/{values['branch']},{values['number']},{engines.KEY}" if family.branch else "-"
    args = [family.manager, str(home / "notes"), told.patience, source, *family.wanted(told.missing)]
    script = rooted(remote.text("others.sh"), home)
    words = ["sh", "-s", "--", *args]
    return subprocess.run(words, input=script, text=True, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_what_would_be_typed_is_what_the_transcript_says_and_it_ends_so(path: Path, tmp_path: Path) -> None:
    told = transcript(path)
    ran = played(told, tmp_path)
    said = (tmp_path / "said").read_text().splitlines()
    for number, line in enumerate(told.talk):
        assert number < len(said), f"not typed: {line.run}\n{ran.stdout}{ran.stderr}"
        assert fnmatchcase(said[number], line.run.replace("[", "[[]")), f"{said[number]!r} is not {line.run!r}"
    assert said[len(told.talk) :] == []
    assert ran.returncode == told.code, ran.stdout + ran.stderr
    assert [row for row in ran.stdout.splitlines() if row.startswith("clawrack:")] == told.told
    notes = (tmp_path / "notes").read_text().replace(str(tmp_path), "").splitlines()
    assert notes == told.notes
    made = tmp_path / "etc/yum.repos.d/clawrack-docker-ce.repo"
    assert (made.read_text().replace(str(tmp_path), "") if made.exists() else "") == told.repository
    assert ran.stderr == ""


def test_what_a_person_installed_after_a_setup_that_failed_or_while_we_waited_is_not_ours(tmp_path: Path) -> None:
    folder = TRANSCRIPTS[0].parent
    assert played(transcript(folder / "alpine-without-community.yaml"), tmp_path).returncode == 21
    assert [path.name for path in tmp_path.glob("notes*")] == ["notes"]
    told = transcript(folder / "alpine.yaml")
    lists = [number for number, line in enumerate(told.talk) if line.run == "apk info -q"]
    more = ["nginx", "nginx\nvim", "nginx\nvim\ncurl"]  # before us, while we waited, and by another hand beside us
    talk = list(told.talk)
    for number, theirs in zip(lists, more, strict=True):
        talk[number] = msgspec.structs.replace(talk[number], out=f"{talk[number].out}{theirs}\n")
    (tmp_path / "notes.before").write_text("musl\n")  # an earlier release left it
    assert played(msgspec.structs.replace(told, talk=talk), tmp_path).returncode == 0
    assert (tmp_path / "notes").read_text().splitlines() == told.notes
    assert [path.name for path in tmp_path.glob("notes*")] == ["notes"]


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_transcript_says_where_it_is_from_and_the_person_is_told_that_nobody_has_seen_it(path: Path) -> None:
    told = transcript(path)
    assert len(told.where) > 20
    family = engines.of(Facts(told.facts))
    assert family
    assert family.seen is told.seen is False
    linux = {"uname_s": "Linux", "systemd": "1", "pid1": "systemd", "sudo": "root", "sdv_ct": "none"}
    assert "preflight.unseen" in {problem.key for problem in judge(Facts({**linux, **told.facts}), Need())}


@pytest.mark.parametrize("path", [path for path in TRANSCRIPTS if transcript(path).error], ids=lambda path: path.stem)
def test_an_end_that_is_no_success_is_a_sentence(path: Path, tmp_path: Path) -> None:
    told = transcript(path)
    ran = played(told, tmp_path)
    lines = ran.stdout.splitlines()
    rows = tuple(tuple(row.removeprefix("clawrack:").split()) for row in lines if row.startswith("clawrack:"))
    ended = Ended(ran.returncode, rows, tuple(lines[-40:]))
    error = packages.error_of("m1", Facts(told.facts), ended, ("docker",), ())
    assert error.key == told.error
    for language in words.LANGUAGES:
        texts = words.catalogue(language)
        for part in ("what", "next"):
            assert words.placeholders(texts[f"{error.key}.{part}"]) <= error.params.keys()


@pytest.mark.parametrize(
    ("name", "release", "family", "branch", "number"),
    [
        ("rhel", "9.6", "redhat", "rhel", "9"),
        ("rocky", "10.0", "redhat", "centos", "10"),
        ("almalinux", "8.10", "redhat", "centos", "8"),
        ("centos", "9", "redhat", "centos", "9"),
        ("fedora", "43", "fedora", "fedora", "43"),
        ("tencentos", "4.2", "tencentos", "centos", "9"),
        ("tencentos", "3.1", "tencentos", "centos", "8"),
        ("opencloudos", "9.2", "tencentos", "centos", "9"),
        ("alinux", "3", "alibaba", "centos", "8"),
        ("anolis", "23.1", "alibaba", "centos", "9"),
        ("openEuler", "22.03", "openeuler", "centos", "8"),
        ("openEuler", "24.03", "openeuler", "centos", "10"),
        ("hce", "2.0", "openeuler", "centos", "9"),
        ("kylin", "V10", "openeuler", "centos", "8"),
    ],
)
def test_each_gets_the_branch_of_docker_s_repository_that_fits_it(
    name: str, release: str, family: str, branch: str, number: str
) -> None:
    facts = Facts({"os.ID": name, "os.VERSION_ID": release})
    found = engines.of(facts)
    assert found
    assert found is engines.families()[family]
    assert engines.branch(found, facts, "arm64") == {"branch": branch, "number": number, "cpu": "aarch64"}


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"os.ID": "amzn", "os.VERSION_ID": "2"}, "preflight.release"),
        ({"os.ID": "centos", "os.VERSION_ID": "7"}, "preflight.release"),
        ({"os.ID": "alinux", "os.VERSION_ID": "2"}, "preflight.release"),
        ({"os.ID": "fedora", "os.VERSION_ID": "43", "os.VARIANT_ID": "coreos"}, "preflight.immutable"),
        ({"os.ID": "opensuse-microos"}, "preflight.immutable"),
        ({"os.ID": "steamos"}, "preflight.immutable"),
        ({"os.ID": "nixos"}, "preflight.nixos"),
    ],
)
def test_what_cannot_be_supported_is_refused_with_the_reason(facts: dict[str, str], why: str) -> None:
    assert engines.refused(Facts(facts)) == why
    assert engines.of(Facts(facts)) is None


@pytest.mark.parametrize("name", ["debian", "ubuntu", "raspbian", "linuxmint", "kali", "deepin"])
def test_debian_and_its_kin_are_one_family_that_was_seen(name: str) -> None:
    family = engines.of(Facts({"os.ID": name, "os.ID_LIKE": "" if name == "debian" else "debian"}))
    assert family
    assert (family.manager, family.seen) == ("apt", True)


def test_every_family_has_each_program_that_the_guard_needs_and_says_where_its_facts_are_from() -> None:
    wanted = set(engines.families()["debian"].packages) - {"apparmor_parser"}
    for name, family in engines.families().items():
        assert set(family.packages) >= wanted, name
        assert family.sources, name
        assert family.seen is (name == "debian"), name


def test_no_system_is_in_two_families() -> None:
    ids = [name for family in engines.families().values() for name in family.ids]
    assert len(ids) == len(set(ids))


def test_whoever_takes_docker_s_own_packages_can_find_them_on_a_known_mirror() -> None:
    archive = known().archives["docker-ce"]
    for family in engines.families().values():
        if family.branch:
            values = engines.branch(family, Facts({"os.ID": family.ids[0], "os.VERSION_ID": "9"}), "amd64")
            assert archive.test.format(**values).endswith("/x86_64/stable/repodata/repomd.xml")
