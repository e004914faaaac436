import hashlib
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_lab import Sshd, sshd

from fleet.base.errors import ActionFailed, ClawrackError, OurBug, Refused, TimedOut, Unreachable
from fleet.machine import quote
from fleet.machine.many import many
from fleet.machine.ssh import SshPort

NASTY = (
    "; touch /tmp/pwned",
    "$(id)",
    "`id`",
    "a\nb",
    "-oProxyCommand=id",
    "--",
    "'",
    '"',
    "\\",
    "\\\\",
    'it\'s "so" \\ it is\\',
    "%h",
    "!!",
    "*",
    "~root",
    "=ls",
    "$HOME",
    "",
    " ",
    "\t",
    "\x1b[31m",
    "\udcff\udc80",
    "智能体 🦀",
    "{a,b}",
    "a;b&c|d<e>f#g",
)


@pytest.fixture(scope="module")
def server() -> Iterator[Sshd]:
    with sshd("127.77.11.1") as started:
        yield started


@pytest.fixture(scope="module")
def port(server: Sshd) -> Iterator[SshPort]:
    opened = server.wire()
    yield opened
    opened.close()


def test_a_command_says_how_it_ended(port: SshPort) -> None:
    ran = port.run(["sh", "-c", "cat; echo trouble >&2; exit 3"], stdin=b"input")
    assert (ran.code, ran.out, ran.err, ran.cut) == (3, b"input", b"trouble\n", False)


def test_a_command_that_dies_of_a_signal_says_which(port: SshPort) -> None:
    assert port.run(["sh", "-c", "kill -SEGV $$"]).code == 128 + signal.SIGSEGV


def test_a_command_that_does_not_exist_ends_with_127(port: SshPort) -> None:
    assert port.run(["/no/such/program"]).code == 127


@pytest.mark.parametrize("word", NASTY)
def test_every_nasty_word_arrives_as_it_was(port: SshPort, word: str) -> None:
    ran = port.run(["printf", "%s\\n", word, "end"])
    assert ran.out == word.encode("utf-8", "surrogateescape") + b"\nend\n"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1, max_size=5))
def test_any_words_arrive_as_they_were(port: SshPort, words: list[str]) -> None:
    ran = port.run(["printf", "%s\\0", *words])
    assert ran.out.split(b"\0")[:-1] == [word.encode() for word in words]


@pytest.mark.parametrize("words", [[], ["a\0b"], ["x" * 200_000]])
def test_words_that_no_command_line_can_hold_are_our_bug(words: list[str]) -> None:
    with pytest.raises(OurBug):
        quote.line(words)


def test_two_hundred_megabytes_of_input_arrive_whole(port: SshPort) -> None:
    pieces = [hashlib.sha256(bytes([n])).digest() * 32768 for n in range(8)]
    expected = hashlib.sha256(b"".join(pieces * 25)).hexdigest()
    ran = port.run(["sha256sum"], stdin=(piece for _ in range(25) for piece in pieces))
    assert ran.out.split()[0].decode() == expected


def test_input_and_output_at_once_do_not_deadlock(port: SshPort) -> None:
    data = b"x" * (8 << 20)
    assert port.run(["cat"], stdin=data, cap=len(data), timeout=30).out == data


def test_input_that_nobody_reads_does_not_matter(port: SshPort) -> None:
    assert port.run(["true"], stdin=(b"x" * 65536 for _ in range(1000)), timeout=20).code == 0


def test_endless_output_is_cut_and_the_command_ended(port: SshPort) -> None:
    ran = port.run(["sh", "-c", "echo $$; exec yes clawrack-endless"], cap=100_000)
    assert ran.cut
    assert len(ran.out) == 100_000
    pid = ran.out.split()[0].decode()
    assert _gone(port, pid)


def test_a_flood_does_not_grow_the_controller(port: SshPort) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood = port.lines(["sh", "-c", "head -c 300000000 /dev/zero; echo; echo end"])
    lengths = [len(line) for line in flood]
    assert lengths == [65536, 3]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # KiB


def test_an_endless_drip_hits_the_deadline(port: SshPort) -> None:
    begun = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        port.run(["sh", "-c", "while :; do echo x; sleep 0.1; done"], timeout=1)
    assert caught.value.exit_code == 4
    assert time.monotonic() - begun < 4


def test_a_command_that_never_ends_hits_the_deadline(port: SshPort) -> None:
    with pytest.raises(TimedOut):
        port.run(["sleep", "1000"], timeout=0.5)


