"""Tombstones: what is written when a machine is given up, and what is told when it lives."""

from collections.abc import Callable
from pathlib import Path

import pytest
from wire_lab import free_port, sshd

from fleet import load, tombs
from fleet.base.errors import BadInput, Refused
from fleet.machine.hostkey import HostKey
from fleet.machine.login import KeyLogin
from fleet.machine.port import Port
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from fleet.model import Agent, Machine, Seen, SeenAgent, SeenMachine, Wish
from fleet.tombs import Tomb

PC = Machine(address="127.0.0.1", id="a1b2c3d4e5f6")
KEY = "ssh-ed25519 AAAA"


def seen(machine: str, agents: tuple[str, ...], number: str = PC.id) -> Seen:
    found = {name: SeenAgent(name=name, state="running") for name in agents}
    return Seen(machines={machine: SeenMachine(id=number, agents=found)})


def test_a_tombstone_says_what_was_there_and_another_controller_reads_it(tmp_path: Path) -> None:
    tombs.bury(tmp_path, "pc-7", PC, ["scout", "helper"], KEY)
    (path,) = (tmp_path / "tombs").iterdir()
    assert path.name == "pc-7-a1b2c3d4.yaml"
    assert path.read_text().startswith("version: 1\n")
    (tomb,) = tombs.load(tmp_path)
    assert (tomb.name, tomb.agents, tomb.host_key, tomb.machine) == ("pc-7", ("helper", "scout"), KEY, PC)
    assert load.load(tmp_path) == Wish()


def test_burying_again_after_an_interruption_forgets_no_agent(tmp_path: Path) -> None:
    tombs.bury(tmp_path, "pc-7", PC, ["helper", "scout"], KEY)
    tomb = tombs.bury(tmp_path, "pc-7", PC, ["scout"], "")
    assert (tomb.agents, tomb.host_key) == (("helper", "scout"), KEY)
    assert tombs.load(tmp_path) == [tomb]


def test_two_machines_of_one_name_have_a_stone_each(tmp_path: Path) -> None:
    first = tombs.bury(tmp_path, "pc-7", PC, [], KEY)
    tombs.bury(tmp_path, "pc-7", Machine(address="10.0.0.2", id="ffff00001111"), [], KEY)
    with pytest.raises(BadInput) as caught:
        tombs.find(tmp_path, "pc-7")
    assert "pc-7-ffff0000" in caught.value.part("what")
    assert tombs.find(tmp_path, first.stem) == first
    tombs.dig_up(tmp_path, first)
    assert tombs.find(tmp_path, "pc-7").address == "10.0.0.2"
    with pytest.raises(BadInput):
        tombs.find(tmp_path, "pc-8")


def test_an_id_as_a_machine_told_it_names_no_file_elsewhere(tmp_path: Path) -> None:
    tombs.bury(tmp_path, "pc-7", Machine(address="10.0.0.7", id="/../../x"), [], KEY)
    assert [path.name for path in (tmp_path / "tombs").iterdir()] == ["pc-7-x.yaml"]


@pytest.mark.parametrize(
    ("name", "machine", "agents", "moved"),
    [
        ("x/../../../out/pwn", PC, [], []),
        ("pc-7", Machine(address="-oProxyCommand=x"), [], []),
        ("pc-7", Machine(address="10.0.0.7", user="-l"), [], []),
        ("pc-7", Machine(address="10.0.0.7", jump="-oProxyCommand=x"), [], []),
        ("pc-7", PC, ["../x"], []),
        ("pc-7", PC, [], ["../x"]),
    ],
)
def test_a_stone_of_what_cannot_be_is_never_written(
    tmp_path: Path, name: str, machine: Machine, agents: list[str], moved: list[str]
) -> None:
    folder = tmp_path / "a" / "fleet"
    with pytest.raises(BadInput):
        tombs.bury(folder, name, machine, agents, KEY, moved=moved)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", ["name: pc 7", "address: -oProxyCommand=x", 'agents: ["a b"]', 'moved: ["a b"]'])
