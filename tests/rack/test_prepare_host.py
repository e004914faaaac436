"""What preparing changes on the machine around the agents, and that removal leaves none of it.

A machine of the rack has the box's clock and the box's swap: the first is never set here, the second is given back by
each test that takes it.
"""

import json
import re
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.base.errors import ActionFailed, Refused
from fleet.base.event import ignore
from fleet.machine.guard import GUARD, Guard, sentence
from fleet.machine.pins import Pins
from fleet.machine.port import Port
from fleet.machine.target import Target
from installer.bootstrap import Visit, meet
from installer.facts import Facts, look
from installer.preflight import Need, fit, judge
from installer.provision import prepare
from installer.steps import carried, firewall
from installer.unprepare import Removal, unprepare
from tests.rack import faults, tinykinds
from tests.rack.controller import Controller as Typist
from tests.rack.guard_bench import Bench
from tests.rack.machine import Build, Machine
from tests.rack.prepare_rig import Controller, Person, difference, snapshot

MASKS = "sleep.target suspend.target hybrid-sleep.target suspend-then-hibernate.target".split()  # noqa: SIM905 - a list of words reads better
KILLED = {137, -9}
SWAPFILE = "/var/lib/clawrack/swapfile"
# A battery, a lid, and a gigabyte of memory, where the kernel would show them.
DRESS = """set -e
mkdir -p /etc/dress/power/BAT0 /etc/dress/acpi/button/lid/LID0
echo Battery > /etc/dress/power/BAT0/type
sed 's/^MemTotal:.*/MemTotal:        1015808 kB/' /proc/meminfo > /etc/dress/meminfo
mount --bind /etc/dress/power /sys/class/power_supply
mount --bind /etc/dress/acpi /proc/acpi
mount --bind /etc/dress/meminfo /proc/meminfo
"""


@pytest.fixture(scope="module")
def laptop() -> Iterator[Machine]:
    """A laptop with a gigabyte of memory, a disk of its own for agents, and an owner who never hibernates."""
    with Machine(Build(docker=True, disk=3400, disk_at="/var/lib/clawrack")) as machine:
        machine.sh(
            f"{DRESS} systemctl mask hibernate.target; rmdir /var/lib/clawrack/lost+found; chmod 700 /var/lib/clawrack"
        )
        try:
            yield machine
        finally:
            machine.run("swapoff", SWAPFILE, check=False)  # the box's own, as far as the kernel is concerned


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"))


@pytest.fixture
def typed(tmp_path: Path) -> Typist:
    return Typist(tmp_path)


def at(machine: Machine) -> tuple[str, ...]:
    """The words that name the machine on a command line."""
    words = (f"root@{machine.address}", "--key", str(machine.key), "--fingerprint", machine.fingerprint())
    return ("--machine", *words)


def reach(machine: Machine, controller: Controller) -> Port:
    machine.sh("mkdir -p -m 700 /root/.ssh")
    line = f"{controller.key.public}\n".encode()
    machine.put("/root/.ssh/authorized_keys", machine.key.with_suffix(".pub").read_bytes() + line, 0o600)
    return controller.reach(machine, Person())


def as_itself(facts: Facts, **more: str) -> Facts:
    """The facts of a machine that is no container: whose memory, clock and swap are its own."""
    inside = re.compile(r"sdv|sdv_ct|pid1_container|run_ct|cgroup1|has\./\.dockerenv|rootfs")
    kept = {key: value for key, value in facts.values.items() if not inside.fullmatch(key)}
    return replace(facts, values=kept | {"sdv_ct": "none"} | more)


