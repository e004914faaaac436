import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_actors import Actor, acting, listening, saying
from wire_lab import Sshd, make_key, sshd, start

from fleet.base.errors import BadInput, ClawrackError, Refused, StateDamaged, Unreachable, WireCut
from fleet.base.secret import Secret
from fleet.machine import hostkey, keys, opening, pins, target
from fleet.machine.hostkey import HostKey
from fleet.machine.login import KeyLogin, PasswordLogin
from fleet.machine.pins import Changed, Known, Moved, Pins, Twice, Unknown
from fleet.machine.refusals import HostKeyChanged, HostKeyTwice, HostKeyUnknown
from fleet.machine.ssh import SshPort
from fleet.machine.target import Target

KEY_A = hostkey.parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
KEY_B = hostkey.parse("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB")


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd("127.77.12.1") as started:
        yield started


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> keys.ControllerKey:
    return keys.ensure(tmp_path_factory.mktemp("key") / "key", "test")


def error_of(port: SshPort) -> ClawrackError:
    with pytest.raises(ClawrackError) as caught:
        port.run(["true"])
    port.close()
    return caught.value


# Who the machine is


def test_an_unknown_host_key_is_refused_before_any_name_is_sent(server: Sshd) -> None:
    (server.folder / "log").write_text("")
    error = error_of(SshPort("box", server.target, KeyLogin(server.key), None))
    assert isinstance(error, HostKeyUnknown)
    assert (error.exit_code, error.fingerprint) == (3, server.host_key.fingerprint)
    assert "Connection from" in server.log
    assert "userauth" not in server.log


def test_a_changed_host_key_is_refused_with_both_fingerprints() -> None:
    with sshd("127.77.12.2") as box:
        pinned = box.host_key
        port = box.wire()
        assert port.run(["true"]).code == 0
        port.close()
        box.stop()
        make_key(box.folder / "host")
        again = start(box.folder, box.address, box.port, box.key)
        error = error_of(SshPort("box", box.target, KeyLogin(box.key), pinned))
        shown, log = again.host_key, again.log
        again.stop()
    assert isinstance(error, HostKeyChanged)
    assert error.exit_code == 3
    assert pinned.fingerprint in str(error)
    assert shown.fingerprint in str(error)
    assert "userauth" not in log


def test_somebody_in_between_learns_no_name_and_no_password(server: Sshd) -> None:
    with acting("127.77.12.3", Actor()) as between:
        port = SshPort("box", between.target, PasswordLogin(Secret("right")), server.host_key)
        assert isinstance(error_of(port), HostKeyChanged)
        assert between.attempts == []


def test_the_pinned_kind_of_key_is_asked_for_among_several() -> None:
    with acting("127.77.12.4", Actor(act=lambda channel: channel.send_exit_status(0))) as ecdsa:
        assert ecdsa.host_key.kind == "ecdsa-sha2-nistp256"
        assert hostkey.fetch(ecdsa.target) == ecdsa.host_key


def test_a_fetched_key_is_what_ssh_keygen_says_and_no_login_was_tried(server: Sshd) -> None:
    (server.folder / "log").write_text("")
    fetched = hostkey.fetch(server.target)
    said = subprocess.run(
        ["ssh-keygen", "-lf", server.folder / "host.pub"], capture_output=True, text=True, check=True
    ).stdout
    assert fetched.fingerprint in said
    assert str(fetched) == " ".join((server.folder / "host.pub").read_text().split()[:2])
    assert "userauth" not in server.log


# Who we are