def test_a_stone_that_says_what_cannot_be_is_refused(tmp_path: Path, bad: str) -> None:
    rows = {"name": "pc-7", "address": "10.0.0.7", "agents": "[]"} | {bad.split(":", 1)[0]: bad.split(": ", 1)[1]}
    (tmp_path / "tombs").mkdir()
    (tmp_path / "tombs" / "x.yaml").write_text("".join(f"{key}: {value}\n" for key, value in rows.items()))
    with pytest.raises(BadInput):
        tombs.load(tmp_path)


def test_a_stone_that_a_newer_clawrack_wrote_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tombs").mkdir()
    (tmp_path / "tombs" / "x.yaml").write_text("version: 2\nname: pc\naddress: a\nnews: 1\n")
    with pytest.raises(Refused) as caught:
        tombs.load(tmp_path)
    assert caught.value.key == "format.newer"


def test_old_agents_of_a_machine_that_is_in_the_fleet_again_are_told_apart() -> None:
    tomb = Tomb(name="pc-7", address="10.0.0.7", id=PC.id, agents=("helper", "moved", "scout"))
    again = Wish(
        machines={"new": PC, "other": PC},
        agents={"scout": Agent(kind="k", machine="new"), "moved": Agent(kind="k", machine="other")},
    )
    (found,) = tombs.within([tomb], again, seen("new", ("helper", "moved", "scout", "stranger")))
    assert (found.within, found.agents) == ("new", ("helper", "moved"))
    assert found.command == f"clawrack machine remove {tomb.stem} --returned"
    assert list(tombs.within([tomb], again, seen("new", ("scout",)))) == []
    assert list(tombs.within([tomb], again, seen("new", ("helper",), "another"))) == []
    assert list(tombs.within([tomb], again, Seen(machines={"new": None}))) == []


def visitor(key: KeyLogin, pinned: HostKey) -> Callable[[Tomb], Port]:
    return lambda tomb: SshPort(tomb.stem, Target(tomb.address, tomb.port), key, pinned)


def knocked(tomb: Tomb, visit: Callable[[Tomb], Port]) -> list[str]:
    with tombs.awake([tomb], Wish(), visit) as others:
        return [f"{found.machine}: {' '.join(found.agents)} {bool(found.trouble)}" for found in others()]


def test_a_grave_is_told_of_only_when_that_very_machine_answers_from_it() -> None:
    forced = "ForceCommand cat {folder}/look"
    with sshd("127.0.0.1", forced) as server, sshd("127.0.0.1", forced) as other:
        (server.folder / "look").write_text(f"id={PC.id}\nagent.helper.state=running\n")
        tomb = Tomb(name="pc-7", address="127.0.0.1", port=server.port, id=PC.id, agents=("helper", "gone"))
        visit = visitor(KeyLogin(server.key), server.host_key)
        assert knocked(tomb, visit) == ["pc-7: helper False"]
        assert knocked(tomb, visitor(KeyLogin(server.key), other.host_key)) == []
        assert knocked(tomb, visitor(KeyLogin(other.key), server.host_key)) == ["pc-7: helper gone True"]
        fleet = Wish(machines={"new": Machine(address="127.0.0.1")})
        with tombs.awake([tomb], fleet, visit) as others:
            assert others() == []
    silent = Tomb(name="pc-7", address="127.0.0.1", port=free_port("127.0.0.1"))
    assert knocked(silent, visit) == []


def test_a_machine_that_answers_is_not_dead_even_where_it_lets_us_not_in() -> None:
    with sshd("127.0.0.1") as server, sshd("127.0.0.1") as other:
        target = server.target
        assert tombs.answers(server.wire())
        assert tombs.answers(SshPort("pc", target, KeyLogin(other.key), server.host_key))
        assert tombs.answers(SshPort("pc", target, KeyLogin(server.key), None))
        assert not tombs.answers(SshPort("pc", target, KeyLogin(server.key), other.host_key))
        nobody = Target("127.0.0.1", free_port("127.0.0.1"))
        assert not tombs.answers(SshPort("pc", nobody, KeyLogin(server.key), server.host_key))
