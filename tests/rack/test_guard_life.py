"""An agent's life: reboots, power cuts, a dead engine, failing starts, being stopped on purpose."""

import time
from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import GUARD, Bench, Said, Tiny, benches, until


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    yield from benches()


@pytest.fixture(autouse=True)
def _empty(bench: Bench) -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    bench.lease()
    yield
    bench.lease()
    for name in bench.machine.sh("ls /var/lib/clawrack/agents").text.split():
        bench.guard("remove", bench.token, name, "erase")


def started(bench: Bench, name: str) -> tuple[str, str]:
    """Its container and when that was started."""
    told = bench.look()
    return told[f"agent.{name}.container"], told[f"agent.{name}.started_at"]


def reason(bench: Bench, name: str, within: float = 30) -> Said:
    """Wait until the guard has given an agent up."""
    until(lambda: bench.look().get(f"agent.{name}.reason") != "", within, f"{name} is given up")
    return bench.look()


def test_a_second_install_and_a_second_start_change_nothing(bench: Bench) -> None:
    bench.deploy("calm", bench.fresh())
    before = started(bench, "calm")
    assert bench.install().get("already") == "1"
    assert bench.guard("start", bench.token, "calm").get("already") == "1"
    assert started(bench, "calm") == before


def test_after_a_reboot_the_agent_answers_again_and_the_chain_is_there(bench: Bench) -> None:
    bench.deploy("phoenix", bench.fresh())
    release = bench.look()["agent.phoenix.release"]
    bench.machine.container.stop(timeout=60)
    bench.machine.start()
    bench.answers("phoenix", release)
    assert bench.look()["firewall"] == "ok"


def test_after_a_power_cut_all_agents_come_back_but_the_one_that_was_stopped_on_purpose(bench: Bench) -> None:
    for name in ("awake", "asleep"):
        bench.deploy(name, bench.fresh())
    stopped = bench.guard("stop", bench.token, "asleep")
    assert stopped.code == 0
    bench.power_cut()
    bench.answers("awake", bench.look()["agent.awake.release"])
    told = bench.look()
    assert told["agent.asleep.state"] == "exited"
    assert told["agent.asleep.stopped"] == "1"
    assert bench.machine.sh("systemctl list-units --failed --no-legend 'clawrack*'").text == ""
    bench.lease()
    assert bench.guard("start", bench.token, "asleep").code == 0
    bench.answers("asleep", told["agent.asleep.release"])


def test_the_secrets_are_there_again_after_a_power_cut(bench: Bench) -> None:
    bench.guard("secrets", bench.token, "keeper", "key", "5", stdin=b"value")
    bench.deploy("keeper", bench.fresh())
    bench.power_cut()
    bench.answers("keeper", bench.look()["agent.keeper.release"])
    assert bench.machine.sh("docker exec clawrack-keeper cat /run/clawrack/key").text == "value"


@pytest.mark.parametrize(
    "kill",
    ["pkill -9 -x dockerd", "pkill -9 -x dockerd; pkill -9 -x containerd; pkill -9 -f '^/usr/bin/containerd-shim'"],
    ids=["dockerd", "dockerd, containerd and the shims"],
)
def test_when_the_engine_is_killed_its_agents_come_back_and_it_counts_as_nobodys_failure(
    bench: Bench, kill: str
) -> None:
    bench.deploy("lasting", bench.fresh(lines=("retries=0",)))
    release = bench.look()["agent.lasting.release"]
    before = started(bench, "lasting")
    bench.machine.sh(kill, check=False)
    until(lambda: started(bench, "lasting")[1] != before[1], 60, "it was started again") if "shim" in kill else None
    bench.answers("lasting", release, 60)
    assert bench.look().get("agent.lasting.reason") == ""


def test_a_supervisor_that_is_killed_finds_its_container_again(bench: Bench) -> None:
    bench.deploy("kept", bench.fresh())
    before = started(bench, "kept")
    bench.machine.sh("kill -9 $(systemctl show -p MainPID --value clawrack-agent@kept)")
    until(lambda: bench.look()["agent.kept.unit"] == "active/running", 20, "the unit runs")
    assert started(bench, "kept") == before
    bench.guard("stop", bench.token, "kept")
    assert bench.look()["agent.kept.state"] == "exited"


def test_an_agent_that_ends_is_started_again(bench: Bench) -> None:
    bench.deploy("restless", bench.fresh())
    before = started(bench, "restless")
    bench.machine.sh("docker kill clawrack-restless")
    until(lambda: started(bench, "restless")[1] != before[1], 20, "it is started again")
    bench.answers("restless", bench.look()["agent.restless.release"])


def test_the_exit_code_that_is_never_retried_is_not_even_after_a_reboot(bench: Bench) -> None:
    bench.trial("hopeless", bench.fresh(mode="exit:78"))
    told = reason(bench, "hopeless")
    assert (told["agent.hopeless.reason"], told["agent.hopeless.reason.exit"]) == ("never-retry", "78")
    assert told["agent.hopeless.restarts"] == "0"
    assert told["agent.hopeless.unit"] == "failed/failed"
    log = bench.machine.sh("docker logs clawrack-hopeless 2>&1").text
    assert log == "ends with 78"
    assert bench.guard("commit", bench.token, "hopeless", told["agent.hopeless.trial"])["reason"] == "not-running"
    bench.guard("revert", bench.token, "hopeless")


