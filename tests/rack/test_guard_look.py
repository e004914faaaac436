"""What `look` tells of what somebody changed past us; and it stays one quick call, however many agents there are."""

from collections.abc import Callable, Iterator

import pytest

from tests.rack.guard_bench import Bench, benches

FOLDER = "/var/lib/clawrack/agents/pet"


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    for bench in benches():
        bench.deploy("pet", bench.fresh())
        bench.deploy("calm", bench.fresh())
        yield bench


def drift(bench: Bench) -> list[str]:
    """What is told to be changed, of all agents."""
    return [f"{key.split('.')[1]} {value}" for key, value in bench.look().pairs if key.endswith(".drift")]


def release(bench: Bench) -> str:
    return bench.look()["agent.pet.release"]


def edited(bench: Bench, script: str) -> Callable[[], None]:
    """Change the release's files by hand; what puts them back."""
    folder = f"{FOLDER}/releases/{release(bench)}"
    bench.machine.sh(f"rm -rf /root/aside; cp -a {folder} /root/aside; cd {folder}; {script}")

    def back() -> None:
        bench.machine.sh(f"rm -rf {folder}; cp -a /root/aside {folder}")

    return back


@pytest.mark.parametrize(
    "script",
    [
        "echo '{\"more\": 1}' >config/tiny.json",
        "touch -r config/tiny.json /root/when; printf '[]\\n' >config/tiny.json; touch -r /root/when config/tiny.json",
        "rm config/tiny.json",
        "echo x >config/more.json",
        "ln -s /etc/shadow config/link",
        "sed -i s/memory=.*/memory=99999999/ spec",
    ],
    ids=["edited", "edited and its time put back", "deleted", "added", "linked", "the spec edited"],
)
def test_a_release_whose_files_somebody_edited_is_told_and_no_other(bench: Bench, script: str) -> None:
    assert drift(bench) == []
    back = edited(bench, script)
    told = drift(bench)
    back()
    assert "pet config" in told
    assert {line for line in told if line.startswith("calm")} == set()
    assert drift(bench) == []


def test_a_container_that_somebody_made_or_changed_by_hand_is_told(bench: Bench) -> None:
    other = bench.machine.sh("docker export clawrack-pet | docker import - other").text
    bench.machine.sh("docker update --restart always clawrack-pet")
    assert drift(bench) == ["pet limits"]
    found = bench.container("pet")["Config"]["Labels"]
    labels = " ".join(f"--label {key}={value}" for key, value in found.items())
    by_hand = "docker rm -f clawrack-pet; docker create --name clawrack-pet --memory 67108864"
    bench.guard("stop", bench.token, "pet")
    bench.machine.sh(f"{by_hand} {labels} {other} /bin/agent")
    assert drift(bench) == ["pet image"]
    assert bench.look()["agent.pet.image"] == other
    bench.machine.sh(f"{by_hand} --label 'clawrack.kind=a|b\nagent.calm.drift=image' {bench.image} /bin/agent")
    assert drift(bench) == ["pet label"]
    mended = bench.guard("mend", bench.token, "box", "pet")
    assert mended.code == 0, mended
    assert bench.guard("start", bench.token, "pet").code == 0
    bench.answers("pet", release(bench))
    assert drift(bench) == []


def test_nothing_is_called_drift_while_a_release_is_on_trial(bench: Bench) -> None:
    before = release(bench)
    bench.trial("pet", bench.fresh())
    assert drift(bench) == []
    bench.guard("revert", bench.token, "pet")
    bench.answers("pet", before)
    assert drift(bench) == []


def test_containers_of_somebody_else_and_of_nobody_are_told_apart(bench: Bench) -> None:
    machine = bench.look()["id"]
    assert (bench.look()["others"], bench.look().get("other")) == ("0", "")
    odd = "--label 'clawrack.machine=x\nagent.calm.drift=image'"
    bench.machine.sh(f"docker create --name theirs {odd} {bench.image} /bin/agent")
    bench.machine.sh(f"for n in $(seq 22); do docker create --name more-$n {bench.image} /bin/agent; done")
    ours = f"--label clawrack.machine={machine} --label clawrack.agent=gone"
    bench.machine.sh(f"docker create --name clawrack-gone {ours} {bench.image} /bin/agent")
    told = bench.look()
    others = [value.split() for key, value in told.pairs if key == "other"]
    assert told["others"] == "23"
    assert len(others) == 20
    assert all(state == "created" for _, _, state in others)
    assert told["stray.clawrack-gone.state"] == "created"
    assert told.get("agent.gone.state") == ""
    assert drift(bench) == []
    bench.machine.sh("docker rm clawrack-gone theirs $(seq -f more-%g 22)")


def test_a_look_asks_the_engine_as_often_for_one_agent_as_for_many(bench: Bench) -> None:
    asked = "/root/asked"
    counting = f'#!/bin/sh\necho "$1" >>{asked}\nexec /usr/bin/docker "$@"\n'
    bench.machine.put("/usr/local/sbin/docker", counting.encode(), 0o755)
    try:
        bench.look()
        few = bench.machine.sh(f"wc -l <{asked}; rm {asked}").text
        for name in ("third", "fourth"):
            bench.deploy(name, bench.fresh())
        bench.machine.sh(f"rm -f {asked}")
        bench.look()
        assert bench.machine.sh(f"wc -l <{asked}").text == few == "3"
    finally:
        bench.machine.sh("rm /usr/local/sbin/docker")


def test_a_machine_tells_how_much_memory_it_has_and_which_version_an_agent_is(bench: Bench) -> None:
    bench.deploy("pet", bench.fresh(lines=("label=version=2026.9.6",)))
    told = bench.look()
    assert told["agent.pet.version"] == "2026.9.6"
    assert int(told["memory"]) == int(bench.machine.sh("grep MemTotal: /proc/meminfo | tr -dc 0-9").text) * 1024
