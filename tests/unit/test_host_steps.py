"""What is changed on the machine around the agents is decided from facts, and said as it is."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import templates
from fleet.base import words
from fleet.base.errors import ActionFailed, Refused, WireCut
from fleet.machine.port import Ran
from installer.answers import Firewall
from installer.detect import Verdict, detect
from installer.facts import Facts
from installer.preflight import mends
from installer.preflight.mends import Choice
from installer.steps import STEPS, Machine, carried, firewall
from installer.steps.clock import Clock
from installer.steps.host import Awake, Swap

GIB = 1 << 20  # in the probe's KiB
SMALL = {
    "uname_s": "Linux",
    "os.ID": "debian",
    "os.VERSION_ID": "12",
    "pid1": "systemd",
    "systemd": "1",
    "sdv_ct": "none",
    "sdv_vm": "none",
    "mem.MemTotal": str(2 * GIB),
    "mem.SwapTotal": "0",
    "data_fs": "ext4",
    "df./var/lib": f"/dev/sda1 {40 * GIB} {20 * GIB} / rw",
    "epoch": "1000000",
    "ssh_conn": "203.0.113.9 50000 10.0.0.4 22",
    "ip4": "10.0.0.4/24",
    "journal_kept": "1",
}
ADDRESS = "8.8.8.8/24"  # a public one


def facts(**changes: str) -> Facts:
    values = {key: value for key, value in (SMALL | _dotted(changes)).items() if value != "-"}
    return Facts(values, 1_000_000.0)


def _dotted(changes: dict[str, str]) -> dict[str, str]:
    return {key.replace("__", "."): value for key, value in changes.items()}


def choice(of: Callable[[Facts, Verdict], Choice], **changes: str) -> tuple[bool, str]:
    found = facts(**changes)
    told = of(found, detect(found))
    return told.wanted, told.why


@pytest.mark.parametrize(
    ("changes", "wanted", "why"),
    [
        ({}, True, "short"),
        ({"mem__MemTotal": str(4 * GIB)}, False, "enough"),
        ({"mem__MemTotal": str(4 * GIB - 1)}, True, "short"),
        ({"mem__MemTotal": "-"}, False, "enough"),
        ({"mem__SwapTotal": str(GIB)}, False, "enough"),
        ({"mem__SwapTotal": str(GIB - 1)}, True, "short"),
        ({"swap_on": "/dev/zram0"}, False, "zram"),
        ({"mmc": "SD"}, False, "card"),
        ({"mmc": "MMC"}, True, "short"),
        ({"data_fs": "xfs"}, True, "short"),
        ({"data_fs": "-"}, True, "short"),
        ({"data_fs": "btrfs"}, False, "place"),
        ({"data_fs": "zfs"}, False, "place"),
        ({"data_fs": "tmpfs"}, False, "place"),
        ({"df./var/lib": f"/dev/sda1 {40 * GIB} {3 * GIB - 1} / rw"}, False, "room"),
        ({"df./var/lib": f"/dev/sda1 {40 * GIB} {3 * GIB} / rw"}, True, "short"),
        ({"df./var/lib": "-"}, True, "short"),
        ({"sdv_ct": "lxc"}, False, "container"),
        ({"sdv_ct": "docker"}, False, "container"),
    ],
)
def test_swap_is_made_where_memory_is_short_and_the_disk_bears_it(
    changes: dict[str, str], wanted: bool, why: str
) -> None:
    assert choice(mends.swap, **changes) == (wanted, why)


@pytest.mark.parametrize(
    ("epoch", "more", "expected"),
    [
        ("1000120", {}, (False, "right")),
        ("1000121", {}, (True, "off")),
        ("999879", {}, (True, "off")),
        ("-", {}, (False, "right")),
        ("1", {"sdv_ct": "docker"}, (False, "container")),
        ("1", {"os__ID": "-", "has./usr/syno": "1", "dsm__majorversion": "7"}, (False, "appliance")),
    ],
)
def test_a_clock_is_set_where_it_is_two_minutes_off_and_the_machines_own(
    epoch: str, more: dict[str, str], expected: tuple[bool, str]
) -> None:
    assert choice(mends.clock, epoch=epoch, **more) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (False, "awake")),
        ({"battery": "BAT0"}, (True, "laptop")),
        ({"lid": "LID0"}, (True, "laptop")),
        ({"screen": "1"}, (True, "screen")),
        ({"battery": "BAT0", "sleep_off": "1"}, (False, "awake")),
        ({"screen": "1", "systemd": "-", "pid1": "init"}, (False, "no-systemd")),
    ],
)
def test_a_machine_is_kept_awake_where_something_would_put_it_to_sleep(
    changes: dict[str, str], expected: tuple[bool, str]
) -> None:
    assert choice(mends.awake, **changes) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (True, "small")),
        ({"journal_max": "1G"}, (False, "limited")),
        ({"journal_kept": "-"}, (False, "limited")),
        ({"df./var/lib": f"/dev/sda1 {64 * GIB} {20 * GIB} / rw"}, (False, "room")),
        ({"df./var/lib": f"/dev/sda1 {5 * GIB} {2 * GIB} / rw"}, (False, "room")),  # its own tenth is less
    ],
)
def test_a_journal_is_limited_on_a_small_disk_where_nobody_has(
    changes: dict[str, str], expected: tuple[bool, str]
) -> None:
    assert choice(mends.journal, **changes) == expected


@pytest.mark.parametrize(
    ("changes", "knocked"),
    [
        ({}, False),
        ({"ip4": ADDRESS}, True),
        ({"ip4": "100.64.0.9/32 10.0.0.4/24 nonsense"}, False),
        ({"ip4": ADDRESS, "firewall": " ufw"}, False),
        ({"ip4": ADDRESS, "ssh_conn": "-"}, False),
        ({"ip4": ADDRESS, "sdv_ct": "lxc"}, False),
        ({"sdv_vm": "kvm", "dmi.sys_vendor": "Tencent Cloud", "dmi.product_name": "CVM"}, True),
    ],
)
def test_a_firewall_is_offered_where_there_is_none_and_anybody_can_knock(
    changes: dict[str, str], knocked: bool
) -> None:
    found = facts(**changes)
    assert mends.exposed(found, detect(found)) is knocked


@dataclass
class Wire:
    """A machine that answers the guard's verbs with what it was given, and counts them."""

    said: dict[str, Ran | Exception]
    asked: list[tuple[str, ...]] = field(default_factory=list[tuple[str, ...]])
    name: str = "m1"

    def run(self, words: tuple[str, ...], **_: Any) -> Ran:
        self.asked.append(words)
        answer = self.said.get(words[2] if "host" in words[1:2] else words[0], Ran(0, b"", b""))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.asked.append(("close",))