def test_a_daemon_left_behind_does_not_hold_the_answer(port: SshPort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.machine.process._LINGER", 0.5)
    begun = time.monotonic()
    ran = port.run(["sh", "-c", "sleep 10 & echo done"])
    assert (ran.code, ran.out) == (0, b"done\n")
    assert time.monotonic() - begun < 5


def test_lines_come_one_by_one_and_without_their_ends(port: SshPort) -> None:
    assert list(port.lines(["printf", "a\\n\\nb"])) == [b"a", b"", b"b"]


def test_lines_come_while_the_command_runs_and_closing_ends_it(port: SshPort) -> None:
    following = port.lines(["sh", "-c", "echo $$; exec sleep 1000"])
    pid = next(following).decode()
    following.close()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert _gone(port, pid)


def test_lines_of_a_command_that_fails_say_so(port: SshPort) -> None:
    with pytest.raises(ActionFailed, match="no such thing"):
        list(port.lines(["sh", "-c", "echo a; echo no such thing >&2; exit 7"]))


def test_silence_longer_than_allowed_is_told(port: SshPort) -> None:
    with pytest.raises(TimedOut):
        list(port.lines(["sleep", "30"], idle=0.3))


def test_fifty_threads_share_one_connection_and_its_sessions(server: Sshd) -> None:
    port = server.wire()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(port.run, [["echo", str(n)] for n in range(50)]))
    port.close()
    assert [ran.out for ran in answers] == [f"{n}\n".encode() for n in range(50)]


def test_a_server_with_few_sessions_is_waited_for() -> None:
    with sshd("127.77.11.2", "MaxSessions 2") as small:
        port = small.wire()
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(port.run, [["sh", "-c", f"sleep 0.1; echo {n}"] for n in range(12)]))
        assert [ran.out for ran in answers] == [f"{n}\n".encode() for n in range(12)]
        port.close()


def test_a_server_with_no_sessions_is_told() -> None:
    with sshd("127.77.11.2", "MaxSessions 0") as none, pytest.raises(Refused) as caught:
        none.wire().run(["true"])
    assert caught.value.key == "ssh.no_session"


def test_forty_visitors_at_once_get_in_where_three_may_wait() -> None:
    with sshd("127.77.11.3", "MaxStartups 3:50:5") as narrow:
        ports = [narrow.wire() for _ in range(40)]
        answers = many(lambda port: port.run(["echo", "in"]).out, ports)
        assert answers == [b"in\n"] * 40
        for port in ports:
            port.close()


def test_a_busy_server_is_visited_again_by_other_processes_too() -> None:
    with sshd("127.77.11.3", "MaxStartups 2:100:2") as narrow:
        idlers = [socket.create_connection((narrow.address, narrow.port)) for _ in range(2)]
        threading.Timer(1.0, lambda: [idler.close() for idler in idlers]).start()
        assert narrow.wire().run(["echo", "in"]).out == b"in\n"


def test_what_goes_wrong_on_one_machine_stops_no_other(server: Sshd) -> None:
    with sshd("127.77.11.4") as other:
        gone = other.wire()
    ports = [server.wire(), gone, server.wire()]
    good, bad, good_too = many(lambda port: port.run(["echo", "ok"]).out, ports)
    assert good == good_too == b"ok\n"
    assert isinstance(bad, Unreachable)
    for port in ports:
        port.close()


def test_a_closed_connection_is_opened_again(server: Sshd) -> None:
    port = server.wire()
    assert port.run(["true"]).code == 0
    port.close()
    assert port.run(["true"]).code == 0
    port.close()


def test_the_wire_uses_what_is_quick_and_safe(server: Sshd) -> None:
    port = server.wire()
    wire = port.connect().wire
    assert "kex: algorithm: curve25519-sha256" in server.log
    assert "client->server cipher: aes128-gcm@openssh.com MAC: <implicit> compression: none" in server.log
    assert wire.tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    port.close()


def _gone(port: SshPort, pid: str) -> bool:
    for _ in range(30):
        if port.run(["kill", "-0", pid]).code:
            return True
        time.sleep(0.1)
    return False


def test_errors_are_values_in_many() -> None:
    def fails(_: int) -> int:
        raise Unreachable("wire.cut", where="box")

    assert all(isinstance(each, ClawrackError) for each in many(fails, range(3)))
    assert many(fails, []) == []
