"""Back to a kept release: its image, its configuration and its state, whole; and what is kept to go back to.

A rollback that was cut off anywhere goes on to its end by itself; it is never taken back.
"""

import json
import time
from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import Bench, Said, Tiny, benches, places

KILLED = {137, -9}
FOLDER = "/var/lib/clawrack/agents/pet"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    yield from benches()


def climb(bench: Bench, *schemas: int, name: str = "pet") -> list[Tiny]:
    """An agent that was upgraded from release to release, each with a state of its own schema."""
    bench.lease()
    bench.guard("remove", bench.token, name, "erase")
    releases = [bench.fresh(schema=schema) for schema in schemas]
    for release in releases:
        bench.deploy(name, release)
    return releases


def kept(bench: Bench, name: str = "pet") -> list[str]:
    """The releases that one can go back to, the latest first."""
    return [value for key, value in bench.look().pairs if key == f"agent.{name}.kept"]


def back(bench: Bench, release: Tiny, failpoint: str = "") -> Said:
    return bench.guard("rollback", bench.token, "pet", release.release, failpoint=failpoint)


def is_now(bench: Bench, release: Tiny, *, schema: int, name: str = "pet") -> None:
    """The agent is this release, with a state of this schema: one container, one commit, nothing half done."""
    bench.answers(name, release.release, 60)
    told = bench.look()
    assert (told[f"agent.{name}.release"], told[f"agent.{name}.running_release"]) == (release.release,) * 2
    ours = [found for found in bench.containers() if found["Config"]["Labels"]["clawrack.agent"] == name]
    assert [found["Name"] for found in ours] == [f"/clawrack-{name}"]
    assert bench.state(name, "schema") == str(schema)
    assert bench.state(name, "history").split()[-1] == release.release
    left = bench.machine.sh(f"ls {FOLDER}; ls {FOLDER}/releases {FOLDER}/snapshots").text.split()
    assert not {"trial", "rollback", "restore"} & {*left}
    assert not [file for file in left if file.endswith((".part", ".new"))]
    whole(bench, name)


def whole(bench: Bench, name: str) -> None:
    """Every snapshot is what its checksum says."""
    check = f"cd /var/lib/clawrack/agents/{name}/snapshots; for s in *.tar; do sha256sum <$s; cat $s.sha256; done"
    sums = [line.split()[0] for line in bench.machine.sh(check).text.splitlines()]
    assert sums
    assert sums[::2] == sums[1::2]


def test_back_to_any_kept_release_and_forth_again_each_time_with_the_state_that_it_had(bench: Bench) -> None:
    first, second, third = climb(bench, 1, 2, 3)
    assert kept(bench) == [second.release, first.release]
    bench.machine.sh(f"echo mine >{FOLDER}/state/letter")
    told = back(bench, first)
    assert told.code == 0, told
    assert told["from"] == third.release
    assert int(told["snapshot_bytes"]) > 0
    is_now(bench, first, schema=1)
    assert bench.state("pet", "letter") == ""
    assert kept(bench) == [third.release, second.release]
    assert back(bench, first).get("already") == "1"
    assert back(bench, third).code == 0
    is_now(bench, third, schema=3)
    assert bench.state("pet", "letter") == "mine", "a rollback loses nothing: who goes back can go forth again"
    assert back(bench, second).code == 0
    is_now(bench, second, schema=2)
    fourth = bench.fresh(schema=4)
    bench.deploy("pet", fourth)
    is_now(bench, fourth, schema=4)
    assert kept(bench) == [second.release, third.release]


PLACES = [*places("rollback-"), "restore-begun", "restore-unpacked"]


@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=pytest.mark.soak if nth % 2 else ()) for nth, place in enumerate(PLACES)]
)
def test_killed_in_a_rollback_it_goes_on_to_its_end(bench: Bench, place: str) -> None:
    there, here = two(bench)
    assert back(bench, there, place).code in KILLED
    ticked = bench.guard("tick")
    assert ticked.code == 0, ticked
    if place == "rollback-create":
        is_now(bench, here, schema=here.schema)  # nothing was begun
        return
    is_now(bench, there, schema=there.schema)
    assert kept(bench) == [here.release], "one can go forth again"


def two(bench: Bench) -> tuple[Tiny, Tiny]:
    """An agent of two releases: the one that it can go back to, and the one that it is, as the last test left it."""
    bench.lease()
    told = bench.look()
    there, here = kept(bench), told.get("agent.pet.release")
    if here in TWO and there == [name for name in TWO if name != here] and told["agent.pet.state"] == "running":
        return TWO[there[0]], TWO[here]
    old, new = climb(bench, 1, 2)
    TWO.clear()
    TWO.update({old.release: old, new.release: new})
    return old, new


TWO: dict[str, Tiny] = {}