def machine(wire: Wire, wants: Firewall = "keep", /, **changes: str) -> Machine:
    port: Any = wire
    return Machine(port, facts(**changes), firewall=wants)


def quiet(key: str, params: dict[str, object]) -> None:
    """Hear what a step says, and let it be."""


def test_swap_that_cannot_be_is_said_and_preparing_goes_on() -> None:
    wire = Wire({"swap": Ran(3, b"reason=swap-place\ndetail=/var/lib/clawrack is on overlay\n", b"")})
    heard: list[str] = []
    Swap().apply(machine(wire), lambda key, params: heard.append(words.say(key, **params)))
    assert len(heard) == 1
    assert heard[0].startswith(
        "No swap: a plain swap file does not work where agents live: /var/lib/clawrack is on overlay. An agent may be"
    )


def test_what_was_found_out_once_is_not_tried_again() -> None:
    there = {"has./usr/local/lib/clawrack/guard.sh": "1"}
    refused = Wire({"look": Ran(0, b"swap=refused swap-place\nawake=no\n", b"")})
    assert Swap().check(machine(refused, **there))
    assert not Swap().check(machine(Wire({"look": Ran(0, b"swap=off\n", b"")}), **there))
    assert not Swap().check(machine(Wire({})))  # no guard yet: nobody can say
    older = Wire({"look": Ran(2, b"reason=verb-unknown\ndetail=host\n", b"")})
    assert not Swap().check(machine(older, **there))


def test_on_a_machine_that_needs_none_of_it_nothing_is_asked() -> None:
    wire = Wire({})
    calm = machine(wire, mem__MemTotal=str(8 * GIB), journal_max="1G", epoch="1000000")
    mine = [step for step in STEPS if type(step).__module__.rpartition(".")[2] in {"clock", "host", "firewall"}]
    assert len(mine) == 5
    assert [step.check(calm) for step in mine] == [True] * 5
    assert wire.asked == []


