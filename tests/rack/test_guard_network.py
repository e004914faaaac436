"""Who can talk to whom: asked from inside the agents, from the machine and from a neighbour that has a route."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.rack.guard_bench import Bench, benches
from tests.rack.machine import Machine

METADATA = ("169.254.169.254", "100.100.100.200", "100.96.0.96", "168.63.129.16")


@dataclass(frozen=True)
class Street:
    """Two agents on one machine, a neighbour with a route to them that also plays the metadata."""

    bench: Bench
    neighbour: Machine
    one: str
    two: str

    def from_neighbour(self, address: str, port: int = 8080) -> bool:
        """Whether the neighbour gets a connection."""
        script = f"exec 3<>/dev/tcp/{address}/{port}"
        return self.neighbour.run("timeout", "1", "bash", "-c", script, check=False).code == 0

    def from_machine(self, address: str, port: int) -> bool:
        """Whether the machine gets a connection."""
        script = f"exec 3<>/dev/tcp/{address}/{port}"
        return self.bench.machine.run("timeout", "1", "bash", "-c", script, check=False).code == 0

    def from_agent(self, address: str, port: int, name: str = "one") -> bool:
        """Whether an agent is answered."""
        words = f"docker exec -i clawrack-{name} timeout 1 nc {address} {port}"
        asked = self.bench.machine.sh(f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | {words}", check=False)
        return asked.out != b""


@pytest.fixture(scope="module", params=[0, 1], ids=["bridges-unseen", "bridges-seen"])
def street(request: pytest.FixtureRequest) -> Iterator[Street]:
    for bench in benches():
        bench.machine.sh(f"echo {request.param} >/proc/sys/net/bridge/bridge-nf-call-iptables")
        bench.deploy("one", bench.fresh())
        bench.deploy("two", bench.fresh())
        with Machine() as neighbour:
            told = bench.look()
            neighbour.run("ip", "route", "add", told["pool"], "via", bench.machine.address)
            for address in METADATA:
                neighbour.run("ip", "address", "add", f"{address}/32", "dev", "lo")
                bench.machine.run("ip", "route", "add", f"{address}/32", "via", neighbour.address)
            listen(bench.machine, 9000)
            listen(neighbour, 9000)
            yield Street(bench, neighbour, told["agent.one.address"], told["agent.two.address"])


def listen(machine: Machine, port: int) -> None:
    """Have something answer on every address of a machine."""
    unit = "[Socket]\nListenStream=0.0.0.0:%d\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"
    machine.put(f"/etc/systemd/system/echo{port}.socket", (unit % port).encode())
    machine.put(f"/etc/systemd/system/echo{port}@.service", b"[Service]\nExecStart=/bin/cat\nStandardInput=socket\n")
    machine.sh(f"systemctl daemon-reload; systemctl start echo{port}.socket")


def test_the_machine_reaches_its_agents(street: Street) -> None:
    assert street.from_machine(street.one, 8080)
    assert street.from_machine(street.two, 8080)


def test_a_neighbour_with_a_route_is_refused(street: Street) -> None:
    assert street.from_neighbour(street.bench.machine.address, 22), "the wire works"
    assert not street.from_neighbour(street.one)
    assert not street.from_neighbour(street.two)


def test_without_the_chain_the_neighbour_would_have_got_in(street: Street) -> None:
    street.bench.machine.sh("iptables -t mangle -I FORWARD 1 -j ACCEPT")
    try:
        street.bench.machine.sh("iptables -I FORWARD 1 -j ACCEPT")
        assert street.from_neighbour(street.one)
    finally:
        street.bench.machine.sh("iptables -D FORWARD -j ACCEPT; iptables -t mangle -D FORWARD -j ACCEPT")
    assert not street.from_neighbour(street.one)


def test_nothing_is_published(street: Street) -> None:
    listening = street.bench.machine.sh("ss -Hltn").text
    assert "8080" not in listening


@pytest.mark.parametrize("address", METADATA)
def test_an_agent_does_not_reach_the_clouds_metadata_that_its_machine_reaches(street: Street, address: str) -> None:
    assert street.from_machine(address, 9000)
    assert not street.from_agent(address, 9000)


def test_an_agent_reaches_the_world_but_not_its_machine(street: Street) -> None:
    assert street.from_agent(street.neighbour.address, 9000)
    machine = street.bench.machine.sh("hostname -I").text.split()
    assert street.from_neighbour(street.bench.machine.address, 9000), "the machine does listen"
    for address in machine:
        assert not street.from_agent(address, 9000), address
        assert not street.from_agent(address, 22), address


def test_an_agent_does_not_reach_another(street: Street) -> None:
    assert street.from_agent(street.one, 8080, "one"), "it listens"
    assert not street.from_agent(street.two, 8080, "one")
    assert not street.from_agent(street.one, 8080, "two")


def test_an_agent_has_no_ipv6_to_slip_out_by(street: Street) -> None:
    assert street.bench.machine.sh("docker exec clawrack-one cat /proc/net/if_inet6", check=False).text == ""


def test_the_chain_comes_back_when_somebody_flushes_the_table(street: Street) -> None:
    seen: list[str] = []
    while "missing" not in seen and len(seen) < 3:  # the timer may have put it back before we look
        street.bench.machine.sh("iptables -t mangle -F; iptables -t mangle -X")
        seen.append(street.bench.look()["firewall"])
    assert seen[-1] == "missing"
    street.bench.guard("tick")
    assert street.bench.look()["firewall"] == "ok"
    assert not street.from_neighbour(street.one)


def test_a_restarted_engine_does_not_get_before_the_chain(street: Street) -> None:
    street.bench.machine.sh("systemctl restart docker")
    for name in ("one", "two"):
        street.bench.answers(name, street.bench.look()[f"agent.{name}.release"], 60)
    assert street.bench.look()["firewall"] == "ok"
    assert not street.from_neighbour(street.one)
    assert not street.from_agent(METADATA[0], 9000)
