"""clawrack on a machine, put in the place of another, and back; and what earlier versions left on one, read on."""

import lzma
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet import observe
from fleet.base.clean import pairs
from installer.steps.guard import packed
from tests.conftest import SOAK
from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.install_rig import Site, keep_wheels, place
from tests.rack.machine import Build, Machine

HOME = "/opt/clawrack"
SAMPLES = sorted(path for path in (Path(__file__).parents[1] / "samples").glob("v*") if path.is_dir())
# What a machine says of its boot and its engine is another one's; the rest is read from the sample's files.
OF_THE_MOMENT = ("boot", "uptime", "disk_free", "firewall", "docker", "unit.", "supervisor", "lease.left")
ENGINE = "container|image|running_release|state|exit_code|oom_killed|started_at|finished_at|kind|unit|restarts"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """A machine with Docker, for both parts of the file."""
    with Machine(Build(docker=True)) as made:
        yield made


@pytest.fixture(scope="module")
def site(machine: Machine) -> Site:
    """0.1.0 is installed from root's clone; the packages are kept on the machine; beside it are a 0.2.0 and a 0.0.9."""
    made = place(machine)
    done = made.install("--no-setup", online=True)
    assert done.code == 0, done.err
    keep_wheels(made)
    for version, folder in (("0.2.0", "newer"), ("0.0.9", "older")):
        made.sh(
            f"cp -r ~/clone ~/{folder} && sed -i 's/^version = .*/version = \"{version}\"/' ~/{folder}/pyproject.toml"
        )
    return made


FROM_HERE = "PIP_NO_INDEX=1 PIP_NO_COMPILE=1 PIP_FIND_LINKS=/srv/wheels"  # the machine's own packages


def clawrack(site: Site, line: str, timeout: float = 300) -> tuple[int, str]:
    """Type a line."""
    done = site.sh(f"{FROM_HERE} clawrack {line} 2>&1", timeout=timeout)
    return done.code, done.text


def in_use(site: Site) -> str:
    return clawrack(site, "--version")[1]


def environments(site: Site) -> list[str]:
    return site.sh(f"ls -d {HOME}/env-*").text.split()


def test_another_checkout_takes_the_place_and_goes_back(site: Site) -> None:
    code, said = clawrack(site, "self upgrade ~/newer --yes")
    assert (code, "clawrack 0.2.0 is in use now" in said) == (0, True), said
    assert in_use(site) == "clawrack 0.2.0"
    shown = clawrack(site, "self show")[1]
    assert "/root/newer" in shown
    assert "0.1.0 /root/clone" in shown
    assert clawrack(site, "self upgrade ~/newer --yes")[1].endswith("nothing was changed.")
    assert clawrack(site, "self rollback --yes")[0] == 0
    assert in_use(site) == "clawrack 0.1.0"


def test_a_wheel_is_taken_with_its_checksum_only(site: Site, machine: Machine, tmp_path: Path) -> None:
    name = "clawrack-0.2.0-py3-none-any.whl"
    machine.put(f"/root/{name}", wheel(machine, tmp_path))
    right = site.sh(f"sha256sum < ~/{name}").text.split()[0]
    code, said = clawrack(site, f"self upgrade ~/{name} --yes --sha256 {'0' * 64}")
    assert (code, right in said, "0" * 64 in said) == (3, True, True), said
    assert clawrack(site, f"self upgrade ~/{name} --yes")[0] == 2
    site.sh(f"cd ~ && sha256sum {name} > {name}.sha256")
    code, said = clawrack(site, f"self upgrade ~/{name} --yes")
    assert (code, in_use(site)) == (0, "clawrack 0.2.0"), said
    assert right in clawrack(site, "self show")[1]


def wheel(machine: Machine, folder: Path) -> bytes:
    """The wheel of the machine's 0.2.0, built here."""
    (folder / "newer.tar").write_bytes(machine.run("tar", "-C", "/root", "-cf", "-", "newer").out)
    subprocess.run(["tar", "-xf", "newer.tar"], cwd=folder, check=True)
    build = ["-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", str(folder), str(folder / "newer")]
    subprocess.run([sys.executable, *build], check=True)
    (built,) = folder.glob("*.whl")
    return built.read_bytes()


