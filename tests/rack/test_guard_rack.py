"""A whole rack loses its power at once and comes back by itself: no controller is there, and nobody types anything."""

import datetime as dt
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.rack.guard_bench import Bench, Tiny, benches, until
from tests.rack.machine import Machine

NAMES = ("ada", "bob", "emil", "fritz")  # of the first machine; their starts are spread over eight seconds


@pytest.fixture(scope="module")
def rack() -> Iterator[list[Bench]]:
    makers = [benches() for _ in range(3)]
    yield [next(each) for each in makers]
    for each in makers:
        next(each, None)


def test_a_rack_that_lost_its_power_is_as_it_should_be_and_its_agents_start_one_after_another(
    rack: list[Bench],
) -> None:
    many, mixed, trying = rack
    for name in NAMES:
        many.deploy(name, many.fresh())
    for name in ("awake", "asleep"):
        mixed.deploy(name, mixed.fresh())
    assert mixed.guard("stop", mixed.token, "asleep").code == 0
    hopeless = given_up(mixed)
    old, new = trying.fresh(), trying.fresh(schema=2)
    trying.deploy("pet", old)
    trying.trial("pet", new)
    trying.answers("pet", new.release)
    at_once([bench.machine for bench in rack])
    for bench in rack:
        assert bench.look()["firewall"] == "ok"
    trying.answers("pet", old.release, 90)
    assert (trying.state("pet", "schema"), trying.look().get("agent.pet.trial")) == ("1", "")
    mixed.answers("awake", mixed.look()["agent.awake.release"], 60)
    told = mixed.look()
    assert (told["agent.asleep.stopped"], told["agent.asleep.state"]) == ("1", "exited")
    assert (told["agent.tired.reason"], told["agent.tired.state"]) == ("never-retry", "exited")
    assert told["agent.tired.release"] == hopeless.release
    starts = {name: started(many, name) for name in NAMES}
    jitter = {name: int(many.machine.sh(f"printf {name} | cksum").text.split()[0]) % (2 * len(NAMES)) for name in NAMES}
    for name in NAMES:
        later = [other for other in NAMES if jitter[other] >= jitter[name] + 5]
        assert all(starts[other] > starts[name] for other in later), "whose turn is later starts later"
    assert max(jitter.values()) - min(jitter.values()) >= 5
    for bench in rack:
        names = {key.split(".")[1] for key, _ in bench.look().pairs if key.startswith("agent.")}
        assert len(bench.containers()) == len(names), "one container of each agent"
        assert bench.machine.sh("systemctl is-active clawrack-tick.timer").text == "active"


def at_once(machines: list[Machine]) -> None:
    """Pull the plug of all, and put it back in."""
    with ThreadPoolExecutor(len(machines)) as hands:
        list(hands.map(cut, machines))
        list(hands.map(Machine.start, machines))


def cut(machine: Machine) -> None:
    machine.container.kill()


def given_up(bench: Bench) -> Tiny:
    """An agent that its supervisor gave up: its program says that a person is needed."""
    release = bench.fresh()
    bench.deploy("tired", release)
    bench.machine.sh("echo 99 >/var/lib/clawrack/agents/tired/state/schema")
    bench.guard("restart", bench.token, "tired")
    until(lambda: bench.look().get("agent.tired.reason") == "never-retry", 30, "it is given up")
    return release


def started(bench: Bench, name: str) -> dt.datetime:
    """When it was started after the power came back."""
    bench.answers(name, bench.look()[f"agent.{name}.release"], 90)
    return dt.datetime.fromisoformat(re.sub(r"\.\d+", "", bench.look()[f"agent.{name}.started_at"]))