def whole(machine: Machine) -> dict[str, list[str]]:
    """All that removal must bring back: files, units, users, rules, links; swap, and what the kernel is told."""
    passing = "kernel.(random|ns_last_pid|pty)|fs.(dentry|file|inode|aio|quota)|net.*count"
    kernel = f"sysctl -a 2>/dev/null | grep -vE '^({passing})'"
    asked = {
        "kernel": f"{kernel} | sort",
        "swap": "cut -d' ' -f1 /proc/swaps",
        "masked": "find /etc/systemd -lname /dev/null | sort",
        "data": "ls -A /var/lib/clawrack 2>/dev/null || true",
    }
    found = snapshot(machine)
    # Left out: where the rack's own engine resolves names, on other ports after each boot; and an empty table, which
    # the kernel keeps once it was asked for it
    found["firewall"] = [line for line in found["firewall"] if "127.0.0.11" not in line and line[0] != "*"]
    return found | {name: machine.sh(script).text.splitlines() for name, script in asked.items()}


def prepared(port: Port, facts: Facts, controller: Controller, **more: Any) -> list[str]:
    """Prepare a machine of which these are the facts; what was told stands in ``controller.events``."""
    controller.events.clear()
    return prepare(port, facts, controller.home / "journals", controller.events.append, **more)


def test_a_gigabyte_is_too_little_for_openclaw_and_is_told_before_anything_is_changed(
    laptop: Machine, typed: Typist
) -> None:
    before = whole(laptop)
    told = typed.type("setup", *at(laptop), "--yes", "--json")
    error = json.loads(told.err)["error"]
    assert (told.code, error["key"]) == (3, "preflight.memory"), told
    assert "992 MiB" in error["what"]
    assert difference(before, whole(laptop)) == []


def test_a_laptop_with_a_gigabyte_is_set_up_and_awake_and_sleeps_again_when_all_is_removed(
    laptop: Machine, typed: Typist, tmp_path: Path
) -> None:
    kinds = {"CLAWRACK_KINDS": tinykinds.place(tmp_path / "kinds")}
    before = whole(laptop)
    fit = typed.done("detect", *at(laptop)[1:], "--kind", tinykinds.NAME, "--json", more=kinds).document["fit"]
    assert [(one["severity"], one["key"]) for one in fit["problems"]] == [("mend", "preflight.sleep")]
    assert fit["fits"] == "changes"
    words = ("setup", *at(laptop), "--kind", tinykinds.NAME)
    told = " ".join(typed.done(*words, "--plan", more=kinds).out.split())
    assert "would be switched off while clawrack is there" in told
    typed.done(*words, "--yes", more=kinds)
    assert {f"/etc/systemd/system/{name}" for name in MASKS} <= {*whole(laptop)["masked"]}
    # what the box's own kernel would be asked: nothing that puts the machine to sleep can be started any more
    assert laptop.sh("systemctl start suspend.target", check=False).code != 0
    assert "ignore" in laptop.sh("busctl get-property org.freedesktop.login1 /org/freedesktop/login1 "
                                 "org.freedesktop.login1.Manager HandleLidSwitch").text  # fmt: skip
    assert typed.done(*words, "--yes", "--json", more=kinds).document["receipt"]["changed"] is False
    name = typed.done("machine", "list", "--json").document["machines"][0]["name"]
    typed.done("machine", "remove", name, "--erase", "--yes", more=kinds)
    assert difference(before, whole(laptop)) == []
    assert laptop.sh("systemctl is-enabled hibernate.target", check=False).text == "masked"  # its owner's


