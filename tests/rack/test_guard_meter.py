"""The meter's place on a machine: reached by its agents and by nobody else, replaced without ever being two.

What stands in for it here is the tiny agent: the guard knows nothing of what a meter does.
"""

import hashlib
import json
from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import KEY_HASH, Bench, Said, Tiny, benches, packed, places, until

KILLED = {137, -9}
PRACTICE = b'{"version": 1, "routes": {"practice": {"kind": "practice"}}, "caps": {}}'


def place(bench: Bench, tiny: Tiny, routes: bytes = PRACTICE, failpoint: str = "") -> Said:
    """Have the meter placed."""
    spec = tiny.files(bench.image)["spec"]
    own = b"meter_key_sha256=", b"route=", b"config=", b"kind="
    lines = [line for line in spec.splitlines() if not line.startswith(own)]
    lines += [b"kind=meter", b"config=/etc/clawrack-meter", b"report=cat", b"report=/state/starts"]
    content = packed({"spec": b"\n".join(lines) + b"\n", "routes.json": routes})
    digest = hashlib.sha256(content).hexdigest()
    return bench.guard("meter", bench.token, tiny.release, digest, stdin=content, failpoint=failpoint)


def answers(bench: Bench, release: str) -> None:
    """Wait until the agent reaches this release of the meter by its name."""
    words = "docker exec clawrack-one timeout 2 wget -q -O - http://meter:8080/release"
    until(lambda: bench.machine.sh(words, check=False).text == release, 30, f"the meter answers {release}")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    for bench in benches():
        bench.deploy("one", bench.fresh())
        bench.deploy("two", bench.fresh())
        first = bench.fresh()
        assert place(bench, first).code == 0
        answers(bench, first.release)
        yield bench


@pytest.fixture(autouse=True)
def _leased(bench: Bench) -> None:  # pyright: ignore[reportUnusedFunction]
    bench.lease()


def one_meter(bench: Bench, release: str) -> None:
    """There is one container of it, and it is this release."""
    found = [found for found in bench.containers() if found["Config"]["Labels"]["clawrack.agent"] == "meter"]
    assert [each["Config"]["Labels"]["clawrack.release"] for each in found] == [release]
    assert bench.look()["meter.release"] == release
    answers(bench, release)


def test_every_agent_reaches_the_meter_by_name_in_its_own_network(bench: Bench) -> None:
    for name in ("one", "two"):
        seen = bench.machine.sh(f"docker exec clawrack-{name} timeout 2 wget -q -O - http://meter:8080/release").text
        assert seen == bench.look()["meter.release"]
        told = bench.machine.sh(f"docker exec clawrack-{name} nslookup meter").text
        net = bench.look()[f"agent.{name}.subnet"].rpartition(".")[0]
        assert f"Address: {net}." in told


def test_the_meter_is_in_the_cage_too_and_its_way_out_is_its_own_network(bench: Bench) -> None:
    found = bench.container("meter")
    host = found["HostConfig"]
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["PortBindings"]) == (["ALL"], True, {})
    assert host["NetworkMode"] == "clawrack"
    assert sorted(found["NetworkSettings"]["Networks"]) == ["clawrack", "clawrack-one", "clawrack-two"]
    gateway = found["NetworkSettings"]["Networks"]["clawrack"]["Gateway"]
    routes = bench.machine.sh("docker exec clawrack-meter cat /proc/net/route").text.splitlines()
    default = next(line.split()[2] for line in routes if line.split()[1] == "00000000")
    assert ".".join(str(byte) for byte in reversed(bytes.fromhex(default))) == gateway


def test_an_agents_key_is_there_while_the_agent_is(bench: Bench) -> None:
    path = "/etc/clawrack-meter/agents"
    bench.deploy("brief", bench.fresh())
    told = json.loads(bench.machine.sh(f"docker exec clawrack-meter cat {path}/brief.json").text)
    assert told == {"key_sha256": KEY_HASH, "subnet": bench.look()["agent.brief.subnet"], "route": "practice"}
    bench.guard("remove", bench.token, "brief", "erase")
    assert bench.machine.sh(f"docker exec clawrack-meter ls {path}").text.split() == ["one.json", "two.json"]
    assert "clawrack-brief" not in bench.container("meter")["NetworkSettings"]["Networks"]


def test_the_meter_cannot_write_its_own_rules(bench: Bench) -> None:
    for path in ("routes.json", "agents/one.json", "agents/new.json"):
        assert bench.machine.sh(
            f"docker exec clawrack-meter sh -c 'echo x >/etc/clawrack-meter/{path}'", check=False
        ).code