def test_exactly_one_key_is_offered_though_an_agent_has_five(server: Sshd, tmp_path: Path) -> None:
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not (tmp_path / "agent").exists():
            time.sleep(0.01)
        os.environ["SSH_AUTH_SOCK"] = str(tmp_path / "agent")
        for number in range(5):
            make_key(tmp_path / f"k{number}")
            subprocess.run(["ssh-add", "-q", tmp_path / f"k{number}"], check=True)
        (server.folder / "log").write_text("")
        port = server.wire()
        assert port.run(["sh", "-c", "echo agent=$SSH_AUTH_SOCK"]).out == b"agent=\n"
        port.close()
    finally:
        del os.environ["SSH_AUTH_SOCK"]
        agent.kill()
        agent.wait()
    attempts = re.findall(r"userauth-request for user \S+ service \S+ method (\S+)", server.log)
    assert attempts == ["publickey"]
    assert "auth-agent" not in server.log


def test_a_key_that_is_not_taken_is_tried_once(server: Sshd, key: keys.ControllerKey) -> None:
    (server.folder / "log").write_text("")
    error = error_of(SshPort("box", server.target, KeyLogin(key), server.host_key))
    assert (error.key, error.exit_code) == ("ssh.key_refused", 4)
    assert server.log.count("method publickey") == 1


def test_no_such_user_looks_like_a_key_that_is_not_taken(server: Sshd) -> None:
    where = Target(server.address, server.port, "nobody-of-that-name")
    assert error_of(SshPort("box", where, KeyLogin(server.key), server.host_key)).key == "ssh.key_refused"


def test_a_wrong_password_is_tried_once() -> None:
    with sshd("127.77.12.5", "PasswordAuthentication yes") as open_to_passwords:
        port = SshPort("b", open_to_passwords.target, PasswordLogin(Secret("wrong")), open_to_passwords.host_key)
        error = error_of(port)
        assert (error.key, error.exit_code) == ("ssh.wrong_password", 2)
        assert "wrong" not in repr(error.params)
        assert open_to_passwords.log.count("Failed password") == 1


def test_a_server_that_takes_no_passwords_gets_none(server: Sshd) -> None:
    (server.folder / "log").write_text("")
    error = error_of(SshPort("box", server.target, PasswordLogin(Secret("any")), server.host_key))
    assert (error.key, error.exit_code) == ("ssh.passwords_off", 3)
    assert "method password" not in server.log


def test_a_right_password_lets_in() -> None:
    with acting("127.77.12.6", Actor(act=lambda channel: (channel.send_exit_status(0), channel.close()))) as actor:
        port = SshPort("box", actor.target, PasswordLogin(Secret("right")), actor.host_key)
        assert port.run(["true"]).code == 0
        port.close()
        assert actor.attempts == ["password root"]


def test_a_password_asked_for_by_keyboard_is_given_once() -> None:
    prompts = [[("Password: ", False)]]
    actor = Actor(methods="keyboard-interactive", prompts=prompts, act=lambda c: (c.send_exit_status(0), c.close()))
    with acting("127.77.12.7", actor):
        port = SshPort("box", actor.target, PasswordLogin(Secret("right")), actor.host_key)
        assert port.run(["true"]).code == 0
        port.close()
        assert actor.attempts == ["interactive root", "answer"]


@pytest.mark.parametrize(
    "prompts",
    [
        [[("Password: ", False)], [("Password: ", False)]],
        [[("Password: ", False), ("Code: ", False)]],
        [[("What is your name? ", True)]],
    ],
)
def test_whatever_else_is_asked_by_keyboard_is_not_answered(prompts: list[list[tuple[str, bool]]]) -> None:
    with acting("127.77.12.8", Actor(methods="keyboard-interactive", prompts=prompts)) as actor:
        error = error_of(SshPort("box", actor.target, PasswordLogin(Secret("right")), actor.host_key))
        assert (error.key, error.exit_code) == ("ssh.second_factor", 3)
        assert actor.attempts.count("answer") <= 1


def test_a_server_that_wants_two_proofs_is_told(key: keys.ControllerKey) -> None:
    with acting("127.77.12.9", Actor(partial=True, methods="password")) as actor:
        assert error_of(SshPort("box", actor.target, KeyLogin(key), actor.host_key)).key == "ssh.second_factor"


