"""Jump hosts: what is said of them, and real servers reached through others on this computer."""

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawrack.wire import open_fleet
from fleet import load
from fleet.base.errors import BadInput, ClawrackError, Refused, Unreachable
from fleet.machine import hostkey, opening, tcp
from fleet.machine.jump import Gates, Through, pin_name
from fleet.machine.login import KeyLogin
from fleet.machine.pins import Changed, Known, Moved, Pins, Twice, Unknown
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target, hops_of, via
from fleet.model import Machine
from tests.unit.wire_lab import Sshd, free_port, sshd

KEY = hostkey.parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEpb3KgkfJOP9bxjd9Pbcc7ZXXO0cVhwmS6KvAxXXXX")
OTHER = hostkey.parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEpb3KgkfJOP9bxjd9Pbcc7ZXXO0cVhwmS6KvAxYYYY")


@pytest.fixture(scope="module")
def gate() -> Iterator[Sshd]:
    with sshd("127.77.40.1") as server:
        yield server


@pytest.fixture(scope="module")
def inner() -> Iterator[Sshd]:
    with sshd("127.77.40.2") as server:
        yield server


def through(gate: Sshd, target: Target) -> Target:
    return Target(target.address, target.port, target.user, via="root@gate", gate=Through(gate.wire()))


def behind(gate: Sshd, inner: Sshd) -> SshPort:
    return SshPort("inner", through(gate, inner.target), KeyLogin(inner.key), inner.host_key)


def test_a_machine_behind_another_is_one_like_any(gate: Sshd, inner: Sshd) -> None:
    port = behind(gate, inner)
    ran = port.run(("printenv", "SSH_CONNECTION"))
    assert ran.out.split()[2].decode() == inner.address
    assert hostkey.fetch(through(gate, inner.target)) == inner.host_key
    assert "publickey" in opening.methods(port.target, inner.host_key)
    assert port.run(("cat",), stdin=b"x" * 3_000_000, cap=4_000_000).out == b"x" * 3_000_000
    port.close()


def test_megabytes_go_both_ways_at_once_through_it_and_arrive_whole(gate: Sshd, inner: Sshd) -> None:
    port = behind(gate, inner)
    sums: dict[int, str] = {}

    def one(number: int) -> None:
        data = bytes([number]) * 4_000_000
        out = port.run(("cat",), stdin=data, timeout=60, cap=5_000_000).out
        sums[number] = hashlib.sha256(out).hexdigest()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == {n: hashlib.sha256(bytes([n]) * 4_000_000).hexdigest() for n in range(4)}
    port.close()


def test_two_jump_hosts_in_a_row_are_passed_in_their_order(gate: Sshd, inner: Sshd) -> None:
    with sshd("127.77.40.3") as last:
        second = SshPort("second", through(gate, inner.target), KeyLogin(inner.key), inner.host_key)
        target = Target(last.address, last.port, via="a,b", gate=Through(second))
        port = SshPort("last", target, KeyLogin(last.key), last.host_key)
        assert port.run(("printenv", "SSH_CONNECTION")).out.split()[2].decode() == last.address
        port.close()
        second.close()


def test_another_key_behind_it_is_refused_and_the_machine_hears_no_name(gate: Sshd, inner: Sshd) -> None:
    (inner.folder / "log").write_text("")
    port = SshPort("inner", through(gate, inner.target), KeyLogin(inner.key), gate.host_key)
    with pytest.raises(Refused) as error:
        port.run(("true",))
    assert error.value.key == "hostkey.changed"
    assert "userauth" not in inner.log


def test_nobody_behind_it_is_told_as_the_jump_host_sees_it(gate: Sshd) -> None:
    nobody = through(gate, Target("127.77.40.9", free_port("127.77.40.9")))
    with pytest.raises(Unreachable) as error:
        tcp.connect(nobody, 5)
    assert error.value.key == "jump.no_way"


def test_a_jump_host_that_forwards_nothing_is_told(inner: Sshd) -> None:
    with sshd("127.77.40.4", "AllowTcpForwarding no") as shut, pytest.raises(Refused) as error:
        tcp.connect(through(shut, inner.target), 5)
    assert error.value.key == "jump.forbidden"


def test_a_jump_host_that_dies_is_noticed_behind_it(inner: Sshd) -> None:
    with sshd("127.77.40.5") as dying:
        port = behind(dying, inner)
        assert port.run(("true",)).code == 0
        dying.stop()
        with pytest.raises(Unreachable):
            port.run(("true",), timeout=10)


