"""A machine that is only reachable through another: set up, used, looked at, and left, through its jump host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine, User

WORD = "gate pw 4"
PERSON = User("op", WORD, sudo="no")


@pytest.fixture(scope="module")
def gate() -> Iterator[Machine]:
    with Machine(Build(users=(PERSON,), root_key=False)) as machine:
        yield machine


@pytest.fixture(scope="module")
def inner(gate: Machine) -> Iterator[Machine]:
    """A machine that answers nobody but the gate."""
    with Machine(Build(docker=True)) as machine:
        rule = f"iptables -I INPUT -p tcp --dport 22 ! -s {gate.address} -j REJECT"
        machine.sh(rule)
        yield machine


def test_a_machine_behind_another_is_set_up_and_used_through_it_and_left_without_a_trace(
    gate: Machine, inner: Machine, tmp_path: Path
) -> None:
    controller = Controller(tmp_path)
    more = {"CLAWRACK_KINDS": tinykinds.place(tmp_path / "kinds")}
    target = f"root@{inner.address}"
    straight = ("setup", "--machine", target, "--yes", "--json", "--kind", tinykinds.NAME, "--key", str(inner.key))
    assert controller.type(*straight, "--accept-new-host-key", more=more).code == 4  # nobody gets there but by the gate
    told = ("--jump", f"op@{gate.address}", "--jump-password-stdin")
    keys = ("--fingerprint", inner.fingerprint(), "--jump-fingerprint", gate.fingerprint())
    wrong = ("--fingerprint", inner.fingerprint(), "--jump-fingerprint", "SHA256:" + "A" * 43)
    refused = controller.type(*straight, *told, *wrong, stdin=f"{WORD}\n", more=more)
    assert refused.code == 3, refused
    done = controller.done(*straight, *told, *keys, stdin=f"{WORD}\n", more=more)
    receipt = done.document["receipt"]
    assert receipt["answer"]
    assert WORD.encode() not in controller.written()
    line = gate.sh("cat /home/op/.ssh/authorized_keys").text
    assert "restrict,port-forwarding ssh-ed25519" in line  # no terminal, no agent, nothing but passing
    assert (
        gate.sh("ls -A /home/op; ls /var/lib/clawrack /usr/local/lib/clawrack 2>/dev/null || true").text.count(
            "clawrack"
        )
        == 0
    )

    # all of clawrack works through it, and asks nobody any more
    again = controller.done(*straight, "--jump", f"op@{gate.address}", more=more)
    assert again.document["receipt"]["changed"] is False
    name = receipt["machine"]
    assert f'jump: "op@{gate.address}"' in (tmp_path / f"config/clawrack/fleet/machines/{name}.yaml").read_text()
    status = controller.done("status", "--json", more=more).document["status"]
    assert [(one["state"], one["engine"] != "") for one in status["machines"]] == [("ok", True)]
    assert controller.done("agent", "ask", receipt["agent"], "hello", more=more).out
    shell = controller.done("machine", "shell", name, "--json", "--", "printenv", "SSH_CONNECTION", more=more)
    assert gate.address in shell.out
    assert controller.type("doctor", "--json", more=more).document["diagnosis"]["findings"] == []

    # the gate goes away and comes back: unknown, then well again
    gate.sh("systemctl stop ssh.socket ssh.service; pkill -u op sshd || true", check=False)
    silent = controller.done("status", "--json", more=more).document["status"]["machines"][0]
    assert silent["state"] == "silent"
    gate.sh("systemctl start ssh.service")
    gate.wait_ready()

    controller.done("machine", "remove", name, "--erase", "--yes", "--json", more=more)
    assert gate.sh("cat /home/op/.ssh/authorized_keys 2>/dev/null || true").text == ""
    assert len(inner.sh("cat /root/.ssh/authorized_keys").text.splitlines()) == 1  # the rack's own
    assert "clawrack" not in inner.sh("ls /var/lib /usr/local/lib").text
    assert b"via " not in (tmp_path / "state/clawrack/hosts.json").read_bytes()