@pytest.mark.parametrize(
    ("changes", "wants", "told"),
    [
        ({}, "keep", ["step.clock", "step.swap", "step.journal"]),
        (
            {"mem__MemTotal": str(8 * GIB), "journal_kept": "-"},
            "keep",
            ["step.clock"],
        ),  # memory is enough: no word of it
        ({"mem__MemTotal": str(8 * GIB), "mem__SwapTotal": str(8 * GIB), "journal_kept": "-"}, "keep", ["step.clock"]),
        ({"mem__SwapTotal": str(GIB), "journal_max": "1G"}, "keep", ["step.clock", "step.swap", "step.journal"]),
        ({"screen": "1", "epoch": "-"}, "ssh-only", ["step.swap", "step.awake", "step.journal", "step.door"]),
        (
            {"screen": "1", "sleep_off": "1", "sdv_ct": "lxc"},
            "off",
            ["step.clock", "step.awake", "step.journal", "step.door"],
        ),
        ({"sdv_ct": "lxc", "epoch": "1", "journal_kept": "-"}, "keep", []),
    ],
)
def test_what_does_not_concern_a_machine_is_not_told(changes: dict[str, str], wants: Firewall, told: list[str]) -> None:
    about = machine(Wire({}), wants, **changes)
    mine = [step for step in STEPS if type(step).__module__.rpartition(".")[2] in {"clock", "host", "firewall"}]
    assert [step.name for step in mine if step.wanted(about)] == told


def test_a_persons_own_sleep_unit_is_named_and_stays() -> None:
    wire = Wire({"awake": Ran(0, b"own=/etc/systemd/system/sleep.target\n", b"")})
    heard: list[str] = []
    Awake().apply(machine(wire), lambda key, params: heard.append(words.say(key, **params)))
    assert heard == [
        "Somebody's own /etc/systemd/system/sleep.target stays as it is; it may still put the machine to sleep"
    ]


def test_a_clock_that_a_time_server_keeps_is_not_the_one_that_is_wrong() -> None:
    said = Ran(3, b"reason=clock-kept\ndetail=a time server keeps it\n", b"")
    with pytest.raises(ActionFailed) as caught:
        Clock().apply(machine(Wire({"sh": said})), quiet)
    assert caught.value.key == "clock.not_set"
    assert "this computer's own" in str(caught.value)


@pytest.mark.parametrize(("off", "right"), [(0, True), (100, True), (-100, True), (200, False), (-200, False)])
def test_a_clock_is_verified_by_asking_for_it(off: int, right: bool) -> None:
    wire = Wire({"date": Ran(0, f"{round(time.time()) + off}\n".encode(), b"")})
    assert Clock().verify(machine(wire)) is right


def test_a_machine_that_says_no_time_is_not_right() -> None:
    assert not Clock().verify(machine(Wire({"date": Ran(0, b"\x1b[2Jnonsense", b"")})))


def test_a_door_is_proven_by_a_new_connection_before_it_is_kept() -> None:
    wire = Wire({})
    firewall.Firewall().apply(machine(wire, "ssh-only", ssh_conn="203.0.113.9 50000 10.0.0.4 2200"), quiet)
    assert [asked[-1] if asked == ("close",) else asked[2:] for asked in wire.asked] == [
        ("door", "2200", "60", "10.0.0.4"), "close", ("door_commit",),
    ]  # fmt: skip


def test_a_door_through_which_nobody_came_is_told() -> None:
    wire = Wire({"door_commit": WireCut("wire.cut", where="m1")})
    with pytest.raises(ActionFailed) as caught:
        firewall.Firewall().apply(machine(wire, "ssh-only"), quiet)
    assert caught.value.key == "door.locked"


@pytest.mark.parametrize(
    ("changes", "key"), [({"ssh_conn": "-"}, "door.no_port"), ({"firewall": " ufw firewalld"}, "door.another")]
)
def test_a_door_is_not_shut_where_that_could_lock_somebody_out(changes: dict[str, str], key: str) -> None:
    with pytest.raises(Refused) as caught:
        firewall.Firewall().check(machine(Wire({}), "ssh-only", **changes))
    assert caught.value.key == key
    assert firewall.Firewall().check(machine(Wire({}), **changes))  # nothing was asked for


