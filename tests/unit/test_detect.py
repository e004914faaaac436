"""``clawrack detect``: saved probes as people have them, the document it prints, and what answers that is no Linux."""

import json
import subprocess
from pathlib import Path

import pytest

from clawrack.cli import door
from fleet.base import words
from installer import firstword
from installer.detect import detect
from installer.facts import MOST_BYTES, Facts, read, scrubbed
from tests.unit.wire_actors import saying
from tests.unit.wire_lab import sshd

CASES = Path(__file__).parents[1] / "detect" / "cases"
NAS = b"uname_s=Linux\nhas./usr/syno=1\ndsm.os_name=DSM\ndsm.majorversion=7\n"


def shown(capsys: pytest.CaptureFixture[str], *line: str) -> str:
    assert door.run(["detect", *line]) == 0
    return capsys.readouterr().out


def test_json_is_exactly_the_six_keys(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(shown(capsys, "--facts", str(CASES / "synology-ds920.facts"), "--json"))
    assert list(told) == ["os", "hardware", "vm", "container", "cloud", "traits"]
    for axis in ("os", "hardware", "vm", "container", "cloud"):
        assert list(told[axis]) == ["value", "confidence", "evidence"]
    assert told["os"]["value"] == "dsm"
    assert "has./usr/syno" in told["os"]["evidence"]


def test_with_a_kind_json_says_how_it_fits_too(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(CASES / "synology-ds920.facts")
    told = json.loads(shown(capsys, "--facts", path, "--kind", "openclaw", "--json"))
    assert (told["fit"]["kind"], told["fit"]["fits"]) == ("openclaw", "yes")
    assert {"what", "why", "next"} <= told["fit"]["problems"][0].keys()


@pytest.mark.parametrize(
    "saved",
    [
        NAS,
        b"clawrack-probe-begin 1\n" + NAS + b"clawrack-probe-end\n",
        b"Welcome to the NAS!\nos.ID=debian\n\nclawrack-probe-begin 1\n" + NAS + b"clawrack-probe-end\nlogout=1\n",
        NAS.replace(b"\n", b"\r\n"),
        NAS.replace(b"\n", b"\r"),
        b"\xef\xbb\xbf" + NAS,
        NAS.decode().encode("utf-16"),
        b"  " + NAS.replace(b"\n", b"\n\n  "),
        NAS.replace(b"=DSM", b'="DSM"'),
        b"some words\n===\n=x\na b=c\n" + NAS + b"\xff\xfe\x00junk\n",
        NAS + b"k=" + b"x" * MOST_BYTES * 2,
    ],
    ids=["bare", "framed", "noisy", "CRLF", "CR", "BOM", "UTF-16", "indented", "quoted", "junk", "huge"],
)
def test_a_saved_probe_is_read_however_it_was_saved(saved: bytes) -> None:
    facts = read(saved)
    assert detect(facts).os.value == "dsm"
    assert len(max(facts.values.values(), key=len)) <= 301


def test_hostile_text_in_a_saved_probe_never_reaches_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "probe"
    path.write_bytes(b"uname_s=Linux\nos.ID=evil\x1b]0;owned\x07\nos.PRETTY_NAME=\xe2\x80\xaeliveS\nsudo=\x9b31m\n")
    for line in (
        ["--facts", str(path)],
        ["--facts", str(path), "--json"],
        ["--facts", str(path), "--kind", "openclaw"],
    ):
        told = shown(capsys, *line)
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)


@pytest.mark.parametrize(("content", "key"), [(b"", "detect.no_facts"), (b"hello\nworld\n", "detect.no_facts")])
def test_a_file_without_facts_is_told(
    content: bytes, key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "probe"
    path.write_bytes(content)
    assert door.run(["detect", "--facts", str(path), "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["key"] == key


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert door.run(["detect", "--facts", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "system"),
    [
        (b"Linux\n", "Linux"),
        (b"Last login: Mon\r\nWelcome!\r\nLinux\r\n", "Linux"),
        (b"Darwin\n", "Darwin"),
        (b"FreeBSD\n", "FreeBSD"),
        (
            b"'uname' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n",
            "windows",
        ),
        ("'uname' 不是内部或外部命令\r\n".encode("gb18030"), "windows"),
        ("无法将“uname”项识别为 cmdlet、函数、脚本文件或可运行程序的名称。".encode("gb18030"), "windows"),
        (b"uname : The term 'uname' is not recognized as the name of a cmdlet, function, script file\r\n", "windows"),
        (b"uname\r\n", "windows"),
        (b"Microsoft Windows [Version 10.0.19045.4170]\r\n(c) Microsoft Corporation.\r\n\r\nC:\\Users\\me>", "windows"),
        (b"MINGW64_NT-10.0-19045\n", "windows"),
        (b"CYGWIN_NT-10.0\n", "windows"),
        (b"+---+\n| Console Management - Main menu |\n| 1: Show network settings |\n| 3: Reset |\n", "menu"),
        (b" 1) Configure\n 2) Reboot\n 3) Factory reset\nEnter choice: ", "menu"),
        (b"", ""),
        (b"This account is currently not available.\n", ""),
        (b"Linux is a registered trademark\n", ""),
    ],
)
def test_what_answers_is_told_by_its_first_words(said: bytes, system: str) -> None:
    assert firstword.read(said, b"").system == system
    assert firstword.read(b"", said).system in {system, ""}


def test_the_first_word_holds_no_choice_of_any_menu() -> None:
    """A digit, q, y or Enter might choose something in a menu that takes single keys."""
    assert not set("'uname'") & set("0123456789qQyY\r\n ")


@pytest.mark.parametrize("ends", ["cat >> {folder}/fed", "exit 0"])
def test_nothing_but_the_first_word_reaches_a_menu(
    ends: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Console Management in place of a shell, behind a real sshd."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    menu = (
        "echo '1. Show settings'; echo '3. Reset to factory default'; echo \"$SSH_ORIGINAL_COMMAND\" >> {folder}/asked"
    )
    with sshd("127.77.13.1", f"ForceCommand {menu}; {ends}") as nas:
        known = ("--key", str(nas.folder / "key"), "--fingerprint", nas.host_key.fingerprint)
        code = door.run(["detect", str(nas.target), *known])
        asked = (nas.folder / "asked").read_text().split()
        fed = nas.folder / "fed"
        assert (code, not fed.exists() or fed.read_bytes() == b"") == (3, True)
    assert asked == ["'uname'"]
    assert "menu" in capsys.readouterr().err


def test_windows_is_known_by_its_banner_and_nothing_is_sent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    heard: list[bytes] = []
    with saying("127.77.13.2", b"SSH-2.0-OpenSSH_for_Windows_9.5\r\n", heard) as where:
        told = json.loads(shown(capsys, f"me@{where.address}:{where.port}", "--json"))
    assert (told["os"]["value"], told["os"]["confidence"] >= 0.9, heard) == ("windows", True, [])


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ("C:\\Users\\me>", ["wsl --install -d Debian", "wsl --shutdown", "systemd=true", "./install.sh"]),
        ("Darwin Kernel Version 23.4.0", ["brew install --cask multipass", "multipass launch", "./install.sh"]),
    ],
    ids=["Windows", "macOS"],
)
def test_what_is_no_linux_is_answered_with_the_lines_to_type(
    said: str, lines: list[str], language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "answer"
    path.write_text(said)
    words.choose(language)
    try:
        told = shown(capsys, "--facts", str(path))
    finally:
        words.choose("en")
    assert [line for line in lines if line not in told] == []


def test_every_system_and_every_value_has_its_words() -> None:
    """What detect prints is in words in both languages, and a way is told for every system that is not prepared."""
    prepared = {"debian", "ubuntu", "rpi_os", "armbian", "dietpi", "omv"}
    for code in words.LANGUAGES:
        texts = words.catalogue(code)
        systems = {key.removeprefix("detect.os.") for key in texts if key.startswith("detect.os.")}
        assert {f"detect.way.{system}" for system in (systems | {"unknown"}) - prepared} <= texts.keys()


def test_saved_facts_name_nobody() -> None:
    private = {
        "hostname": "wanglei-nas", "user": "wanglei", "home": "/home/wanglei", "mac": "aa:bb:cc:dd:ee:ff",
        "ip4": "203.0.113.7/24", "ssh_conn": "198.51.100.4 50 203.0.113.7 22", "dmi.product_serial": "PF1ABCDE",
        "dmi.product_uuid": "4c4c4544-0032-3510-8044-b2c04f4d3532", "machine_id": "0123456789abcdef",
        "gw": "via 203.0.113.1", "id.mac.eth0": "1234", "cmdline": "root=UUID=1234-ABCD",
    }  # fmt: skip
    kept = scrubbed(Facts({**private, "os.ID": "debian", "df./mnt": "//wanglei-pc/share 100 50 /mnt rw"}))
    for value in private.values():
        assert value not in kept
    assert "wanglei" not in kept
    assert read(kept.encode()).get("os.ID") == "debian"


def test_scrubbed_facts_lead_to_the_same_verdict() -> None:
    for path in sorted(CASES.glob("*.facts")):
        facts = read(path.read_bytes())
        before, after = detect(facts), detect(read(scrubbed(facts).encode()))
        assert [before.os.value, before.hardware.value, before.vm.value, before.cloud.value] == [
            after.os.value, after.hardware.value, after.vm.value, after.cloud.value,
        ], path.stem  # fmt: skip


def test_this_computer_can_be_looked_at(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    told = json.loads(shown(capsys, "here", "--json", "--save", str(tmp_path / "kept")))
    kept = json.loads(shown(capsys, "--facts", str(tmp_path / "kept"), "--json"))
    assert told["os"] == kept["os"]
    host = subprocess.run(["uname", "-n"], capture_output=True, text=True, check=True).stdout.strip()
    assert f"hostname={host}" not in (tmp_path / "kept").read_text()


def test_the_page_tells_processors_memory_and_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "facts"
    path.write_text(
        "os.ID=debian\npid1=systemd\nsystemd=1\nncpu=4\nmem.MemTotal=8388608\n"
        "df./var/lib=/dev/sda 104857600 52428800 / rw\n"
    )
    assert "4 processors · 8.0 GB of memory · 50 of 100 GB of disk free" in shown(capsys, "--facts", str(path))


def test_a_machine_that_setup_would_refuse_is_not_sent_to_setup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "facts"
    path.write_text("os.ID=debian\nos.VERSION_ID=12\nbin.apt-get=1\npid1=tini\nuname_s=Linux\nuname_m=x86_64\n")
    told = shown(capsys, "--facts", str(path))
    assert "clawrack setup would refuse this machine:" in told
    assert "systemd" in told
    assert "What would follow" not in told
