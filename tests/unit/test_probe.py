"""The probe itself, run for real under each shell that machines have."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

import installer
from fleet.base.errors import ActionFailed, Refused
from fleet.machine.local import LocalPort
from fleet.machine.port import Ran
from installer.facts import BEGIN, END, LONGEST, look, parse, probe

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox ash": ["busybox", "ash"]}
# What differs from one moment to the next.
FLEETING = ("mem.", "df.", "epoch", "shell", "apt_busy", "listening", "routes", "ip4")


def run(shell: list[str], environment: dict[str, str] | None = None) -> bytes:
    assert shutil.which(shell[0]), f"{shell[0]} is not installed"
    words = [*shell, "-c", probe(), "probe", "judge"]
    done = subprocess.run(words, capture_output=True, timeout=30, check=True, env=environment)
    assert done.stderr == b""
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_every_shell_says_the_same_in_under_three_seconds(shell: list[str]) -> None:
    started = time.monotonic()
    facts = parse(run(shell))
    assert time.monotonic() - started < 3
    reference = parse(run(["dash"]))
    steady = {key for key in reference.values if not key.startswith(FLEETING)}
    assert {key: facts.get(key) for key in steady} == {key: reference.get(key) for key in steady}
    assert facts.get("uname_s") == "Linux"
    assert (facts.number("mem.MemTotal") or 0) > 0
    assert facts.get("uid") == str(os.getuid())


# What saved probes are made of; the judging part alone says more.
KEYS = re.compile(
    r"uname_[srmv]|hostname|uid|user|groups|bits|shell|home|debian_version|sdv(_vm|_ct)?|pid1(_container)?|run_ct"
    r"|os\.(ID|ID_LIKE|VERSION_ID|(VERSION|UBUNTU|DEBIAN)_CODENAME|PRETTY_NAME|VARIANT_ID|OS_VERSION|OS_IS_BETA|MODEL"
    r"|BOARD|MANUFACTURER)|dmi\.((sys|board|chassis|bios)_vendor|product_(name|version|family|serial|uuid)|board_name"
    r"|chassis_(type|asset_tag)|bios_version)|dt\.(model|compatible)|hv\.(uuid|type)|cgroup1|proc_version|rootfs|cg2"
    r"|cg1_mem|cmdline|has\./\S+|(dsm|qnap)\.\w+|(unraid|truenas)\.version|ncpu|cpu_(model|flags)|mem\.\w+|df\./\S*"
    r"|zfs_pools|tmp_opts|battery|lid|rotational_root|bin\.\S+|docker\.(info|compose|root|sock|sock_w|link)|sudo|apt_busy"
    r"|reboot_required|proxy|ip4|gw|mac|epoch|tz|boot|ssh_conn|sshd_ver|cloud\.(id|ds)"
)


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_without_the_judging_part_only_the_known_keys_are_told(shell: list[str]) -> None:
    done = subprocess.run([*shell, "-s"], input=probe().encode(), capture_output=True, timeout=30, check=True)
    keys = parse(done.stdout).values
    assert {"uname_s", "os.ID", "sudo", "cpu_flags"} <= keys.keys()
    assert [key for key in keys if not KEYS.fullmatch(key)] == []


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())
def test_every_script_that_is_sent_parses_in_every_shell(shell: list[str]) -> None:
    scripts = sorted(Path(installer.__file__).parent.rglob("*.sh"))
    assert len(scripts) >= 8
    for script in scripts:
        done = subprocess.run([*shell, "-n", str(script)], capture_output=True, timeout=10, check=False)
        assert (done.returncode, done.stderr) == (0, b""), script


def test_the_probe_needs_no_root_and_no_home() -> None:
    lowered = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "dash"]
    prefix = lowered if os.getuid() == 0 else ["dash"]
    facts = parse(run(prefix, {"PATH": "/usr/bin:/bin"}))
    assert facts.get("sudo") in {"none", "password", "nopasswd"}
    assert facts.get("os.ID")


def test_the_probe_changes_nothing_and_reads_no_standard_input() -> None:
    assert LocalPort().run(("sh", "-c", probe(), "probe", ""), stdin=b"rm -rf /nonexistent\n").code == 0


def test_values_of_the_environment_never_leave_the_machine() -> None:
    secret = "http://user:hunter2@proxy:3128"
    out = run(["dash"], {"PATH": "/usr/bin:/bin", "https_proxy": secret, "HTTP_PROXY": secret})
    assert b"hunter2" not in out
    assert set(parse(out).get("proxy").split()) == {"https_proxy", "HTTP_PROXY"}


def test_look_returns_facts_of_this_computer() -> None:
    facts = look(LocalPort())
    assert abs(int(facts.get("epoch")) - facts.asked_at) < 5


def framed(*lines: bytes) -> bytes:
    return b"\n".join([BEGIN.encode(), *lines, END.encode(), b""])


def test_a_login_banner_before_the_facts_is_passed_over() -> None:
    facts = parse(b"Welcome!\nos.ID=windows\n" + framed(b"os.ID=debian"))
    assert facts.values == {"os.ID": "debian"}


def test_what_comes_after_the_end_is_passed_over() -> None:
    assert parse(framed(b"a=1") + b"a=2\nb=3\n").values == {"a": "1"}


def test_the_first_of_two_values_counts() -> None:
    assert parse(framed(b"sudo=none", b"sudo=root")).get("sudo") == "none"


def test_a_run_cut_short_is_noticed() -> None:
    with pytest.raises(ActionFailed) as caught:
        parse(framed(b"a=1", b"b=2").removesuffix(END.encode() + b"\n"))
    assert caught.value.key == "probe.cut_short"


@pytest.mark.parametrize(
    ("out", "err", "key"),
    [
        (b"+-------------------+\n| 1. Reset settings |\n| 2. Reboot |\n", b"", "probe.menu"),
        (b"", b"'sh' is not recognized as an internal or external command\r\n", "probe.windows"),
        (b"", b"", "probe.no_shell"),
        (b"\x1b]0;pwned\x07 clawrack-probe-begin 1 not alone on its line\n", b"", "probe.no_shell"),
    ],
    ids=["a menu", "Windows", "silence", "a lookalike"],
)
def test_what_is_no_shell_is_refused(out: bytes, err: bytes, key: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(out, err, where="nas")
    assert caught.value.key == key
    assert "\x1b" not in str(caught.value.params["said"])


def test_hostile_values_are_cleaned_and_capped() -> None:
    facts = parse(framed(b"hostname=\x1b]0;pwned\x07\xe2\x80\xaeevil\x9b31m", b"os.ID=" + b"x" * 5000))
    assert "\x1b" not in facts.get("hostname")
    assert "\u202e" not in facts.get("hostname")
    assert "\x9b" not in facts.get("hostname")
    assert len(facts.get("os.ID")) <= LONGEST + 1


def test_hostile_keys_and_floods_are_dropped() -> None:
    flood = [b"k%d=v" % number for number in range(100_000)]
    with pytest.raises(ActionFailed):
        parse(framed(*flood))
    facts = parse(framed(b"=v", b"a b=v", b"\xff\xfe=v", b"no sign", b"x" * 500 + b"=v", b"ok=v"))
    assert facts.values == {"ok": "v"}


def test_numbers_that_are_none_are_none() -> None:
    facts = parse(framed(b"a=12", b"b=-1", "c=٣".encode(), b"d=1e9"))
    assert [facts.number(key) for key in ("a", "b", "c", "d", "e")] == [12, None, None, None, None]


class Menu:
    """A port to something that shows a menu, and records what is sent to it."""

    name = "nas"

    def __init__(self) -> None:
        self.sent = b""
        self.words: list[tuple[str, ...]] = []

    def run(self, words: tuple[str, ...], *, stdin: bytes = b"", **_: object) -> Ran:
        self.words.append(words)
        self.sent += stdin
        return Ran(0, b"*** Console Management ***\n1. Reset to factory default\n", b"")


def test_nothing_is_sent_to_a_menu() -> None:
    menu = Menu()
    with pytest.raises(Refused) as caught:
        look(menu)  # pyright: ignore[reportArgumentType] - only what look uses
    assert caught.value.key == "probe.menu"
    assert menu.sent == b""
    assert menu.words == [("uname",)]