@pytest.mark.parametrize("place", ["restore-begun", "rollback-committed"])
def test_a_power_cut_in_a_rollback_ends_the_same_with_no_controller(bench: Bench, place: str) -> None:
    there, _ = two(bench)
    assert back(bench, there, place).code in KILLED
    bench.power_cut()
    is_now(bench, there, schema=there.schema)


def test_a_rollback_that_has_no_room_or_no_whole_snapshot_touches_nothing(bench: Bench) -> None:
    old, new = climb(bench, 1, 2)
    before = bench.container("pet")["State"]["StartedAt"]
    bench.machine.sh(f"truncate -s 9000G {FOLDER}/state/sparse")
    refused = back(bench, old)
    assert (refused.code, refused["reason"]) == (5, "disk-full")
    bench.machine.sh(f"rm {FOLDER}/state/sparse; echo x >>{FOLDER}/snapshots/{old.release}.tar")
    refused = back(bench, old)
    assert (refused.code, refused["reason"]) == (5, "snapshot-damaged")
    assert back(bench, Tiny("never-here"))["reason"] == "not-kept"
    assert bench.container("pet")["State"]["StartedAt"] == before
    staged = bench.fresh()
    bench.stage("pet", staged)
    assert back(bench, staged)["reason"] == "not-kept"
    tried = bench.trial("pet", staged)
    assert tried.code == 0
    assert back(bench, old)["reason"] == "on-trial"
    bench.guard("revert", bench.token, "pet")
    bench.answers("pet", new.release)


def test_a_state_that_cannot_be_kept_after_all_starts_the_agent_again_as_it_was(bench: Bench) -> None:
    old, new = climb(bench, 1, 2)
    bench.machine.sh(
        f"rm -rf {FOLDER}/snapshots/{new.release}.tar*; mkdir -p {FOLDER}/snapshots/{new.release}.tar.part/x"
    )
    refused = back(bench, old)
    assert (refused.code, refused["reason"]) == (5, "snapshot")
    is_now(bench, new, schema=2)


def test_an_agent_that_was_stopped_on_purpose_stays_so_and_is_another_release(bench: Bench) -> None:
    old, _ = climb(bench, 1, 2)
    bench.guard("stop", bench.token, "pet")
    assert back(bench, old).code == 0
    told = bench.look()
    assert (told["agent.pet.release"], told["agent.pet.stopped"]) == (old.release, "1")
    assert told["agent.pet.state"] != "running"
    assert bench.state("pet", "schema") == "1"
    bench.guard("start", bench.token, "pet")
    is_now(bench, old, schema=1)


def test_as_many_releases_stay_as_the_policy_says_and_what_goes_is_told(bench: Bench) -> None:
    releases = climb(bench, 1, 1, 1)
    last = bench.fresh()
    bench.trial("pet", last)
    bench.answers("pet", last.release)
    committed = bench.guard("commit", bench.token, "pet", last.release, "3")
    assert committed.get("pruned") == ""
    assert kept(bench) == [release.release for release in reversed(releases)]
    told = bench.look()
    ages = [int(told[f"agent.pet.kept.{release.release}"].split()[0]) for release in releases]
    assert time.time() - 600 < ages[0] <= ages[1] <= ages[2] <= int(told["agent.pet.upgraded"]) <= time.time()
    assert all(int(told[f"agent.pet.kept.{release.release}"].split()[1]) > 1000 for release in releases)
    pruned = bench.guard("keep", bench.token, "pet", "1")
    assert {value for key, value in pruned.pairs if key == "pruned"} == {releases[0].release, releases[1].release}
    assert kept(bench) == [releases[2].release]
    assert bench.machine.sh(f"ls {FOLDER}/snapshots").text.split() == [
        f"{releases[2].release}.tar", f"{releases[2].release}.tar.sha256",
    ]  # fmt: skip
    assert bench.guard("keep", bench.token, "pet", "-1").code == 2
    bench.deploy("pet", bench.fresh())
    assert len(kept(bench)) == 1, "what was said once counts from then on"


def test_of_trials_that_failed_the_last_three_keep_their_log_and_inspection(bench: Bench) -> None:
    climb(bench, 1)
    failed = [bench.fresh(mode="exit:7", lines=("retries=0", "never_retry=78")) for _ in range(4)]
    for release in failed:
        bench.trial("pet", release)
        bench.guard("revert", bench.token, "pet")
    told = [value for key, value in bench.look().pairs if key == "agent.pet.failed"]
    assert sorted(told) == sorted(release.release for release in failed[1:])
    assert bench.guard("failure", "pet", failed[0].release)["reason"] == "absent"
    said = bench.guard("failure", "pet", failed[3].release)
    head, _, rest = said.out.partition("\n\n")
    facts = Said(0, head)
    assert (facts["release"], facts["exit"], facts["oom"]) == (failed[3].release, "7", "false")
    size = int(facts["inspect"])
    assert json.loads(rest[:size])[0]["Config"]["Labels"]["clawrack.release"] == failed[3].release
    assert rest[size:] == "ends with 7\n"
    assert int(facts["log"]) == len("ends with 7\n")
