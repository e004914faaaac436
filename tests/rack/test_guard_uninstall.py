"""Installing in pieces, and leaving nothing behind."""

from collections.abc import Iterator

import pytest

from tests.rack.guard_bench import GUARD, TREE, Bench, places
from tests.rack.machine import Build, Machine, User

KILLED = {137, -9}


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Machine(Build(docker=True, users=(User(sudo="no", key=True),))) as machine:
        yield Bench(machine)


FOOTPRINT = """
find / -xdev \\( -path /proc -o -path /sys -o -path /tmp -o -path /run -o -path /var/lib/docker -o -path /var/log \\
    -o -path /var/lib/containerd -o -path /root -o -path /var/lib/systemd \\) -prune -o -print | sort
find /run -name '*clawrack*'
for save in iptables-save ip6tables-save; do $save | sed -n '/^-A/p; s/^\\(:.* -\\) .*/\\1/p'; done
systemctl list-unit-files --no-legend; systemctl list-units --all --no-legend --plain 'clawrack*'
ip -br link | grep -v veth; ip route; cat /etc/passwd
docker ps -a --format '{{.Names}}'; docker network ls --format '{{.Name}}'; docker volume ls -q
"""


def footprint(bench: Bench) -> list[str]:
    """Files, rules, units, interfaces, users, containers, networks."""
    return bench.machine.sh(FOOTPRINT).text.splitlines()


def test_uninstall_leaves_the_machine_as_it_was(bench: Bench) -> None:
    bench.machine.sh("docker network create theirs; docker run -d --name theirs --network theirs tiny sleep 1000")
    before = footprint(bench)
    for _ in range(2):
        assert bench.install().code == 0
        bench.lease()
        assert bench.guard("sudoer", "booth").code == 0
        bench.deploy("one", bench.fresh())
        bench.deploy("two", bench.fresh())
        assert footprint(bench) != before
        assert bench.guard("uninstall", "erase")["reason"] == "held"
        gone = bench.guard("uninstall", "erase", bench.token)
        assert gone.code == 0, gone
        assert footprint(bench) == before
    assert bench.machine.sh("docker inspect -f '{{.State.Running}}' theirs").text == "true"


def test_uninstall_keeps_the_state_that_a_person_chose_to_keep(bench: Bench) -> None:
    bench.install()
    bench.lease()
    bench.deploy("dear", bench.fresh())
    assert bench.guard("uninstall", "keep", bench.token).code == 0
    assert bench.machine.sh("find /var/lib/clawrack -type f | sort").text.split() == [
        "/var/lib/clawrack/kept/dear/history",
        "/var/lib/clawrack/kept/dear/schema",
        "/var/lib/clawrack/kept/dear/starts",
    ]
    bench.machine.sh("rm -r /var/lib/clawrack")


@pytest.mark.parametrize("place", places("install-"))
def test_killed_in_the_installation_the_second_run_ends_it(bench: Bench, place: str) -> None:
    words = ("env", f"CLAWRACK_FAILPOINT={place}", "sh", f"{TREE}/guard.sh", "install")
    assert bench.machine.run(*words, check=False).code in KILLED
    assert bench.install().code == 0
    assert bench.look()["firewall"] == "ok"
    assert bench.install().get("already") == "1"
    assert bench.guard("uninstall", "erase").code == 0


@pytest.mark.parametrize("place", places("uninstall-"))
def test_killed_in_the_removal_the_second_run_ends_it(bench: Bench, place: str) -> None:
    before = footprint(bench)
    bench.install()
    bench.lease()
    bench.deploy("one", bench.fresh())
    assert bench.guard("uninstall", "erase", bench.token, failpoint=place).code in KILLED
    assert bench.guard("uninstall", "erase", bench.token).code == 0
    assert footprint(bench) == before


def test_a_user_with_the_drop_in_may_run_the_guard_and_look_at_docker_and_nothing_else(bench: Bench) -> None:
    bench.install()
    assert bench.guard("sudoer", "booth").code == 0
    assert bench.guard("sudoer", "nobody-here").code == 2
    assert bench.guard("sudoer", "root").code == 2

    def as_booth(*words: str) -> int:
        return bench.machine.run("setpriv", "--reuid=1000", "--regid=1000", "--init-groups", *words, check=False).code

    assert as_booth("sudo", "-n", "--", GUARD, "look") == 0
    assert as_booth("sudo", "-n", "--", "docker", "system", "dial-stdio") == 0
    assert as_booth("sudo", "-n", "--", "docker", "ps") != 0
    assert as_booth("sudo", "-n", "--", "sh", "-c", "id") != 0
    assert as_booth(GUARD, "look") == 3
    assert as_booth("sudo", "-n", "CLAWRACK_FAILPOINT=x", GUARD, "look") != 0
    bench.guard("uninstall", "erase")


def test_a_machine_without_a_tool_is_told_which(bench: Bench) -> None:
    bench.machine.sh("mv /usr/sbin/iptables-restore /usr/sbin/iptables-restore.away")
    try:
        said = bench.install()
        assert (said.code, said["reason"], said["detail"]) == (5, "tools-missing", "iptables-restore")
        assert bench.machine.run("test", "-e", "/var/lib/clawrack", check=False).code != 0
    finally:
        bench.machine.sh("mv /usr/sbin/iptables-restore.away /usr/sbin/iptables-restore")


def test_the_pool_collides_with_no_network_that_the_machine_knows(bench: Bench) -> None:
    bench.machine.sh("ip link add wide type bridge; ip address add 10.1.2.3/8 dev wide; ip link set wide up")
    bench.machine.sh("docker network create --subnet 172.30.208.0/24 taken")
    try:
        assert bench.install()["pool"] == "172.27.208.0/20"
    finally:
        bench.guard("uninstall", "erase")
        bench.machine.sh("ip link del wide; docker network rm taken")


def test_what_the_guard_wrote_is_roots_alone_to_change(bench: Bench) -> None:
    bench.install()
    writable = "find /usr/local/lib/clawrack /etc/systemd/system/clawrack* ! -user root -o -perm /022 ! -type l"
    assert bench.machine.sh(writable).text == ""
    assert bench.machine.sh("stat -c '%a %U' /var/lib/clawrack /run/clawrack").text.split("\n") == ["700 root"] * 2
    bench.guard("uninstall", "erase")