def test_swap_a_short_journal_and_the_way_back_of_both(laptop: Machine, controller: Controller) -> None:
    port = reach(laptop, controller)
    laptop.sh("logger -t before-clawrack 'a line of mine'; journalctl --sync")
    before = whole(laptop)
    small = {"df./var/lib/clawrack": f"/dev/sda1 {20 << 20} {12 << 20} /var/lib/clawrack rw"}
    facts = as_itself(look(port), **small)
    assert {"preflight.swap", "preflight.sleep"} <= {one.key for one in judge(facts, Need(memory=1 << 28))}
    planned = prepared(port, facts, controller, plan_only=True)
    assert planned == ["step.guard", "step.swap", "step.awake", "step.journal"]
    # a guard that is killed at it leaves nothing in the way of the next
    dies = ("env", "CLAWRACK_FAILPOINT=host-swap", "sh", "-s", "--", "host", "swap", "2048")
    assert laptop.run(*dies, stdin=carried.text().encode(), check=False).code in KILLED
    assert laptop.get("/var/lib/clawrack/manifest") == b"host swap\n"
    assert prepared(port, facts, controller) == planned
    assert laptop.sh("stat -c '%a %U %s' " + SWAPFILE).text == f"600 root {2 << 30}"
    assert SWAPFILE in laptop.get("/proc/swaps").decode()
    assert laptop.sh("systemd-analyze cat-config systemd/journald.conf").text.count("SystemMaxUse=512M") == 1
    assert "a line of mine" in laptop.sh("journalctl -t before-clawrack -o cat").text
    assert prepared(port, as_itself(look(port), **small), controller) == []
    port.close()

    laptop.run("swapoff", SWAPFILE)  # a reboot of a real machine does it; here the kernel stays
    faults.reboot(laptop)
    assert SWAPFILE in laptop.get("/proc/swaps").decode()

    port = reach(laptop, controller)
    unprepare(port, Removal("erase"), ignore)
    assert difference(before, whole(laptop)) == []
    assert "a line of mine" in laptop.sh("journalctl -t before-clawrack -o cat").text
    port.close()


def test_a_wrong_clock_is_told_and_a_containers_is_not_touched(laptop: Machine, controller: Controller) -> None:
    port = reach(laptop, controller)
    facts = look(port)
    wrong = replace(facts, values={**facts.values, "epoch": "1420070400"})  # 2015
    assert judge(wrong, Need())[0].key == "preflight.clock_container"
    wrong = as_itself(facts, epoch="1420070400")
    worst = judge(wrong, Need())[0]
    assert (worst.severity, worst.key) == ("mend", "preflight.clock")
    assert prepared(port, wrong, controller, plan_only=True)[0] == "step.clock"  # before anything is downloaded
    now = time.time()
    ran, said = carried.run(port, "host", "clock", "4000000000")
    assert (ran.code, said["reason"]) == (3, "clock-container")
    ran, said = carried.run(port, "host", "clock", str(round(now)))
    assert (ran.code, said["already"]) == (0, "1")
    assert abs(time.time() - float(laptop.sh("date +%s").text)) < 5
    # what was begun before there was a guard goes as well
    laptop.put("/var/lib/clawrack/manifest", b"host mask hybrid-sleep.target\nfile /etc/of-ours\n", 0o600)
    laptop.sh("touch /etc/of-ours; ln -s /dev/null /etc/systemd/system/hybrid-sleep.target")
    unprepare(port, Removal("erase"), ignore)
    left = "/etc/of-ours /etc/systemd/system/hybrid-sleep.target"
    assert laptop.sh(f"ls {left} 2>/dev/null; ls -A /var/lib/clawrack", check=False).text == ""
    port.close()


def test_a_clock_that_cannot_be_set_says_so_in_the_systems_own_words(laptop: Machine) -> None:
    """Without the right to set it, and asked to set it to what it is: nothing could happen to the box's clock."""
    script = carried.text().rpartition('main "$@"')[0]
    script += "verb=host clock_told=$(date +%s) clock_heard=$(uptime_s)\nclock_by_hand\n"
    laptop.put("/root/clock.sh", script.encode())
    bare = ("setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time", "--ambient-caps=-all")
    held = int(laptop.run(*bare, "sh", "-c", "sed -n 's/^CapEff:.//p' /proc/self/status").text, 16)
    assert not held >> 25 & 1
    ran = laptop.run(*bare, "sh", "/root/clock.sh", check=False)
    said = dict(line.split("=", 1) for line in ran.text.splitlines())
    assert (ran.code, said["reason"]) == (5, "clock"), ran
    assert sentence(said["reason"], said["detail"]).endswith("cannot set date: Operation not permitted")