def test_nobodys_configuration_files_are_read(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".ssh").mkdir()
    elsewhere = "Host *\n HostName 127.77.12.99\n Port 9\n ProxyCommand false\n User eve\n"
    (tmp_path / ".ssh" / "config").write_text(elsewhere)
    for name in (".fabric.yaml", ".fabric.json", ".invoke.yaml"):
        (tmp_path / name).write_text('{"user": "eve", "port": 9, "gateway": "eve@127.77.12.99", "forward_agent": true}')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    port = server.wire()
    assert port.run(["id", "-u"]).out == b"0\n"
    port.close()


def test_connections_share_no_configuration() -> None:
    # Fabric merges a configuration anew while others read it: a hundred threads on a busy computer saw it half empty.
    assert opening.configuration() is not opening.configuration()


# Where it is


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.7", Target("10.0.0.7")),
        ("root@10.0.0.7:2222", Target("10.0.0.7", 2222)),
        ("pi@box.local", Target("box.local", 22, "pi")),
        ("[fe80::1%eth0]:2222", Target("fe80::1%eth0", 2222)),
        ("me@fd00::7", Target("fd00::7", 22, "me")),
    ],
)
def test_an_address_is_read_as_people_write_it(text: str, expected: Target) -> None:
    assert target.parse(text) == expected
    assert Target.at(expected.place).address == expected.address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "a b",
        "-oProxyCommand=id",
        "x@-oProxyCommand=id",
        "a:0",
        "a:65536",
        "a:b",
        "$(id)",
        "a\nb",
        "-x@a",
        "a;b",
        "a@b@c",
        "a..b",
        ".",
    ],
)
def test_what_is_no_address_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        target.parse(text)


