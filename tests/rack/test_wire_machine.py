"""The wire to a real machine: its sshd with PAM, its sudo, its Docker, and a cable that is pulled."""

import hashlib
import io
import json
import os
import re
import tarfile
import time
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused, WireCut
from fleet.base.secret import Secret
from fleet.machine import hostkey, http
from fleet.machine.keys import ControllerKey
from fleet.machine.login import KeyLogin, Login, PasswordLogin
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target
from tests.rack.machine import Build, Machine, User

PASSWORD = 'it\'s \\ a "$pass" 密码'
ASKING = User("asking", PASSWORD, sudo="password", key=True, uid=1001)
FREE = User("free", PASSWORD, sudo="nopasswd", key=True, uid=1002)
NOBODY = User("nobody1", PASSWORD, sudo="no", key=True, uid=1003)
KEYBOARD = b"PasswordAuthentication no\nKbdInteractiveAuthentication yes\nLogLevel DEBUG1\n"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    files = {
        "/etc/ssh/sshd_config.d/05-keyboard.conf": (
            b"Match User free\n" + KEYBOARD.replace(b"LogLevel DEBUG1\n", b""),
            0o644,
        )
    }
    with Machine(Build(docker=True, users=(ASKING, FREE, NOBODY), files=files)) as started:
        yield started


def port_to(machine: Machine, user: str = "root", login: Login | None = None, **options: Any) -> SshPort:
    pinned = hostkey.parse(machine.host_key())
    key = KeyLogin(ControllerKey(machine.key, "rack"))
    return SshPort(machine.name, Target(machine.address, machine.port, user), login or key, pinned, **options)


def error_of(port: SshPort, words: tuple[str, ...] = ("id", "-u"), *, root: bool = True) -> ClawrackError:
    with pytest.raises(ClawrackError) as caught:
        port.run(words, root=root, timeout=20)
    port.close()
    return caught.value


def failures(machine: Machine, user: str) -> int:
    said = machine.sh("journalctl -q --no-pager").out.decode(errors="replace")
    return len(re.findall(rf"sudo.*authentication failure.*user={user}\b", said))


# Passwords at the door, by the system's own PAM


def test_a_password_lets_in_and_a_wrong_one_is_tried_once(machine: Machine) -> None:
    port = port_to(machine, "asking", PasswordLogin(Secret(PASSWORD)))
    assert port.run(["id", "-un"]).out == b"asking\n"
    port.close()
    error = error_of(port_to(machine, "asking", PasswordLogin(Secret("wrong"))), root=False)
    assert (type(error), error.key) == (BadInput, "ssh.wrong_password")
    said = machine.sh("journalctl -q --no-pager").out.decode(errors="replace")
    assert said.count("Failed password for asking") == 1


def test_a_password_is_given_by_keyboard_where_the_server_asks_so(machine: Machine) -> None:
    port = port_to(machine, "free", PasswordLogin(Secret(PASSWORD)))
    assert port.run(["id", "-un"]).out == b"free\n"
    port.close()
    error = error_of(port_to(machine, "free", PasswordLogin(Secret("wrong"))), root=False)
    assert error.key == "ssh.wrong_password"


# Root by sudo


def test_root_needs_no_sudo(machine: Machine) -> None:
    port = port_to(machine)
    assert port.run(["id", "-u"], root=True).out == b"0\n"
    port.close()


def test_a_sudo_that_asks_nothing_is_used_without_a_password(machine: Machine) -> None:
    port = port_to(machine, "free")
    assert port.run(["id", "-u"]).out == b"1002\n"
    assert port.run(["id", "-u"], root=True).out == b"0\n"
    assert port.run(["sh", "-c", "cat; exit 3"], stdin=b"through", root=True) == port.run(
        ["sh", "-c", "cat; exit 3"], stdin=b"through"
    )
    assert list(port.lines(["sh", "-c", "id -u; echo end"], root=True)) == [b"0", b"end"]
    port.close()