def test_new_routes_need_no_new_container(bench: Bench) -> None:
    before = bench.container("meter")["State"]["StartedAt"]
    current = Tiny(bench.look()["meter.release"])
    # the release is told to the process, so that only its name may differ here
    same = Tiny(f"{current.release}-routes", lines=(f"env=RELEASE={current.release}", "env=MODE=ok", "env=SCHEMA=1"))
    once = Tiny(f"{current.release}-base", lines=same.lines)
    assert place(bench, once).code == 0
    before = bench.container("meter")["State"]["StartedAt"]
    routes = PRACTICE.replace(b'"caps": {}', b'"caps": {"day": 1}')
    assert place(bench, same, routes).code == 0
    assert bench.container("meter")["State"]["StartedAt"] == before
    assert bench.machine.sh("docker exec clawrack-meter cat /etc/clawrack-meter/routes.json").out == routes
    assert place(bench, same, routes).get("already") == "1"


def test_a_meter_that_does_not_start_leaves_the_one_before(bench: Bench) -> None:
    good = bench.fresh()
    assert place(bench, good).code == 0
    assert place(bench, bench.fresh(lines=("entrypoint=/bin/not-there",))).code == 5
    one_meter(bench, good.release)


NOT_READY = ("ready=sh", "ready=-c", "ready=echo another version answers; false")


def test_a_meter_that_is_not_ready_leaves_the_one_before_and_what_it_said_is_kept(bench: Bench) -> None:
    good, bad = bench.fresh(lines=("ready=cat", "ready=/tmp/www/release")), bench.fresh(lines=NOT_READY)
    assert place(bench, good).code == 0
    refused = place(bench, bad)
    assert (refused.code, refused["reason"], refused["reverted"]) == (5, "meter-not-ready", bad.release)
    assert refused["detail"] == "another version answers"
    one_meter(bench, good.release)
    assert bench.look()["meter.failed"] == bad.release
    assert f'"clawrack.release": "{bad.release}"' in bench.guard("failure", "meter", bad.release).out


@pytest.mark.parametrize("where", ["meter-started", "back-noted"])
def test_killed_while_a_meter_that_is_never_ready_takes_over_the_one_before_comes_back(
    bench: Bench, where: str
) -> None:
    good = bench.look()["meter.release"]
    assert place(bench, bench.fresh(lines=NOT_READY), failpoint=where).code in KILLED
    assert bench.guard("tick").code == 0
    one_meter(bench, good)


def test_a_meter_that_does_not_know_the_ledgers_format_is_refused_and_the_one_there_goes_on(bench: Bench) -> None:
    new = bench.fresh(lines=("ledger=2",))
    assert place(bench, new).code == 0
    before = bench.container("meter")["State"]["StartedAt"]
    for older in (bench.fresh(), bench.fresh(lines=("ledger=1",))):
        refused = place(bench, older)
        assert (refused.code, refused["reason"]) == (3, "meter-older")
    assert bench.container("meter")["State"]["StartedAt"] == before
    newer = place(bench, bench.fresh(lines=("ledger=3", *NOT_READY)))
    assert (newer.code, newer["reason"], newer.get("reverted")) == (5, "meter-not-ready", "")
    assert place(bench, bench.fresh(lines=("ledger=3",))).code == 0
    spec = f"/var/lib/clawrack/meter/releases/{bench.look()['meter.release']}/spec"
    bench.machine.sh(f"sed -i s/ledger=3/ledger=1/ {spec}")  # for the tests that follow


def test_replaced_the_meter_keeps_its_ledger_and_is_never_two(bench: Bench) -> None:
    starts = int(bench.guard("usage").out)
    assert place(bench, bench.fresh()).code == 0
    until(lambda: bench.guard("usage").out.strip() == str(starts + 1), 20, "the ledger goes on")


@pytest.mark.parametrize("where", places("meter-"))
def test_killed_while_replacing_the_meter_the_replacement_is_finished(bench: Bench, where: str) -> None:
    old = bench.look()["meter.release"]
    new = bench.fresh()
    assert place(bench, new, failpoint=where).code in KILLED
    assert bench.guard("tick").code == 0
    assert old != new.release
    one_meter(bench, new.release)


def test_after_a_power_cut_the_meter_is_there_again_for_its_agents(bench: Bench) -> None:
    release = bench.look()["meter.release"]
    bench.power_cut()
    bench.answers("one", bench.look()["agent.one.release"])
    one_meter(bench, release)


def test_no_agent_may_be_called_meter(bench: Bench) -> None:
    assert bench.stage("meter", bench.fresh()).code == 2
    assert bench.guard("stop", bench.token, "meter").code == 2


def test_a_meter_that_is_killed_again_and_again_comes_back_and_look_says_so(bench: Bench) -> None:
    release = bench.look()["meter.release"]
    for _ in range(4):
        answers(bench, release)
        bench.machine.sh("docker kill clawrack-meter")
        until(lambda: bench.container("meter")["State"]["Running"], 60, "it is started again")
    answers(bench, release)
    assert (bench.look()["meter.reason"], bench.look()["meter.reason.exit"]) == ("killed-often", "137")
    fresh = bench.fresh()
    assert place(bench, fresh).code == 0
    answers(bench, fresh.release)
    assert bench.look().get("meter.reason") == ""