def test_each_way_of_not_being_there_is_told_apart(key: keys.ControllerKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.machine.opening.CONNECTING", 0.5)

    def said(where: Target) -> tuple[str, int]:
        error = error_of(SshPort("box", where, KeyLogin(key), KEY_A))
        assert error.part("what")
        assert error.part("next")
        return error.key, error.exit_code

    assert said(Target("127.77.12.10", 9)) == ("ssh.refused", 4)
    assert said(Target("no..such.host")) == ("ssh.no_such_host", 4)
    assert said(Target("::bad::name")) == ("ssh.no_such_host", 4)
    with socket.create_server(("127.77.12.10", 0), backlog=0) as full:  # nobody accepts: the third visitor waits
        waiting = [socket.socket() for _ in range(3)]
        for visitor in waiting:
            visitor.setblocking(False)
            visitor.connect_ex(full.getsockname())
        assert said(Target("127.77.12.10", full.getsockname()[1])) == ("ssh.no_answer", 4)
        for visitor in waiting:
            visitor.close()


@pytest.mark.parametrize(
    ("banner", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "ssh.not_ssh"),
        (b"220 ftp ready\r\n", "ssh.not_ssh"),
        (b"\xff\xfd\x18\xff\xfd \r\nlogin: \r\n", "ssh.not_ssh"),
        (b"SSH-1.5-Cisco\r\n", "ssh.too_old"),
        (b"SSH-2.0-OpenSSH_for_Windows_9.5\r\n", "ssh.windows"),
        (b"x" * 100_000, "ssh.not_ssh"),
        (b"\x1b]0;pwned\x07\x1b[2J\r\n" * 30, "ssh.not_ssh"),
    ],
)
def test_nothing_is_sent_to_what_is_no_shell(
    banner: bytes, expected: str, key: keys.ControllerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.machine.tcp._NEXT_LINE", 0.3)
    heard: list[bytes] = []
    with saying("127.77.12.11", banner, heard) as where:
        error = error_of(SshPort("box", where, KeyLogin(key), KEY_A))
    assert error.key == expected
    assert heard == []
    assert "\x1b" not in str(error)
    assert "\x07" not in str(error)


@pytest.mark.parametrize("ends", ["cat >> {folder}/fed", "sleep 3; cat >> {folder}/fed", "exit 0"])
def test_nothing_is_fed_to_a_login_that_leads_to_a_menu(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.machine.ssh._OPENING", 1.0)
    with sshd("127.77.12.18", f"ForceCommand echo '1. Console Management'; {ends}") as menu:
        port = menu.wire()
        with pytest.raises(Refused) as caught:
            port.run(["sh", "-s"], stdin=b"6\n")
        port.close()
        assert caught.value.key == "ssh.no_shell"
        fed = menu.folder / "fed"
        assert not fed.exists() or fed.read_bytes() == b""


def test_a_noisy_shell_is_a_shell() -> None:
    with sshd("127.77.12.19", 'ForceCommand echo welcome; sh -c "$SSH_ORIGINAL_COMMAND"') as noisy:
        port = noisy.wire()
        assert port.run(["cat"], stdin=b"fed").out == b"welcome\nfed"
        port.close()


def test_a_server_that_drips_its_banner_is_given_up(key: keys.ControllerKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.machine.opening.GREETING", 1.0)
    stop = threading.Event()

    def drip(sock: object) -> None:
        while not stop.wait(0.05):
            sock.sendall(b"x")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    with listening("127.77.12.12", drip) as where:
        error = error_of(SshPort("box", where, KeyLogin(key), KEY_A))
        stop.set()
    assert error.key == "ssh.not_ssh"


def test_a_server_that_hangs_up_at_once_is_asked_again_and_then_told(
    key: keys.ControllerKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.machine.opening._COME_AGAIN", (0.01, 0.02))
    visits: list[int] = []

    def hang_up(sock: object) -> None:
        visits.append(1)
        sock.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]

    with listening("127.77.12.13", hang_up) as where:
        assert error_of(SshPort("box", where, KeyLogin(key), KEY_A)).key == "ssh.too_busy"
    assert len(visits) == 3


# What is pinned


def test_verdicts_of_a_key_that_is_shown(tmp_path: Path) -> None:
    store = Pins(tmp_path / "pins")
    here, there = Target("10.0.0.1"), Target("10.0.0.2", 2222)
    assert store.judge("one", here, KEY_A) == Unknown(KEY_A.fingerprint)
    store.pin("one", here, KEY_A)
    assert store.judge("one", here, KEY_A) == Known()
    assert store.judge("one", here, KEY_B) == Changed(KEY_A.fingerprint, KEY_B.fingerprint)
    assert store.judge("other", here, KEY_B) == Changed(KEY_A.fingerprint, KEY_B.fingerprint)
    assert store.judge("one", there, KEY_A) == Moved("one", "10.0.0.1", KEY_A.fingerprint)
    assert store.judge("two", there, KEY_A) == Moved("one", "10.0.0.1", KEY_A.fingerprint)
    assert store.judge("two", there, KEY_B) == Unknown(KEY_B.fingerprint)
    store.pin("one", there, KEY_A)
    assert store.judge("one", there, KEY_A) == Known()
    assert store.place_of("one") == "[10.0.0.2]:2222"
    store.forget("one")
    assert store.judge("one", there, KEY_A) == Unknown(KEY_A.fingerprint)
    assert Path(tmp_path / "pins").stat().st_mode & 0o777 == 0o600


def test_one_key_at_two_live_places_stops_both(tmp_path: Path) -> None:
    with sshd("127.77.12.14") as box, sshd("127.77.12.15") as clone:
        (clone.folder / "host").write_bytes((box.folder / "host").read_bytes())
        (clone.folder / "host.pub").write_bytes((box.folder / "host.pub").read_bytes())
        clone.stop()
        again = start(clone.folder, clone.address, clone.port, clone.key)
        store = Pins(tmp_path / "pins")
        store.pin("box", box.target, box.host_key)
        shown = hostkey.fetch(again.target)
        assert isinstance(store.settle("clone", again.target, shown), Twice)
        assert isinstance(store.judge("box", box.target, shown), Twice)
        with pytest.raises(HostKeyTwice):
            store.key_of("box", box.target)
        again.stop()
        store.pin("box", box.target, shown)
        assert store.key_of("box", box.target) == shown


def test_a_machine_whose_old_place_is_silent_has_moved(tmp_path: Path) -> None:
    with sshd("127.77.12.16") as box:
        store = Pins(tmp_path / "pins")
        store.pin("box", Target("127.77.12.17", 9), box.host_key)
        verdict = store.settle("box", box.target, box.host_key)
        assert isinstance(verdict, Moved)
        error = pins.refusal(verdict, box.target, box.host_key)
        assert error
        assert error.exit_code == 3
        assert "127.77.12.17" in str(error)


@given(st.binary(max_size=200))
def test_a_damaged_file_of_pins_is_told_and_left_alone(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.mktemp("pins") / "pins"
    path.write_bytes(junk)
    store = Pins(path)
    with pytest.raises(StateDamaged):
        store.judge("one", Target("10.0.0.1"), KEY_A)
    with pytest.raises(StateDamaged):
        store.pin("one", Target("10.0.0.1"), KEY_A)
    assert path.read_bytes() == junk


def test_every_cut_and_every_flipped_byte_of_a_file_of_pins_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "pins"
    store = Pins(path)
    store.pin("one", Target("10.0.0.1"), KEY_A)
    whole = path.read_bytes()
    flips = [whole[:n] + bytes([whole[n] ^ 1]) + whole[n + 1 :] for n in range(len(whole))]
    for text in [whole[:n] for n in range(len(whole) - 1)] + flips:
        path.write_bytes(text)
        try:
            verdict = store.judge("one", Target("10.0.0.1"), KEY_B)
        except StateDamaged:
            continue
        assert not isinstance(verdict, Known)


def test_a_newer_file_of_pins_is_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "pins").write_text(json.dumps({"version": 2, "pins": []}))
    with pytest.raises(Refused) as caught:
        Pins(tmp_path / "pins").judge("one", Target("10.0.0.1"), KEY_A)
    assert caught.value.key == "format.newer"


def test_twenty_writers_at_once_lose_no_pin(tmp_path: Path) -> None:
    def pin(number: int) -> None:
        key = HostKey(KEY_A.kind, KEY_A.blob[:-1] + bytes([number]))
        Pins(tmp_path / "pins").pin(f"m{number}", Target(f"10.0.0.{number}"), key)

    threads = [threading.Thread(target=pin, args=(number,)) for number in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(Pins(tmp_path / "pins").place_of(f"m{number}") for number in range(1, 21))


# Our key


def test_the_controllers_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    made: list[keys.ControllerKey] = []
    threads = [threading.Thread(target=lambda: made.append(keys.ensure(path, "c1"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.public for key in made}) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["key"]
    said = subprocess.run(["ssh-keygen", "-yf", path], capture_output=True, text=True, check=True).stdout
    assert made[0].public.split()[:2] == said.split()[:2]
    assert made[0].public.endswith(" clawrack-c1")


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    keys.ensure(tmp_path / "key", "c")
    (tmp_path / "key").chmod(0o644)
    with pytest.raises(StateDamaged) as caught:
        keys.ensure(tmp_path / "key", "c")
    assert caught.value.key == "key.open"


def test_a_damaged_key_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("not a key")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(StateDamaged):
        keys.ensure(tmp_path / "key", "c")
    assert (tmp_path / "key").read_text() == "not a key"


def test_exit_codes_are_what_scripts_rely_on() -> None:
    assert (Unreachable.exit_code, WireCut.exit_code, Refused.exit_code, BadInput.exit_code) == (4, 4, 3, 2)