def test_an_older_one_that_could_not_read_what_is_here_is_refused_before_the_switch(site: Site) -> None:
    before = (in_use(site), environments(site))
    site.sh("mkdir -p ~/.local/state/clawrack && echo '{\"v\":2}' > ~/.local/state/clawrack/journal.jsonl")
    try:
        done = site.sh(f"cd ~/older && {FROM_HERE} ./install.sh --no-setup", timeout=300)
        assert (done.code, b"cannot read this" in done.err) == (3, True), done.err
        assert in_use(site) == before[0]
        code, said = clawrack(site, "self upgrade ~/older --yes")
        assert (code, "clawrack 0.0.9 cannot read this" in said) == (3, True), said
        assert (in_use(site), environments(site)) == before
        assert clawrack(site, "self rollback --yes")[0] == 3
    finally:
        site.sh("rm -r ~/.local/state/clawrack")


def test_killed_while_it_is_made_the_old_works_and_the_next_run_ends_it(site: Site) -> None:
    before = in_use(site)
    site.sh("echo '# another' >> ~/newer/clawrack/__main__.py")
    line = f"{FROM_HERE} setsid clawrack self upgrade /root/newer --yes >/dev/null 2>&1"
    for seconds in (0.5, 2, 4) if SOAK else (2,):
        site.machine.sh(f"{line} & echo $! > /run/upgrade; sleep {seconds}; kill -9 -$(cat /run/upgrade)", check=False)
        assert in_use(site) == before
    code, said = clawrack(site, "self upgrade ~/newer --yes")
    assert (code, in_use(site)) == (0, "clawrack 0.2.0"), said
    assert len(environments(site)) == 2


def test_an_installation_leaves_with_everything(site: Site) -> None:
    assert site.install("--uninstall").code == 0
    assert site.sh(f"ls -d {HOME} /usr/local/bin/clawrack").text == ""


# ---- what earlier versions left on a machine -------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.name)
def test_the_guard_of_today_says_of_an_older_state_what_was_said_of_it_then(machine: Machine, sample: Path) -> None:
    packed_state = (sample / "machine-state" / "clawrack.tar.xz").read_bytes()
    machine.put("/root/state.tar", lzma.decompress(packed_state))
    machine.put("/root/guard.tar", packed())
    machine.sh("tar -C /var/lib --numeric-owner -xpf /root/state.tar")
    machine.sh("mkdir -p /root/guard && tar -xf /root/guard.tar -C /root/guard")
    installed = machine.sh("sh /root/guard/guard.sh install", check=False)
    assert installed.code == 0, installed.out
    now = machine.run("/usr/local/lib/clawrack/guard.sh", "look").out
    then = (sample / "machine-state" / "look.txt").read_bytes()
    told = dict(pairs(now))
    said = {
        key: value
        for key, value in pairs(then)
        if not key.startswith(OF_THE_MOMENT) and not re.fullmatch(rf"(agent\.[^.]+|meter)\.({ENGINE})", key)
    }
    assert {key: told.get(key) for key in said} == said
    assert len(said) > 15
    there, here = observe.read(pairs(then)), observe.read(pairs(now))
    assert {name: (a.release, a.on_purpose, a.subnet) for name, a in here.agents.items()} == {
        name: (a.release, a.on_purpose, a.subnet) for name, a in there.agents.items()
    }


def test_a_guard_that_a_newer_clawrack_brought_is_not_replaced(machine: Machine, tmp_path: Path) -> None:
    machine.sh("echo 0123 4567 9.9.0 > /usr/local/lib/clawrack/brought")
    guard = machine.sh("sha256sum /usr/local/lib/clawrack/*").text
    words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--yes", "--json")
    more = {"CLAWRACK_KINDS": tinykinds.place(tmp_path / "kinds")}
    typed = Controller(tmp_path).type(
        *words, "--fingerprint", machine.fingerprint(), "--kind", tinykinds.NAME, "--name", "x", more=more
    )
    assert (typed.code, '"guard.newer"' in typed.err, "clawrack 9.9.0" in typed.err) == (3, True, True), typed
    assert machine.sh("sha256sum /usr/local/lib/clawrack/*").text == guard


def test_a_machine_with_a_newer_state_is_refused_by_the_guard_and_left_as_it_is(machine: Machine) -> None:
    machine.sh("echo 2 > /var/lib/clawrack/version")
    before = machine.sh("cd /var/lib/clawrack && find . -type f ! -name '*lock' -exec sha256sum {} + | sort").text
    for verb in ("lease someone 60", "look", "install"):
        program = "/root/guard/guard.sh" if verb == "install" else "/usr/local/lib/clawrack/guard.sh"
        done = machine.sh(f"sh {program} {verb}", check=False)
        assert verb == "look" or (done.code, b"newer-data" in done.out) == (3, True), (verb, done.out)
    assert (
        machine.sh("cd /var/lib/clawrack && find . -type f ! -name '*lock' -exec sha256sum {} + | sort").text == before
    )
