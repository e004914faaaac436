"""A machine without systemd, with busybox for a shell and for most of its tools, as a NAS has them."""

import time
from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import GUARD, TREE, Bench, busybox, until
from tests.rack.machine import Build, Machine

# A mount namespace where /run/systemd is empty and sh is busybox' ash, which prefers busybox' own tools.
HIDE = """#!/bin/sh
mount --make-rprivate /
mount -t tmpfs none /run/systemd
mount --bind /root/busybox /usr/bin/dash
exec sleep 100000
"""


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Machine(Build(docker=True)) as machine:
        machine.put("/root/busybox", busybox(), 0o755)
        machine.put("/root/hide.sh", HIDE.encode(), 0o755)
        bench = Bench(machine)
        hidden(bench)
        assert bench.install().code == 0
        bench.lease()
        yield bench


def hidden(bench: Bench) -> None:
    """From here on the guard is called where no systemd can be seen."""
    pid = bench.machine.sh("unshare -m bash /root/hide.sh >/dev/null 2>&1 & sleep 1; echo $!").text
    bench.prefix = ("nsenter", "-t", pid, "-m", "--")


@pytest.fixture(autouse=True)
def _leased(bench: Bench) -> None:  # pyright: ignore[reportUnusedFunction]
    bench.lease()


def test_the_shell_is_busybox_and_there_is_no_systemd(bench: Bench) -> None:
    told = bench.machine.run(
        *bench.prefix, "sh", "-c", "help | head -n 1; ls -d /run/systemd/system; readlink -f /bin/sh"
    )
    assert "system" not in told.text
    assert bench.machine.run(*bench.prefix, "sh", "-c", "sha256sum --help 2>&1").text.startswith("BusyBox")
    assert bench.look()["supervisor"] == "watch"


def test_an_agent_is_installed_upgraded_taken_back_and_removed(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh(schema=2)
    bench.deploy("pet", old)
    assert bench.trial("pet", new).code == 0
    bench.answers("pet", new.release)
    assert bench.guard("revert", bench.token, "pet").code == 0
    bench.answers("pet", old.release)
    assert bench.state("pet", "schema") == "1"
    bench.deploy("pet", bench.fresh(schema=2))
    assert bench.guard("remove", bench.token, "pet", "erase").code == 0
    assert bench.containers() == []


def test_what_ends_is_started_again_and_what_is_stopped_is_not(bench: Bench) -> None:
    release = bench.fresh()
    bench.deploy("pet", release)
    before = bench.look()["agent.pet.started_at"]
    bench.machine.sh("docker kill clawrack-pet")
    until(lambda: bench.look()["agent.pet.started_at"] != before, 20, "it is started again")
    assert bench.guard("stop", bench.token, "pet").code == 0
    time.sleep(4)
    assert bench.look()["agent.pet.state"] == "exited"
    assert bench.guard("start", bench.token, "pet").code == 0
    bench.answers("pet", release.release)


def test_a_watcher_that_is_killed_and_started_again_finds_what_runs(bench: Bench) -> None:
    release = bench.fresh()
    bench.deploy("steady", release)
    before = bench.look()["agent.steady.started_at"]
    bench.machine.sh("kill -9 $(pgrep -f '[g]uard.sh watch')")
    bench.machine.run(*bench.prefix, "sh", "-c", f"{GUARD} watch >/dev/null 2>&1 </dev/null &")
    time.sleep(4)
    told = bench.look()
    assert (told["agent.steady.started_at"], told["agent.steady.state"]) == (before, "running")


def test_a_start_that_keeps_failing_stops_after_its_cap_and_exit_78_at_once(bench: Bench) -> None:
    bench.trial("weak", bench.fresh(mode="exit:1", lines=("retries=1",)))
    until(lambda: bench.look().get("agent.weak.reason") == "kept-failing", 40, "it is given up")
    assert bench.machine.sh("docker logs clawrack-weak 2>&1 | grep -c ends").text == "2"
    bench.trial("hopeless", bench.fresh(mode="exit:78"))
    until(lambda: bench.look().get("agent.hopeless.reason") == "never-retry", 20, "it is given up")
    time.sleep(3)
    assert bench.machine.sh("docker logs clawrack-hopeless 2>&1 | grep -c ends").text == "1"


def test_the_watcher_takes_an_expired_trial_back(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh(schema=2)
    bench.deploy("lonely", old)
    bench.trial("lonely", new, 2)
    bench.guard("release", bench.token)
    bench.answers("lonely", old.release, 60)
    assert bench.state("lonely", "schema") == "1"


def test_after_a_power_cut_the_vendors_hook_starts_the_watcher_and_all_is_back(bench: Bench) -> None:
    release = bench.fresh()
    bench.deploy("back", release)
    bench.power_cut()
    hidden(bench)
    assert bench.containers() == [] or all(not found["State"]["Running"] for found in bench.containers())
    bench.machine.run(*bench.prefix, "sh", "-c", f"{GUARD} watch >/dev/null 2>&1 </dev/null &")
    bench.answers("back", release.release, 60)
    assert bench.look()["firewall"] == "ok"


def test_uninstall_ends_the_watcher_too(bench: Bench) -> None:
    assert bench.guard("uninstall", "erase", bench.token).code == 0
    until(lambda: bench.machine.sh("pgrep -f '[l]ib/clawrack/guard.sh'", check=False).code != 0, 20, "no guard runs")
    assert bench.containers() == []
    assert bench.machine.sh("ls -d /var/lib/clawrack /run/clawrack /usr/local/lib/clawrack", check=False).text == ""
    assert bench.machine.run("test", "-d", TREE, check=False).code == 0