@pytest.mark.parametrize(
    ("said", "port"),
    [("1.2.3.4 5 6.7.8.9 22", 22), ("fe80::1%eth0 5 fe80::2 2222", 2222), ("", None), ("1 2 3 x", None), ("22", None)],
)
def test_the_port_that_stays_open_is_the_one_that_we_came_through(said: str, port: int | None) -> None:
    assert firewall.ssh_port(Facts({"ssh_conn": said})) == port


def test_the_guard_that_is_carried_is_one_script_that_ends_with_its_call() -> None:
    text = carried.text()
    assert text.count('\nmain "$@"') == 1
    assert text.endswith('main "$@"\n')
    assert "\n#-- parts --\n" not in text
    assert "verb_host()" in text


def shell(folder: Path, script: str) -> str:
    """Run a script that has the guard's functions."""
    parts = sorted(templates.path("machine", "guard.d").iterdir())
    head = f"DATA={folder} RUN={folder} LIB={folder} UNITS={folder} DOCKER=true LC_ALL=C\n"
    functions = "".join(f". '{part}'\n" for part in parts)
    words = ["dash", "-c", f"{head}{functions}trap - EXIT\n{script}"]
    return subprocess.run(words, capture_output=True, check=False, timeout=20).stdout.decode()


@pytest.mark.parametrize(("on", "most"), [("true", "134217728"), ("false", "67108864")])
def test_an_agent_may_use_swap_only_where_it_is_ours(tmp_path: Path, on: str, most: str) -> None:
    assert shell(tmp_path, f"swap_is_on() {{ {on}; }}\nS_memory=67108864\nmemory_swap").strip() == most


def test_what_goes_out_of_the_manifest_takes_no_other_line_along(tmp_path: Path) -> None:
    (tmp_path / "manifest").write_text("dir /a\nhost swap\nfile /a/b\nhost swaps\n")
    shell(tmp_path, 'unrecord "host swap"; unrecord "host nothing"')
    assert (tmp_path / "manifest").read_text() == "dir /a\nfile /a/b\nhost swaps\n"


def test_a_sleep_unit_of_somebodys_own_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "sleep.target").write_text("[Unit]\n")
    (tmp_path / "suspend.target").symlink_to("/dev/null")
    said = shell(tmp_path, 'for unit in $SLEEPS; do keep_from "$unit"; done; host_back "mask sleep.target"')
    assert said == f"own={tmp_path}/sleep.target\n"
    assert (tmp_path / "sleep.target").read_text() == "[Unit]\n"
    masked = [line.split()[-1] for line in (tmp_path / "manifest").read_text().splitlines()]
    assert masked == ["hibernate.target", "hybrid-sleep.target", "suspend-then-hibernate.target"]
    shell(tmp_path, 'host_back "mask hibernate.target"')
    assert not (tmp_path / "hibernate.target").is_symlink()
    assert (tmp_path / "suspend.target").is_symlink()


@pytest.mark.parametrize(
    "what", ["", "nonsense", "swap", "swap 1", "swap -1", "swap 99999", "clock 5", "door 22", "door 0 60"]
)
def test_the_guard_takes_no_words_that_it_does_not_know(tmp_path: Path, what: str) -> None:
    assert "reason=" in shell(tmp_path, f"verb_host {what}")
    assert not (tmp_path / "manifest").exists()


@pytest.mark.parametrize(
    ("shown", "address", "tunnelled"),
    [
        ("7: nosuch0    inet 10.8.0.1/24 scope global nosuch0", "10.8.0.1", True),  # no Ethernet: WireGuard, tun, ipip
        ("7: nosuch0    inet 10.8.0.1/24 scope global nosuch0", "10.8.0.2", False),
        ("1: lo    inet 127.0.0.1/8 scope host lo", "127.0.0.1", False),
        ("", "10.8.0.1", False),
    ],
)
def test_a_connection_through_a_tunnel_that_ends_here_is_known(
    tmp_path: Path, shown: str, address: str, *, tunnelled: bool
) -> None:
    asked = f"ip() {{ echo '{shown}'; }}; if came_by_tunnel {address}; then echo yes; else echo no; fi"
    assert shell(tmp_path, asked) == ("yes\n" if tunnelled else "no\n")
