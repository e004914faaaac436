"""A machine and a controller without a way out, one file between them, and an agent that answers in the end."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.images import default_home
from installer.steps.step import BROUGHT
from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine, User
from tests.rack.offline_rig import Alone, bundling, cut_off

LOGIN = User()


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(users=(LOGIN,))) as machine:
        cut_off(machine)
        yield machine


def words(machine: Machine, bundle: Path) -> tuple[str, ...]:
    where = f"{LOGIN.name}@{machine.address}"
    return ("setup", "--machine", where, "--kind", tinykinds.NAME, "--bundle", str(bundle), "--yes", "--json",
            "--fingerprint", machine.fingerprint(), "--password-stdin")  # fmt: skip


def came_before(machine: Machine, bundle: Path) -> int:
    """Leave two packages on the machine as a cut wire does, one whole and one not; return the MB that are lacking."""
    with tarfile.open(bundle) as content:
        listed = [member for member in content if member.name.startswith(("debs/", "packages/"))]
        *_, cut, whole = sorted(listed, key=lambda member: member.size)
        for member, kept in ((cut, 1000), (whole, whole.size)):
            file = content.extractfile(member)
            assert file
            machine.put(f"{BROUGHT}/{Path(member.name).name}", file.read(kept))
    return -(-(sum(member.size for member in listed) - whole.size) >> 20)


def apt_of(machine: Machine) -> str:
    """What apt knows there: its sources, its lists, what it has fetched."""
    return machine.sh("find /etc/apt /var/lib/apt/lists /var/cache/apt -type f -exec sha256sum {} + | sort").text


def test_a_disk_that_is_too_small_is_told_and_what_was_fetched_waits_for_the_next_run(
    kinds: str, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(small)], check=True)
    try:
        typed = Controller(tmp_path).type(*bundling(small / "bundle.tar"), more={"CLAWRACK_KINDS": kinds})
        assert typed.code == 5, typed
        assert "MB are free" in " ".join(typed.err.split())
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert list((default_home().parent / "offline" / "debs").rglob("*.deb"))


def test_a_bundle_in_which_one_bit_has_changed_leaves_the_machine_alone(
    machine: Machine, bundle: Path, kinds: str, tmp_path: Path
) -> None:
    content = bytearray(bundle.read_bytes())
    content[len(content) // 3] ^= 4  # in the middle of a package
    bad = tmp_path / "bad.tar"
    bad.write_bytes(content)
    alone = Alone(tmp_path, kinds)
    checked = alone.type("booth", "bundle", "--check", str(bad))
    assert checked.code == 6, checked
    assert "damaged at debs/" in " ".join(checked.err.split())
    assert alone.done("booth", "bundle", "--check", str(bundle)).out.count("Whole") == 1
    refused = alone.type(*words(machine, bad), stdin=LOGIN.password)
    assert refused.code == 6, refused
    assert machine.sh("ls -d /var/lib/clawrack /usr/bin/docker 2>/dev/null || true").text == ""
    assert machine.sh(f"cat /home/{LOGIN.name}/.ssh/authorized_keys 2>/dev/null || true").text == ""


@pytest.mark.soak
def test_a_bare_machine_without_a_network_gets_an_agent_that_answers_from_one_file(
    machine: Machine, bundle: Path, kinds: str, tmp_path: Path
) -> None:
    alone, before = Alone(tmp_path, kinds), apt_of(machine)
    lacking = came_before(machine, bundle)
    typed = alone.done(*words(machine, bundle), stdin=LOGIN.password)
    receipt = typed.document["receipt"]
    assert receipt["answer"]
    events = [json.loads(line).get("event", {}) for line in typed.out.splitlines()]
    assert {event["params"]["total"] for event in events if event.get("step") == "step.packages.brought"} == {lacking}
    assert alone.tried == ""
    assert apt_of(machine) == before
    assert machine.sh("ls -d /var/lib/clawrack/packages /tmp/tmp.* 2>/dev/null || true").text == ""
    again = alone.done(*words(machine, bundle)[:-1])
    assert again.document["receipt"]["changed"] is False
