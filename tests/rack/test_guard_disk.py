"""A disk that is full, or becomes full at the wrong moment, hurts the upgrade and nothing else."""

from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import Bench, benches
from tests.rack.machine import Build

STATE = "/var/lib/clawrack/agents/pet/state"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    yield from benches(Build(docker=True, disk=300, disk_at="/var/lib/clawrack"))


@pytest.fixture(autouse=True)
def _pet(bench: Bench) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    bench.lease()
    bench.deploy("pet", bench.fresh())
    yield
    bench.guard("remove", bench.token, "pet", "erase")


def test_an_upgrade_that_has_no_room_for_its_snapshot_is_refused_and_the_old_one_keeps_running(bench: Bench) -> None:
    before = bench.container("pet")["State"]["StartedAt"]
    bench.machine.sh(f"dd if=/dev/zero of={STATE}/big bs=1M count=150 2>/dev/null")
    said = bench.trial("pet", bench.fresh())
    assert (said.code, said["reason"]) == (5, "disk-full")
    assert "KiB" in said["detail"]
    assert bench.container("pet")["State"]["StartedAt"] == before
    assert bench.look().get("agent.pet.trial") == ""


def test_a_file_of_holes_counts_with_the_size_that_it_says_it_has(bench: Bench) -> None:
    release = bench.look()["agent.pet.release"]
    bench.machine.sh(f"truncate -s 600M {STATE}/sparse")
    said = bench.trial("pet", bench.fresh())
    assert (said.code, said["reason"]) == (5, "disk-full")
    bench.answers("pet", release)


def test_a_snapshot_keeps_holes_as_holes(bench: Bench) -> None:
    bench.machine.sh(f"truncate -s 50M {STATE}/sparse")
    said = bench.trial("pet", bench.fresh())
    assert said.code == 0, said
    assert int(said["snapshot_bytes"]) < 1_000_000
    assert bench.guard("revert", bench.token, "pet").code == 0
    assert bench.machine.sh(f"stat -c %s {STATE}/sparse").text == str(50 << 20)


def test_a_disk_that_runs_full_in_the_middle_of_the_snapshot_brings_the_old_one_back(bench: Bench) -> None:
    release = bench.look()["agent.pet.release"]
    bench.machine.sh(f"dd if=/dev/zero of={STATE}/big bs=1M count=40 2>/dev/null")
    trial = "/var/lib/clawrack/agents/pet/trial"
    filling = f"until [ -e {trial} ]; do sleep 0.05; done; dd if=/dev/zero of=/var/lib/clawrack/filler bs=1M"
    bench.machine.sh(f"setsid sh -c '{filling}' >/dev/null 2>&1 </dev/null &")
    said = bench.trial("pet", bench.fresh())
    bench.machine.sh("rm /var/lib/clawrack/filler")
    assert (said.code, said["reason"]) == (5, "snapshot")
    bench.answers("pet", release)
    told = bench.look()
    assert (told.get("agent.pet.trial"), told["agent.pet.running_release"]) == ("", release)
    assert bench.machine.sh("ls /var/lib/clawrack/agents/pet/snapshots").text == ""
    assert int(told["disk_free"]) > 100_000_000


BALLAST = "du -sk --apparent-size /var/lib/clawrack/ballast | cut -f 1"


def fill(bench: Bench) -> None:
    for size in ("64k", "512"):
        bench.machine.sh(f"dd if=/dev/zero of=/var/lib/clawrack/filler.{size} bs={size} 2>/dev/null", check=False)


def test_an_agent_that_filled_the_disk_is_stopped_and_removed_and_the_room_we_keep_comes_back(bench: Bench) -> None:
    bench.lease()
    assert int(bench.machine.sh(BALLAST).text) >= 8192
    for words in (("stop", "pet"), ("remove", "pet", "keep")):
        fill(bench)
        token = bench.lease()
        said = bench.guard(words[0], token, *words[1:])
        assert said.code == 0, said
        fill(bench)
    assert bench.guard("lease", "bench", "3600").code == 0
    assert int(bench.machine.sh(BALLAST).text) < 8192
    bench.machine.sh("rm -rf /var/lib/clawrack/filler.* /var/lib/clawrack/kept")
    bench.lease()
    assert int(bench.machine.sh(BALLAST).text) >= 8192


NODES = "df -Pi /var/lib/clawrack | tail -n 1 | { read -r _ _ _ free _; echo $free; }"


def use_up(bench: Bench, nth: int) -> None:
    """Not one inode is left."""
    folder = f"/var/lib/clawrack/filler.n{nth}"
    bench.machine.sh(f"mkdir {folder} && cd {folder} && seq 200000 | xargs touch 2>/dev/null", check=False)
    assert bench.machine.sh(NODES).text == "0"


def test_an_agent_that_used_up_the_inodes_is_stopped_and_removed_and_somebody_gets_the_lease(bench: Bench) -> None:
    bench.lease()
    held = "find /var/lib/clawrack/ballast -path '*nodes*' -type f | wc -l"
    assert bench.machine.sh(held).text == "512"
    for nth, words in enumerate((("stop", "pet"), ("remove", "pet", "keep"))):
        use_up(bench, nth)
        token = bench.lease()
        said = bench.guard(words[0], token, *words[1:])
        assert said.code == 0, said
    assert int(bench.machine.sh(held).text) < 512
    bench.machine.sh("rm -rf /var/lib/clawrack/filler.* /var/lib/clawrack/kept")
    bench.lease()
    assert bench.machine.sh(held).text == "512"


def test_on_a_full_disk_the_agent_runs_and_can_be_stopped_and_looked_at(bench: Bench) -> None:
    release = bench.look()["agent.pet.release"]
    fill(bench)
    try:
        assert int(bench.look()["disk_free"]) < 8192
        said = bench.guard("secrets", bench.token, "pet", "key", "5", stdin=b"value")
        assert said.code == 5
        bench.answers("pet", release)
    finally:
        bench.machine.sh("rm /var/lib/clawrack/filler.*")
    assert bench.guard("secrets", bench.token, "pet", "key", "5", stdin=b"value").code == 0
    assert bench.guard("restart", bench.token, "pet").code == 0
    bench.answers("pet", release)


def test_a_machine_whose_disk_is_full_is_left_all_the_same(bench: Bench) -> None:
    # the last test here: the guard is gone after it
    fill(bench)
    said = bench.guard("uninstall", "erase", bench.lease())
    assert said.code == 0, said
    assert bench.machine.sh("ls -A /var/lib/clawrack; docker ps -aq").text in {"", "lost+found"}  # ext4's own
