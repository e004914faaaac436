"""The guard takes a container of somebody else's over: killed anywhere, one of the two runs or none, and never both."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.rack.guard_bench import Bench, benches, places, until

KILLED = {137, -9}
FOLDER = "/srv/foreign"
NAME = "theirs"
TAKING = ("adopt-policy", "adopt-stopped", "adopt-copied", "trial-waiting")
GIVING = ("adopt-given-back", "unadopt-noted", "unadopt-removed")


def later(place: str) -> object:
    """A place that other tests pass too: in the long sweep alone."""
    return pytest.param(place, marks=pytest.mark.soak)


def test_no_place_of_a_take_over_is_left_out() -> None:
    assert {*places("adopt-", "unadopt-")} == {"adopt-noted", *TAKING[:3], *GIVING}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    yield from benches()


@pytest.fixture
def theirs(bench: Bench) -> Iterator[str]:
    """Somebody's container, with a file in its state; its id."""
    bench.lease()
    bench.machine.sh(f"mkdir -p {FOLDER}/deep; echo theirs >{FOLDER}/deep/mine; ln -sf /etc/shadow {FOLDER}/link")
    bench.machine.sh(f"cp -p /bin/true {FOLDER}/rises; chmod 6755 {FOLDER}/rises; mkdir -p {FOLDER}.cache")
    mounts = ("-v", f"{FOLDER}:/state", "-v", f"{FOLDER}.cache:/state/cache")
    words = ("-d", "--init", "--name", NAME, "--restart", "always", *mounts, "tiny", "/bin/busybox", "sleep", "9999")
    yield bench.machine.run("docker", "run", *words).text
    bench.guard("unadopt", bench.token, "pet")
    bench.machine.run("docker", "rm", "-f", NAME, check=False)
    bench.machine.sh(f"rm -rf {FOLDER} {FOLDER}.cache /var/lib/clawrack/kept")


def seen(bench: Bench) -> dict[str, Any]:
    found = json.loads(bench.machine.run("docker", "inspect", NAME).out)[0]
    found["Mounts"].sort(key=str)  # Docker tells them in no order
    return found


def runs(bench: Bench) -> bool:
    return bool(seen(bench)["State"]["Running"])


def ours(bench: Bench) -> bool:
    """Whether ours runs; whatever happened, never beside theirs."""
    running = any(found["State"]["Running"] for found in bench.containers() if found["Name"] == "/clawrack-pet")
    assert not (running and runs(bench)), "both run"
    return running


def as_before(bench: Bench) -> None:
    """Theirs runs as it did, and nothing of ours."""
    assert runs(bench)
    assert seen(bench)["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert not ours(bench)
    assert bench.machine.get(f"{FOLDER}/deep/mine") == b"theirs\n"


def test_noting_it_changes_nothing_and_says_what_it_would_take(bench: Bench, theirs: str) -> None:
    bench.machine.sh(f"head -c 3000000 /dev/zero >{FOLDER}.cache/big")
    told = bench.guard("foreign", theirs, "/state")
    assert 3_000_000 < int(told["bytes"]) < 4_000_000
    assert int(told["free"]) > 0
    before = seen(bench)
    assert bench.guard("adopt", bench.token, "pet", theirs, "/state")["name"] == NAME
    assert bench.guard("adopt", bench.token, "pet", theirs, "/state")["already"] == "1"
    assert seen(bench) == before
    assert bench.look()["agent.pet.adopted"] == NAME
    assert bench.look()["agent.pet.adopted.state"] == "running"
    assert bench.guard("adopt", bench.token, "other", theirs, "/state")["reason"] == "adopted"
    assert bench.guard("unadopt", bench.token, "pet")["back"] == NAME
    as_before(bench)


def test_it_is_taken_with_its_state_and_given_back(bench: Bench, theirs: str) -> None:
    bench.guard("adopt", bench.token, "pet", theirs, "/state")
    bench.deploy("pet", bench.fresh())
    assert not runs(bench)
    assert seen(bench)["HostConfig"]["RestartPolicy"]["Name"] == "no"
    assert (bench.state("pet", "deep/mine"), ours(bench)) == ("theirs", True)
    state = "/var/lib/clawrack/agents/pet/state"
    assert bench.machine.run("readlink", f"{state}/link").text == "/etc/shadow"
    assert bench.machine.run("stat", "-c", "%a", f"{state}/rises").text == "755"
    assert bench.machine.run("stat", "-c", "%a", f"{FOLDER}/rises").text == "6755"
    told = bench.guard("unadopt", bench.token, "pet")
    assert (told["back"], told["kept"]) == (NAME, "/var/lib/clawrack/kept/pet")
    as_before(bench)
    assert bench.guard("unadopt", bench.token, "pet")["reason"] == "not-adopted"


@pytest.mark.parametrize("place", [*TAKING, *map(later, ("trial-running", "trial-renamed"))])
def test_killed_in_a_take_over_the_timer_starts_theirs_again_and_it_can_be_tried_again(
    bench: Bench, theirs: str, place: str
) -> None:
    bench.guard("adopt", bench.token, "pet", theirs, "/state")
    release = bench.fresh()
    assert bench.trial("pet", release, 1, failpoint=place).code in KILLED
    ours(bench)
    until(lambda: bench.guard("tick").code == 0 and not bench.look().get("agent.pet.trial"), 30, "it is taken back")
    as_before(bench)
    bench.deploy("pet", release)
    assert (ours(bench), bench.state("pet", "deep/mine")) == (True, "theirs")


@pytest.mark.parametrize("place", [*GIVING, later("remove-container")])
def test_killed_while_it_is_given_back_the_second_run_ends_it(bench: Bench, theirs: str, place: str) -> None:
    bench.guard("adopt", bench.token, "pet", theirs, "/state")
    bench.deploy("pet", bench.fresh())
    assert bench.guard("unadopt", bench.token, "pet", failpoint=place).code in KILLED
    ours(bench)
    assert bench.guard("unadopt", bench.token, "pet")["back"] == NAME
    as_before(bench)


def test_a_killed_note_leaves_nothing_and_a_power_cut_in_a_trial_brings_theirs_back(bench: Bench, theirs: str) -> None:
    assert bench.guard("adopt", bench.token, "pet", theirs, "/state", failpoint="adopt-noted").code in KILLED
    as_before(bench)
    assert bench.trial("pet", bench.fresh()).code == 0
    assert not runs(bench)
    bench.power_cut()
    until(lambda: runs(bench), 40, "theirs runs again, with no controller")
    as_before(bench)
    bench.lease()


def test_what_cannot_be_taken_is_refused_and_theirs_goes_on(bench: Bench, theirs: str) -> None:
    token = bench.token
    assert bench.guard("adopt", token, "pet", "0" * 64, "/state")["reason"] == "foreign-absent"
    assert bench.guard("adopt", token, "pet", "$(id)", "/state").code == 2
    assert bench.guard("adopt", token, "pet", theirs, "/state/../etc").code == 2
    assert bench.guard("foreign", theirs, "relative").code == 2
    bench.deploy("own", bench.fresh())
    mine = bench.container("own")["Id"]
    assert bench.guard("adopt", token, "pet", mine, "/state")["reason"] == "foreign-ours"
    assert bench.guard("adopt", token, "own", theirs, "/state")["reason"] == "agent-there"
    bench.machine.run("mkfifo", f"{FOLDER}/pipe")
    bench.guard("adopt", token, "pet", theirs, "/state")
    assert bench.trial("pet", bench.fresh())["reason"] == "adopt-odd"
    as_before(bench)
    bench.guard("remove", token, "own", "erase")