@pytest.mark.parametrize("user", ["asking", "free"])
def test_the_password_reaches_sudo_alone_and_the_input_the_command(machine: Machine, user: str) -> None:
    port = port_to(machine, user, sudo_password=Secret(PASSWORD))
    data = os.urandom(3 << 20) + b"\nend"
    ran = port.run(["sh", "-c", "id -u >&2; sha256sum"], stdin=data, root=True)
    assert ran.code == 0
    assert ran.out.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert ran.err == b"0\n"
    assert port.run(["cat"], stdin=b"", root=True).out == b""
    assert port.run(["printf", "%s", "a b'c\\d"], root=True).out == b"a b'c\\d"
    assert list(port.lines(["sh", "-c", "id -u; echo end"], root=True)) == [b"0", b"end"]
    port.close()


def test_the_password_is_seen_by_no_other_process(machine: Machine) -> None:
    port = port_to(machine, "asking", sudo_password=Secret('it\'s \\ a "$pass" 密码'))
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'"
    seen = port.run(["sh", "-c", look], root=True, cap=8 << 20)
    port.close()
    assert b"sshd" in seen.out
    assert PASSWORD.encode() not in seen.out


def test_a_wrong_password_for_sudo_is_tried_once_and_the_data_never(machine: Machine) -> None:
    before = failures(machine, "asking")
    port = port_to(machine, "asking", sudo_password=Secret("wrong"))
    begun = time.monotonic()
    with pytest.raises(BadInput) as caught:
        port.run(["cat"], stdin=b"secret data\n" * 100, root=True)
    port.close()
    assert caught.value.key == "sudo.wrong_password"
    assert time.monotonic() - begun < 10
    assert failures(machine, "asking") - before <= 1


@pytest.mark.parametrize(
    ("user", "password", "key"),
    [
        ("asking", None, "sudo.password_needed"),
        ("nobody1", None, "sudo.password_needed"),
        ("nobody1", PASSWORD, "sudo.not_allowed"),
    ],
)
def test_each_no_of_a_real_sudo_is_told_apart(machine: Machine, user: str, password: str | None, key: str) -> None:
    error = error_of(port_to(machine, user, sudo_password=Secret(password) if password else None))
    assert (type(error), error.key) == (ActionFailed, key)
    assert error.part("next")


def test_sudo_that_wants_a_terminal_is_told(machine: Machine) -> None:
    machine.put("/etc/sudoers.d/zz-tty", b"Defaults:free requiretty\n", 0o440)
    try:
        assert error_of(port_to(machine, "free")).key == "sudo.wants_tty"
    finally:
        machine.run("rm", "/etc/sudoers.d/zz-tty")


def test_no_sudo_at_all_is_told(machine: Machine) -> None:
    machine.run("mv", "/usr/bin/sudo", "/usr/bin/sudo.away")
    try:
        assert error_of(port_to(machine, "free")).key == "sudo.missing"
        assert error_of(port_to(machine, "asking", sudo_password=Secret(PASSWORD))).key == "sudo.missing"
    finally:
        machine.run("mv", "/usr/bin/sudo.away", "/usr/bin/sudo")


def test_sudo_in_chinese_is_understood_too(machine: Machine) -> None:
    machine.put("/etc/environment", b"LANG=zh_CN.UTF-8\nLANGUAGE=zh_CN\n")
    try:
        assert error_of(port_to(machine, "asking")).key == "sudo.password_needed"
    finally:
        machine.run("rm", "/etc/environment")


def test_the_rule_for_two_commands_is_enough(machine: Machine) -> None:
    rule = "asking ALL=(root) NOPASSWD: /usr/local/bin/guard *, /usr/bin/docker system dial-stdio\n"
    machine.put("/etc/sudoers.d/zz-two", rule.encode(), 0o440)
    machine.put("/usr/local/bin/guard", b'#!/bin/sh\nid -u; echo "$@"; cat\n', 0o755)
    port = port_to(machine, "asking")
    try:
        ran = port.run(["/usr/local/bin/guard", "stage", "a b"], stdin=b"data", root=True)
        assert ran.out == b"0\nstage a b\ndata"
        assert list(port.lines(["/usr/local/bin/guard", "follow"], root=True)) == [b"0", b"follow"]
        client: Any = port.docker()
        assert client.ping()
        assert client.containers() == []
        assert error_of(port, ("id",)).key == "sudo.password_needed"
    finally:
        machine.run("rm", "/etc/sudoers.d/zz-two", "/usr/local/bin/guard")


# Its Docker


