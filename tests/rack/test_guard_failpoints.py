"""The guard dies at every place it can: afterwards the agent is the old one or the new one, whole, and work goes on.

Each named place in the script is visited once per path that passes it. Then the timer's verb runs, as it would by
itself, and what has to hold is checked.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack.guard_bench import Bench, Tiny, benches, places

KILLED = {137, -9}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    yield from benches()


@pytest.fixture
def old(bench: Bench) -> Tiny:
    """The agent `pet` at a release whose state has schema 1; what the last test left is good enough when it is that."""
    bench.lease()
    told = bench.look()
    release = told.get("agent.pet.release")
    settled = release and not told.get("agent.pet.trial") and told.get("agent.pet.state") == "running"
    if settled and bench.state("pet", "schema") == "1":
        return Tiny(release)
    bench.guard("remove", bench.token, "pet", "erase")
    fresh = bench.fresh()
    bench.deploy("pet", fresh)
    return fresh


def whole(bench: Bench, name: str, allowed: dict[str, str]) -> str:
    """What has to hold once the guard looked again; the release that is the agent's now.

    `allowed`: the releases it may be at, and the schema that the state of each has.
    """
    ticked = bench.guard("tick")
    assert ticked.code == 0, ticked
    told = bench.look()
    release = told.get(f"agent.{name}.trial") or told[f"agent.{name}.release"]
    assert release in allowed
    ours = [found for found in bench.containers() if found["Config"]["Labels"]["clawrack.agent"] == name]
    assert [found["Config"]["Labels"]["clawrack.release"] for found in ours] == [release], (
        "one container, the right one"
    )
    bench.answers(name, release)
    assert bench.state(name, "schema") == allowed[release]
    assert bench.machine.sh("ls -d /var/lib/clawrack/agents/*/releases/*.part", check=False).text == ""
    check = (
        "cd /var/lib/clawrack/agents/*/snapshots; for s in *.tar; do test ! -f $s || sha256sum <$s; cat $s.sha256; done"
    )
    sums = [line.split()[0] for line in bench.machine.sh(check, check=False).text.splitlines()]
    assert sums[::2] == sums[1::2], "every snapshot is what its checksum says"
    return release


@pytest.mark.parametrize("place", places("stage-", "trial-"))
def test_killed_in_an_upgrade_the_agent_is_whole(bench: Bench, old: Tiny, place: str) -> None:
    new = bench.fresh(schema=2)
    if place.startswith("stage-"):
        assert bench.stage("pet", new, failpoint=place).code in KILLED
    else:
        assert bench.trial("pet", new, failpoint=place).code in KILLED
    now = whole(bench, "pet", {old.release: "1", new.release: "2"})
    assert (now == new.release) is (place == "trial-waiting"), "only a trial that was told of is one"
    bench.lease()
    if now == new.release:
        assert bench.guard("revert", bench.token, "pet").code == 0
        whole(bench, "pet", {old.release: "1"})


def test_killed_while_a_lost_network_is_made_again_the_next_start_makes_it(bench: Bench, old: Tiny) -> None:
    bench.guard("stop", bench.token, "pet")
    bench.machine.sh("docker rm clawrack-pet; docker network rm clawrack-pet")  # somebody pruned
    assert bench.guard("start", bench.token, "pet", failpoint="network-create").code in KILLED
    bench.lease()
    assert bench.guard("start", bench.token, "pet").code == 0
    assert whole(bench, "pet", {old.release: "1"}) == old.release


@pytest.mark.parametrize("place", places("commit-"))
def test_killed_in_a_commit_the_agent_is_on_trial_or_committed_and_the_commit_can_be_said_again(
    bench: Bench, old: Tiny, place: str
) -> None:
    new = bench.fresh(schema=2)
    bench.trial("pet", new)
    bench.answers("pet", new.release)
    assert bench.guard("commit", bench.token, "pet", new.release, failpoint=place).code in KILLED
    assert whole(bench, "pet", {new.release: "2"}) == new.release
    bench.lease()
    assert bench.guard("commit", bench.token, "pet", new.release).code == 0
    told = bench.look()
    assert (told["agent.pet.release"], told.get("agent.pet.trial")) == (new.release, "")
    assert ("agent.pet.staged", old.release) in told.pairs, "the one before is still known"


@pytest.mark.parametrize("place", places("revert-", "restore-"))
def test_killed_on_the_way_back_the_old_one_returns_with_its_state(bench: Bench, old: Tiny, place: str) -> None:
    new = bench.fresh(schema=2)
    bench.trial("pet", new)
    bench.answers("pet", new.release)
    assert bench.guard("revert", bench.token, "pet", failpoint=place).code in KILLED
    assert whole(bench, "pet", {old.release: "1"}) == old.release
    assert new.release not in bench.state("pet", "history")


@pytest.mark.parametrize(
    "place", ["trial-running", "trial-renamed", "trial-started", "trial-waiting", "revert-restored"]
)
def test_a_power_cut_at_the_same_moment_ends_the_same(bench: Bench, old: Tiny, place: str) -> None:
    new = bench.fresh(schema=2)
    if place.startswith("trial"):
        assert bench.trial("pet", new, failpoint=place).code in KILLED
    else:
        bench.trial("pet", new)
        assert bench.guard("revert", bench.token, "pet", failpoint=place).code in KILLED
    bench.power_cut()
    bench.answers("pet", old.release, 60)
    assert whole(bench, "pet", {old.release: "1"}) == old.release


@pytest.mark.parametrize(
    "place",
    ["trial-create", "trial-noted", "trial-running", "trial-key", "trial-waiting", "revert-stopped", "revert-restored"],
)
def test_killed_in_a_first_installation_nothing_runs_or_the_trial_does(bench: Bench, place: str) -> None:
    bench.lease()
    new = bench.fresh()
    died = bench.trial("first", new, failpoint=place if place.startswith("trial-") else "")
    if place.startswith("revert-"):
        died = bench.guard("revert", bench.token, "first", failpoint=place)
    assert died.code in KILLED
    assert bench.guard("tick").code == 0
    names = [found["Name"] for found in bench.containers() if found["Name"] != "/clawrack-pet"]
    assert names == (["/clawrack-first"] if place == "trial-waiting" else [])
    bench.lease()
    assert bench.guard("trial", bench.token, "first", new.release, "600").code == 0
    bench.answers("first", new.release)
    assert bench.guard("commit", bench.token, "first", new.release).code == 0
    assert bench.guard("remove", bench.token, "first", "erase").code == 0


@pytest.mark.parametrize("place", places("remove-"))
def test_killed_while_removing_the_removal_is_finished(bench: Bench, old: Tiny, place: str) -> None:
    history = bench.state("pet", "history")
    assert history.endswith(old.release)
    assert bench.guard("remove", bench.token, "pet", "keep", failpoint=place).code in KILLED
    assert bench.guard("tick").code == 0
    assert bench.containers() == []
    assert bench.machine.sh("ls /var/lib/clawrack/agents; ls -d /var/lib/clawrack/gone", check=False).text == ""
    assert bench.machine.sh("cat /var/lib/clawrack/kept/*/history").text == history
    assert (
        bench.machine.sh(
            "docker network ls -q --filter name=clawrack-pet; ls /sys/class/net | grep cr1", check=False
        ).text
        == ""
    )
    bench.machine.sh("rm -rf /var/lib/clawrack/kept")


@pytest.mark.parametrize("place", places("stop-"))
def test_killed_while_stopping_it_stays_stopped(bench: Bench, old: Tiny, place: str) -> None:
    assert bench.guard("stop", bench.token, "pet", failpoint=place).code in KILLED
    bench.lease()
    assert bench.guard("stop", bench.token, "pet").code == 0
    told = bench.look()
    assert (told["agent.pet.state"], told["agent.pet.release"]) == ("exited", old.release)


@pytest.mark.parametrize("place", places("lease-"))
def test_killed_while_taking_the_lease_no_token_is_given_twice(bench: Bench, place: str) -> None:
    before = int(bench.lease())
    assert bench.guard("lease", "bench", "60", failpoint=place).code in KILLED
    assert int(bench.lease()) > before + 1


def test_every_place_is_visited_by_some_test_of_this_folder() -> None:
    """A test names the place, or visits every `places` of its prefix; and each sees that the guard was killed there."""
    tests = "".join(file.read_text(encoding="utf-8") for file in sorted(Path(__file__).parent.glob("test_*.py")))
    swept = tuple(re.findall(r'"([a-z]+-)"', " ".join(re.findall(r"\bplaces\(([^)]*)\)", tests))))
    named = {*re.findall(r"FAILPOINT=([a-z-]+)", tests), *re.findall(r'"([a-z]+-[a-z-]+)"', tests)}
    every = places("")
    assert [place for place in every if place not in named and not place.startswith(swept)] == []
    assert len(every) == len({*every})