def test_what_is_behind_a_jump_host_is_never_connected_to_past_it(inner: Sshd) -> None:
    target = Target(inner.address, inner.port, via="root@gate")
    with pytest.raises(Unreachable) as error:
        tcp.connect(target, 5)
    assert error.value.key == "jump.shut"


def test_the_gates_of_a_fleet_are_connected_to_once_each(gate: Sshd, inner: Sshd) -> None:
    gates = Gates(lambda: KeyLogin(gate.key), lambda name, _: gate.host_key if name.startswith("via ") else None)
    jump = f"root@{gate.target.own_place}"
    one = gates.target(inner.address, inner.port, "root", jump)
    two = gates.target(inner.address, inner.port, "root", jump)
    assert one.gate is two.gate
    assert one.via == jump
    assert gates.target("10.0.0.1", 22, "root").gate is None
    assert hostkey.fetch(one) == inner.host_key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("gate", "root@gate"),
        (" op@gate:2222 , me@10.0.0.1", "op@[gate]:2222,me@10.0.0.1"),
        ("op@[fd00::1]:2222", "op@[fd00::1]:2222"),
    ],
)
def test_jump_hosts_are_written_in_one_way(text: str, said: str) -> None:
    assert via(hops_of(text)) == said
    assert via(hops_of(via(hops_of(text)))) == said


@pytest.mark.parametrize("text", ["op@-oProxyCommand=x", "op@", "a b", "op@gate:0", "op@gate:70000", "x@y@z"])
def test_a_jump_host_that_cannot_exist_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        hops_of(text)


def test_each_jump_host_knows_those_before_it() -> None:
    first, second = hops_of("op@gate,me@second")
    assert (first.via, second.via) == ("", "op@gate")
    assert pin_name(second) == "via second via op@gate"
    assert Target.at(second.place).place == second.place


@given(st.text(max_size=80))
def test_a_way_is_understood_or_bad_input(text: str) -> None:
    try:
        hops = hops_of(text)
    except BadInput:
        return
    assert via(hops_of(via(hops))) == via(hops)


def test_one_address_behind_two_jump_hosts_is_two_machines(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "hosts.json")
    one, two = (Target("192.168.1.10", via=f"op@gate-{n}") for n in (1, 2))
    pins.pin("one", one, KEY)
    assert pins.judge("two", two, OTHER) == Unknown(OTHER.fingerprint)
    assert pins.judge("two", two, KEY) == Moved("one", one.place, KEY.fingerprint)
    assert isinstance(pins.judge("one", one, OTHER), Changed)


def test_another_way_to_a_machine_is_no_other_place(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "hosts.json")
    pins.pin("one", Target("10.0.0.5"), KEY)
    assert isinstance(pins.judge("one", Target("10.0.0.5", via="op@gate"), KEY), Known)
    pins.pin("one", Target("10.0.0.5", via="op@gate"), KEY)
    assert isinstance(pins.judge("one", Target("10.0.0.5", via="somebody@gate"), KEY), Known)
    assert isinstance(pins.judge("one", Target("10.0.0.5"), KEY), Known)


def test_a_machine_whose_address_another_one_took_is_still_known_by_its_key(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "hosts.json")
    pins.pin("one", Target("10.0.0.5"), KEY)
    pins.pin("two", Target("10.0.0.5"), OTHER)
    assert pins.settle("one", Target("10.0.0.6"), KEY) == Moved("one", "", KEY.fingerprint)
    assert pins.key_of("one", Target("10.0.0.5")) == KEY


def test_two_addresses_of_one_machine_stop_nothing_where_it_says_that_it_is_one(gate: Sshd, tmp_path: Path) -> None:
    pins = Pins(tmp_path / "hosts.json")
    pins.pin("one", gate.target, gate.host_key)
    new = Target("10.255.255.1")
    moved = pins.settle("one", new, gate.host_key, one=lambda _, __: True)
    assert isinstance(moved, Moved)
    assert isinstance(pins.settle("one", new, gate.host_key, one=lambda _, __: False), Twice)
    with pytest.raises(ClawrackError):
        pins.key_of("one", gate.target)


def test_a_machine_that_others_are_reached_through_is_not_left(tmp_path: Path) -> None:
    load.save_machine(tmp_path, "gate", Machine(address="gate.example", port=2222, user="op"))
    load.save_machine(tmp_path, "inner", Machine(address="10.0.0.5", jump="somebody@gate.example:2222"))
    fleet = open_fleet(tmp_path)
    with pytest.raises(Refused) as error:
        fleet.remove_machine("gate", keep_state=True)
    assert error.value.key == "jump.needed"
    assert "inner" in str(error.value)