@pytest.mark.parametrize("user", ["root", "free"])
def test_the_engine_is_read_and_given_an_image(machine: Machine, user: str) -> None:
    port = port_to(machine, user)
    client: Any = port.docker()
    assert client.version()["Os"] == "linux"
    for _ in range(5):
        assert client.ping()
    answer = list(client.load_image(iter([_tar()])))
    assert any("Loaded image" in str(each) for each in answer), answer
    assert client.inspect_image("wire-test:1")["Architecture"]
    client.remove_image("wire-test:1")
    sessions = port.run(["sh", "-c", "ps ax | grep -c '[d]ial-stdio' || true"]).out
    assert int(sessions) <= 4
    port.close()


def test_a_server_that_forwards_no_sockets_still_gives_docker_to_root(machine: Machine) -> None:
    machine.put("/etc/ssh/sshd_config.d/01-closed.conf", b"AllowStreamLocalForwarding no\n")
    machine.run("systemctl", "reload", "ssh")
    _anew(machine)
    port = port_to(machine)
    try:
        client: Any = port.docker()
        assert client.ping()
    finally:
        port.close()
        machine.run("rm", "/etc/ssh/sshd_config.d/01-closed.conf")
        machine.run("systemctl", "reload", "ssh")
        _anew(machine)


def _anew(machine: Machine) -> None:
    """Wait for the sshd that starts itself anew, and does not listen for a moment."""
    time.sleep(0.5)
    machine.wait_ready()


def test_docker_that_is_down_is_told_to_root_and_others(machine: Machine) -> None:
    machine.run("systemctl", "stop", "docker.socket", "docker.service")
    try:
        for user in ("root", "free"):
            port = port_to(machine, user)
            with pytest.raises(ClawrackError) as caught:
                port.docker()
            assert caught.value.key == "docker.not_running", user
            port.close()
    finally:
        machine.run("systemctl", "start", "docker.socket", "docker.service")


# The cable


@pytest.fixture
def pulled(machine: Machine) -> Generator[SshPort]:
    port = port_to(machine)
    assert port.run(["true"]).code == 0
    machine.run("ip", "link", "set", "eth0", "down")
    try:
        yield port
    finally:
        machine.run("ip", "link", "set", "eth0", "up")
        machine.wait_ready()
        port.close()


def test_a_pulled_cable_is_noticed_within_15_seconds(machine: Machine, pulled: SshPort) -> None:
    begun = time.monotonic()
    with pytest.raises(WireCut):
        pulled.run(["sleep", "100"], timeout=100)
    assert time.monotonic() - begun < 15
    assert not machine.answers(0.5)


def test_a_frozen_sshd_is_noticed_within_15_seconds(machine: Machine) -> None:
    port = port_to(machine)
    pid = port.run(["sh", "-c", "echo $PPID"]).out.decode().strip()
    machine.run("kill", "-STOP", pid)
    begun = time.monotonic()
    with pytest.raises(WireCut):
        port.run(["true"], timeout=100)
    assert time.monotonic() - begun < 15
    machine.run("kill", "-CONT", pid)
    assert port.run(["echo", "back"]).out == b"back\n"
    port.close()


def test_after_the_cable_is_back_the_same_port_works(machine: Machine) -> None:
    port = port_to(machine)
    port.run(["true"])
    machine.run("ip", "link", "set", "eth0", "down")
    machine.run("ip", "link", "set", "eth0", "up")
    assert port.run(["echo", "back"], timeout=30).out == b"back\n"
    port.close()


def test_a_reinstalled_machine_stops_everything(machine: Machine) -> None:
    port = port_to(machine)
    assert port.run(["true"]).code == 0
    port.close()
    before = machine.fingerprint()
    machine.new_host_key()
    with pytest.raises(Refused) as caught:
        port.run(["true"])
    assert caught.value.key == "hostkey.changed"
    assert before in str(caught.value)
    assert machine.fingerprint() in str(caught.value)
    with pytest.raises(Refused):
        http.request(port, "127.0.0.1", 80, "GET", "/")


def _tar() -> bytes:
    """Return a docker-archive with one empty layer."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w"):
        pass
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": ["wire-test:1"], "Layers": ["layer.tar"]}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in (
            ("config.json", json.dumps(config).encode()),
            ("layer.tar", layer.getvalue()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()
