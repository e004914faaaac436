"""Who may change a machine: the lease, its tokens, and the lock under them."""

import random
import threading
import time
from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import GUARD, Bench, Said, benches, until


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    yield from benches()


@pytest.fixture(autouse=True)
def _free(bench: Bench) -> None:  # pyright: ignore[reportUnusedFunction]
    bench.machine.sh("rm -f /var/lib/clawrack/lease")


def secret(bench: Bench, token: str) -> Said:
    return bench.guard("secrets", token, "someone", "key", "5", stdin=b"value")


def test_a_second_controller_is_told_who_holds_the_lease_and_for_how_long(bench: Bench) -> None:
    bench.guard("lease", "first@desk", "60")
    refused = bench.guard("lease", "second@desk", "60")
    assert refused.code == 3
    assert (refused["reason"], refused["holder"]) == ("held", "first@desk")
    assert 55 <= int(refused["left"]) <= 60


def test_a_token_that_was_overtaken_is_refused_even_for_the_same_holder(bench: Bench) -> None:
    old = bench.guard("lease", "me", "60")["token"]
    new = bench.guard("lease", "me", "60")["token"]
    assert int(new) == int(old) + 1
    assert secret(bench, old)["reason"] == "stale-token"
    assert secret(bench, new).code == 0


def test_a_holder_that_dies_needs_no_unlocking_by_hand(bench: Bench) -> None:
    dead = bench.guard("lease", "dead", "1")["token"]
    until(lambda: bench.guard("lease", "next", "60").code == 0, 5, "the lease ends by itself")
    assert secret(bench, dead)["reason"] == "stale-token"


def test_a_lease_that_ended_is_not_used_even_when_nobody_took_it(bench: Bench) -> None:
    token = bench.guard("lease", "slow", "1")["token"]
    time.sleep(2)
    assert secret(bench, token)["reason"] == "lease-ended"


def test_a_renewed_lease_lasts_and_a_released_one_is_free(bench: Bench) -> None:
    token = bench.guard("lease", "me", "1")["token"]
    assert bench.guard("renew", token, "60")["left"] == "60"
    assert bench.guard("lease", "other", "5").code == 3
    assert bench.guard("release", token).code == 0
    assert bench.guard("lease", "other", "5").code == 0


def test_no_lease_outlives_a_reboot(bench: Bench) -> None:
    token = bench.guard("lease", "before", "3600")["token"]
    bench.power_cut()
    assert secret(bench, token)["reason"] == "lease-ended"
    assert int(bench.guard("lease", "after", "60")["token"]) > int(token)


def test_nobody_takes_over_while_a_change_is_under_way_and_its_holder_may_renew(bench: Bench) -> None:
    token = bench.guard("lease", "me", "2")["token"]
    holder = "flock /var/lib/clawrack/lock sleep 8"
    thread = threading.Thread(target=lambda: bench.machine.sh(holder))
    thread.start()
    time.sleep(0.5)
    assert bench.guard("renew", token, "3")["left"] == "3"
    time.sleep(0.5)
    assert bench.guard("lease", "other", "60")["reason"] in {"busy", "held"}
    thread.join()


def test_two_controllers_in_two_hundred_random_interleavings_never_both_count(bench: Bench) -> None:
    steps = schedule(random.Random(2026), rounds=200)
    script = "\n".join(f"{GUARD} {step} 2>&1 | tr '\\n' ' '; echo" for step in steps)
    bench.machine.put("/root/interleave.sh", f"#!/bin/sh\n{script}\n".encode())
    lines = bench.machine.run("sh", "/root/interleave.sh", timeout=240).out.decode().splitlines()
    model = Model()
    for step, line in zip(steps, lines, strict=True):
        model.follow(step, line)
    assert model.accepted > 50
    assert model.refused > 50


def schedule(chance: random.Random, rounds: int) -> list[str]:
    """Steps of two controllers, each with the tokens a forgetful or stopped process might still use."""
    steps: list[str] = []
    for _ in range(rounds):
        who = chance.choice("ab")
        guess = chance.randrange(1, 12)
        steps.append(
            chance.choice(
                [
                    f"lease {who} 600",
                    f'release "$(($(cat /var/lib/clawrack/token) - {guess % 3}))"',
                    f'forget "$(($(cat /var/lib/clawrack/token) - {guess % 4}))" someone key',
                    'forget "$(cat /var/lib/clawrack/token)" someone key',
                ]
            )
        )
    return steps


class Model:
    """What has to hold: tokens only grow, one holder at a time, and only the holder's newest token counts."""

    def __init__(self) -> None:
        self.holder = ""
        self.newest: int | None = None
        self.accepted = 0
        self.refused = 0

    def follow(self, step: str, line: str) -> None:
        verb, *words = step.split()
        said = dict(pair.split("=", 1) for pair in line.split() if "=" in pair)
        if verb == "lease":
            self.leased(words[0], said)
        else:
            behind = int(step.rpartition(" - ")[2].split(")")[0]) if " - " in step else 0
            self.used(verb, counts=bool(self.holder) and behind == 0, refused="reason" in said)

    def leased(self, who: str, said: dict[str, str]) -> None:
        if self.holder not in {"", who}:
            assert said["reason"] == "held"
            return
        token = int(said["token"])
        assert self.newest is None or token == self.newest + 1
        self.holder, self.newest = who, token

    def used(self, verb: str, *, counts: bool, refused: bool) -> None:
        assert refused is not counts
        self.accepted += counts
        self.refused += refused
        if verb == "release" and counts:
            self.holder = ""


def test_two_controllers_at_the_same_time_get_different_tokens_and_one_of_them_the_machine(bench: Bench) -> None:
    loop = "for i in $(seq 40); do %s lease %s 600 | grep token= ; done"
    both = f"({loop % (GUARD, 'a')}) >/root/a & ({loop % (GUARD, 'b')}) >/root/b & wait; cat /root/a /root/b"
    tokens = bench.machine.sh(both, timeout=120).text.split()
    assert len(tokens) == len(set(tokens))
    assert bench.machine.sh("wc -l </root/a").text == "0" or bench.machine.sh("wc -l </root/b").text == "0"