def test_a_start_that_keeps_failing_stops_after_its_cap_with_the_reason_kept(bench: Bench) -> None:
    release = bench.fresh(lines=("never_retry=79",))
    bench.deploy("tired", release)
    bench.machine.sh("echo 99 >/var/lib/clawrack/agents/tired/state/schema")  # its next starts fail
    bench.guard("restart", bench.token, "tired")
    told = reason(bench, "tired")
    assert (told["agent.tired.reason"], told["agent.tired.reason.starts"]) == ("kept-failing", "3")
    starts = bench.machine.sh("docker logs clawrack-tired 2>&1 | grep -c 'state has schema'").text
    assert starts == "3"
    bench.machine.run("sleep", "4")
    assert bench.machine.sh("docker logs clawrack-tired 2>&1 | grep -c 'state has schema'").text == "3"
    bench.machine.sh("echo 1 >/var/lib/clawrack/agents/tired/state/schema")
    bench.guard("start", bench.token, "tired")
    bench.answers("tired", release.release)


def test_a_killed_agent_keeps_a_new_container_waiting_while_its_kind_would_refuse_it(bench: Bench) -> None:
    bench.deploy("owner", bench.fresh(mode="deaf", lines=("owner_lease=8",)))
    new = bench.fresh()
    begun = time.monotonic()
    tried = bench.trial("owner", new)  # the deaf one has to be killed
    assert tried.code == 0
    assert 1 <= int(tried["wait"]) <= 8
    bench.answers("owner", new.release)
    assert time.monotonic() - begun > 8
    assert bench.look().get("agent.owner.reason") == ""


def test_a_wire_that_is_cut_does_not_stop_a_change_half_way(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh()
    bench.deploy("wired", old)
    bench.stage("wired", new)
    bench.machine.sh(f"({GUARD} trial {bench.token} wired {new.release} 600; echo $? >/root/code) | true")
    until(lambda: bench.machine.sh("cat /root/code", check=False).text == "0", 30, "the trial is told as done")
    assert bench.look()["agent.wired.trial.stage"] == "waiting"
    bench.answers("wired", new.release)


def test_a_trial_that_nobody_commits_goes_back_by_itself(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh(schema=2)
    bench.deploy("lonely", old)
    bench.trial("lonely", new, 4)
    bench.guard("release", bench.token)
    bench.answers("lonely", new.release)
    bench.answers("lonely", old.release, 60)
    told = bench.look()
    assert (told["agent.lonely.release"], told.get("agent.lonely.trial")) == (old.release, "")
    assert bench.state("lonely", "schema") == "1"
    assert bench.state("lonely", "history").split() == [old.release, old.release]
    assert told["agent.lonely.failed"] == new.release


def test_a_commit_after_the_deadline_is_refused_and_the_old_one_runs(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh()
    bench.deploy("late", old)
    bench.trial("late", new, 1)
    time.sleep(2)
    assert bench.guard("commit", bench.token, "late", new.release)["reason"] == "late"
    bench.answers("late", old.release)


def test_a_trial_does_not_outlive_a_power_cut(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh(schema=2)
    bench.deploy("cut", old)
    bench.trial("cut", new)
    bench.answers("cut", new.release)
    bench.power_cut()
    bench.answers("cut", old.release)
    assert bench.state("cut", "schema") == "1"


def test_an_upgrade_of_a_sleeping_agent_that_goes_back_leaves_it_asleep(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh()
    bench.deploy("sleeper", old)
    bench.guard("stop", bench.token, "sleeper")
    bench.trial("sleeper", new)
    bench.guard("revert", bench.token, "sleeper")
    told = bench.look()
    assert (told["agent.sleeper.stopped"], told["agent.sleeper.release"]) == ("1", old.release)
    assert told.get("agent.sleeper.state") in {"", "created", "exited"}


def test_a_first_trial_that_fails_leaves_nothing_running(bench: Bench) -> None:
    bench.trial("stillborn", bench.fresh(mode="exit:1"))
    bench.guard("revert", bench.token, "stillborn")
    assert all(found["Name"] != "/clawrack-stillborn" for found in bench.containers())
    assert bench.machine.sh("docker network ls -q --filter name=clawrack-stillborn").text == ""
    assert not bench.machine.sh("ls /var/lib/clawrack/meter/conf/agents | grep stillborn", check=False).text
    assert bench.machine.run("test", "-e", "/var/lib/clawrack/agents/stillborn/state", check=False).code != 0


def test_a_damaged_snapshot_is_never_used_and_does_not_stop_the_other_agents(bench: Bench) -> None:
    old, new = bench.fresh(), bench.fresh(schema=2)
    bench.deploy("damaged", old)
    bench.trial("damaged", new)
    bench.machine.sh(f"echo x >>/var/lib/clawrack/agents/damaged/snapshots/{old.release}.tar")
    refused = bench.guard("revert", bench.token, "damaged")
    assert (refused.code, refused["reason"]) == (5, "snapshot-damaged")
    assert bench.state("damaged", "schema") == "2", "nothing was thrown away"
    bench.deploy("bystander", Tiny("b1"))
    assert bench.guard("start", bench.token, "damaged")["reason"] == "unrecovered"