def knocks(machine: Machine, port: int) -> bool:
    try:
        socket.create_connection((machine.address, port), 1).close()
    except OSError:
        return False
    return True


def test_a_firewall_is_shut_on_trial_proven_and_kept_and_opens_where_nobody_came_in(
    laptop: Machine, controller: Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = reach(laptop, controller)
    prepared(first, look(first), controller)
    first.close()
    # An sshd of which the configuration knows nothing: the door must keep what we came by, not what is written
    laptop.sh("mkdir -p /run/sshd; /usr/sbin/sshd -p 2222 -p 2223 -o PidFile=/run/second.pid")
    while not knocks(laptop, 2222):
        assert laptop.sh("pgrep -f 'sshd.*2222'").code == 0
    beside = Target(laptop.address, 2222, "root")
    port = meet(Visit("m1", beside, controller.key, Pins(tmp_path / "hosts.json")), Person()).stay(ignore)
    facts = look(port)
    doors = "iptables-save -t mangle | grep -c DOOR || true"
    assert (knocks(laptop, 2223), laptop.sh(doors).text) == (True, "0")

    dies = ("env", "CLAWRACK_FAILPOINT=door-armed", GUARD, "host", "door", "2222", "60")
    assert laptop.run(*dies, check=False).code in KILLED  # the way back stands before the door moves
    assert "clawrack-door" in laptop.sh("systemctl list-timers --no-legend clawrack-door.timer").text
    assert (knocks(laptop, 2223), laptop.sh(doors).text) == (True, "0")

    monkeypatch.setattr(firewall, "TRIAL", 10)
    elsewhere = replace(facts, values={**facts.values, "ssh_conn": "10.0.0.1 40000 10.0.0.2 2022"})
    begun = time.monotonic()
    with pytest.raises(ActionFailed) as caught:
        prepared(port, elsewhere, controller, firewall="ssh-only")
    assert caught.value.key == "door.locked"
    while not knocks(laptop, 2222):
        assert time.monotonic() - begun < 90
    assert time.monotonic() - begun > 9
    assert laptop.sh(doors).text == "0"

    monkeypatch.setattr(firewall, "TRIAL", 60)
    assert prepared(port, facts, controller, firewall="ssh-only") == ["step.door"]
    assert [knocks(laptop, place) for place in (22, 2222, 2223)] == [True, True, False]
    assert laptop.sh("systemctl list-timers --no-legend clawrack-door.timer").text == ""
    again = look(port)
    assert prepared(port, again, controller, firewall="ssh-only") == []
    assert prepared(port, again, controller) == []  # who asks for nothing changes nothing
    laptop.put("/etc/ssh/sshd_config.d/moved.conf", b"Port 2223\n")  # its owner moves sshd, later
    laptop.sh(f"{GUARD} tick")
    assert [knocks(laptop, place) for place in (22, 2222, 2223)] == [False, True, True]
    laptop.sh(f"rm /etc/ssh/sshd_config.d/moved.conf; {GUARD} tick")
    assert prepared(port, again, controller, firewall="off") == ["step.door"]
    assert knocks(laptop, 2223)
    prepared(port, again, controller, firewall="ssh-only")
    unprepare(port, Removal("erase"), ignore)
    assert laptop.sh("iptables-save | grep -ci 'clawrack\\|door' || true").text == "0"
    assert knocks(laptop, 2223)
    laptop.sh("kill $(cat /run/second.pid); rm -f /run/second.pid")
    port.close()


def test_agents_live_on_a_disk_that_only_root_reads(laptop: Machine) -> None:
    bench = Bench(laptop)
    laptop.sh("mount -t tmpfs none /var/lib/clawrack")
    assert bench.install()["reason"] == "ground-memory"
    laptop.sh("umount /var/lib/clawrack; cd /var/lib; mkdir -p clawrack; chmod 777 clawrack; chown 1000:1000 clawrack")
    assert bench.install().code == 0
    assert laptop.sh("stat -c '%a %u:%g' /var/lib/clawrack").text == "700 0:0"
    bench.guard("uninstall", "erase")


@pytest.fixture
def listener(laptop: Machine) -> Iterator[tuple[str, int]]:
    """Somebody on the machine's network who says hello."""
    way = laptop.sh("ip -4 route show default | cut -d' ' -f3").text
    with socketserver.ThreadingTCPServer(("0.0.0.0", 0), Hello) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield way, server.server_address[1]
        server.shutdown()


class Hello(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        self.request.sendall(b"hello")


def test_behind_a_firewall_that_was_there_agents_work_ssh_stays_and_ours_is_refused(
    laptop: Machine, controller: Controller, listener: tuple[str, int]
) -> None:
    bench = Bench(laptop)
    bench.install()
    bench.lease()
    bench.deploy("one", bench.fresh())
    laptop.sh("apt-get -qq update && apt-get -qq -y install --no-install-recommends ufw nftables", timeout=180)
    call = f"docker exec clawrack-one sh -c 'echo | timeout 4 nc {listener[0]} {listener[1]}'"
    laptop.sh("ufw allow 22/tcp && ufw --force enable")
    assert laptop.sh(call).text == "hello"
    port = reach(laptop, controller)
    with pytest.raises(Refused) as caught:
        prepared(port, look(port), controller, firewall="ssh-only", plan_only=True)
    assert (caught.value.key, caught.value.params["firewall"]) == ("door.another", "ufw")
    laptop.sh("ufw --force disable")
    # Somebody's own chain that forwards nothing is told beforehand, with the rules that help
    rules = "table inet filter {\n chain forward { type filter hook forward priority filter; policy drop; }\n}\n"
    laptop.put("/etc/nftables.conf", b"#!/usr/sbin/nft -f\n" + rules.encode())
    laptop.sh("systemctl start nftables")
    assert laptop.sh(call, check=False).text == ""
    (told,) = [one for one in fit("tinykind", judge(look(port), Need())).problems if one.key == "preflight.forward"]
    laptop.sh(told.next.replace("sudo ", ""))
    assert laptop.sh(call).text == "hello"
    laptop.sh("nft delete table inet filter; systemctl stop nftables")
    bench.guard("uninstall", "erase", bench.token)
    port.close()


@pytest.mark.parametrize(
    ("system", "docker_goes"), [pytest.param("debian11", False, marks=pytest.mark.soak), ("debian13", True)]
)
def test_an_older_and_a_newer_debian_are_prepared_and_left_as_they_were(
    system: str, docker_goes: bool, tmp_path: Path
) -> None:
    controller = Controller(tmp_path)
    with Machine(Build(system=system)) as machine:
        port = reach(machine, controller)
        facts = as_itself(look(port), **{"mem.MemTotal": "1015808", "data_fs": ""})
        before = whole(machine) if docker_goes else {}
        assert prepared(port, facts, controller) == ["step.packages", "step.guard", "step.swap"]
        # no disk of the rack's machines bears swap: it says so, and goes on
        assert "does not work where agents live" in str(controller.told("step.swap.not")[0]["reason"])
        now = as_itself(look(port), **{"mem.MemTotal": "1015808", "data_fs": ""})
        assert prepared(port, now, controller) == []
        assert dict(Guard(port).look())["id"]
        unprepare(port, Removal("erase", docker=docker_goes), ignore)
        left = difference(before, whole(machine)) if docker_goes else []
        assert left == [], "\n".join(left)
        assert machine.sh("find / -xdev -iname '*clawrack*' -not -path '/proc/*'").text == ""
        port.close()
