"""What a hostile machine, agent, page, file or neighbour might try, one attempt each."""

import asyncio
import contextlib
import shlex
import shutil
import subprocess
import threading
import time
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import docker
import pytest

from clawrack import wire
from clawrack.cli import tui
from clawrack.cli.logs import _local  # pyright: ignore[reportPrivateUsage] - a traceback was here
from fleet import tombs, usage
from fleet.base.errors import ActionFailed, BadInput, ClawrackError, Refused
from fleet.base.words import say
from fleet.bundle import engine
from fleet.bundle.machine import _values  # pyright: ignore[reportPrivateUsage] - likewise
from fleet.doctor.judge import judge
from fleet.doctor.symptoms import Refusal
from fleet.doctor.words import told
from fleet.kinds import Page
from fleet.machine import hostkey, written
from fleet.machine.target import Target
from fleet.model import Machine
from fleet.page.answers import House, answer
from fleet.page.requests import read
from installer import preflight
from installer.answers import SecretFrom
from installer.facts import Facts
from installer.preflight import fit
from tests.unit.doctor_cases import Case, expected, symptoms
from tui.app import FleetApp
from tui.replay import Replay
from tui.state import record
from tui.state.heard import Ended, Message
from tui.watch import Put
from tui.wiring import Wiring

if TYPE_CHECKING:
    from fleet.machine.port import Port

DEEP = b"[" * 5000 + b"]" * 5000
INSTALL_SH = Path(__file__).parents[2] / "install.sh"


# --- a machine that answers anything ---


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-21T10:00:00+05:00Z",
        "2026-11-21T10:00:00.00000000000000000000" + "\x1b]0;title\x07" + "9" * 100_000 + "Z",
        "2026-11-21T10:00:00.1Z\n",
        "2026-W47-6T10:00:00Z",
        "2026-13-21T10:00:00Z",
    ],
)
def test_a_time_that_engines_do_not_say_is_text_of_the_line(at: str) -> None:
    assert written.nanoseconds(at) is None
    (found,) = written.lines([(1, f"{at} x\n".encode())])
    assert found.at == ""
    assert "T" in _local("2026-11-21T10:00:00.5Z")


def refused(at: int) -> dict[str, Any]:
    refusal = Refusal(route="main", status=500, at=at)
    return {"refusals": (refusal,), "expected": {"ada": expected(model="main")}}


@pytest.mark.parametrize(
    "case",
    [
        Case((), more=(f"ended={10**18 - 1} oom clawrack-ada",)),
        Case((), swap={"agent.ada.started_at=": "agent.ada.started_at=0001-01-01T00:00:00"}, more=("fails.ada=2",)),
        Case((), seen=refused(-(10**17))),
        Case((), seen=refused(10**17)),
    ],
)
def test_no_moment_ends_the_doctor(case: Case) -> None:
    assert judge([symptoms(case)], []).machines == 1


@pytest.mark.parametrize(
    "case",
    [
        Case((), more=("hangs=clawrack;reboot x`reboot` $(reboot)",)),
        Case((), swap={"disk.state=": "disk.state=1000 1 /dev/x /;reboot"}),
        Case((), swap={"inodes.state=": "inodes.state=1000 1", "disk.state=": "disk.state=1000 1 /dev/x /$(reboot)"}),
    ],
)
def test_what_a_machine_calls_things_is_no_command_of_the_person(case: Case) -> None:
    commands = [told(one).command for one in judge([symptoms(case)], []).findings]
    assert any("reboot" in command for command in commands)
    for command in commands:
        assert not {"reboot", ";", "`reboot`"} & set(shlex.shlex(command, punctuation_chars=";`$()")), command


def test_json_as_deep_as_a_well_ends_nobody(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed):
        usage.rows("pc-1", b'{"x":' + DEEP + b"}")
    assert _values(DEEP) == {DEEP.decode()}
    path = tmp_path / "deep.jsonl"
    path.write_bytes(b'{"clawrack":"recording"}\n{"type":"trouble","at":1,"text":"","y":' + DEEP + b"}\n")
    with pytest.raises(BadInput):
        list(record.read(path))


class _Endless(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"a\r\n\x01\0\0\0\0\0\0\x02x\n\r\n")
                time.sleep(0.01)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        del format, args


def test_a_log_without_an_end_is_part_of_a_bundle_all_the_same() -> None:
    class Far:
        name = "pc-1"

        def docker(self) -> docker.APIClient:
            return docker.APIClient(f"http://127.0.0.1:{server.server_port}", version="1.43", timeout=20)

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    begun = time.monotonic()
    assert engine.log(cast("Port", Far()), "clawrack-ada", 5, 1.0) == ["x"] * 5
    assert time.monotonic() - begun < 10
    server.shutdown()
    server.server_close()


def test_a_container_whose_name_is_a_path_is_no_file_of_a_bundle() -> None:
    told = [{"name": name} for name in ("clawrack-ada", "../../.bashrc", "/etc/x", "a\nb", "", ".x")]
    assert engine.names(told) == ["clawrack-ada"]


# --- a fleet's folder from elsewhere ---


KEYS = ["ssh-ed25519 " + b64encode(b"\0\0\0\x0bssh-ed25519" + bytes([n]) * 36).decode() for n in (1, 2)]


@pytest.mark.parametrize(("address", "key"), [("192.0.2.1", KEYS[1]), ("192.0.2.66", KEYS[0])])
def test_a_tombstone_takes_no_other_machines_host_key_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, key: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    good = Target("192.0.2.1")
    wire.pins().pin("good", good, hostkey.parse(KEYS[0]))
    graves = wire.open_fleet(tmp_path / "fleet").graves
    with pytest.raises(Refused):
        graves.trust(tombs.Tomb(name="pc-7", address=address, id="a1b2c3d4", host_key=key))
    assert str(wire.pins().key_of("good", good)) == KEYS[0]
    graves.trust(tombs.Tomb(name="pc-7", address="192.0.2.9", id="a1b2c3d4", host_key=KEYS[1]))
    graves.trust(tombs.Tomb(name="pc-7", address="192.0.2.9", id="a1b2c3d4", host_key=KEYS[1]))
    assert str(wire.pins().key_of("pc-7-a1b2c3d4", Target("192.0.2.9"))) == KEYS[1]


@pytest.mark.parametrize(
    "row",
    [
        'name: "../../x"',
        'name: "pc; reboot"',
        'agents: ["a\\e[2J"]',
        'address: "-oProxyCommand=reboot"',
        'user: "root\\e]0;x"',
        "port: 0",
    ],
)
def test_a_tombstone_says_plain_things_only(tmp_path: Path, row: str) -> None:
    (tmp_path / "tombs").mkdir()
    plain = {"version": "1", "name": "pc-7", "address": "192.0.2.7", "id": "a1b2c3d4"}
    key, _, value = row.partition(": ")
    rows = [f"{name}: {text}" for name, text in {**plain, key: value}.items()]
    (tmp_path / "tombs" / "x.yaml").write_text("\n".join(rows))
    with pytest.raises(BadInput):
        tombs.load(tmp_path)


def test_a_number_that_a_machine_told_leads_to_no_other_folder(tmp_path: Path) -> None:
    tomb = tombs.bury(tmp_path, "pc-7", Machine(address="192.0.2.7", id="/../../e"), [], "")
    assert [path.name for path in (tmp_path / "tombs").iterdir()] == ["pc-7-e.yaml"]
    assert tombs.find(tmp_path, tomb.stem) == tomb


# --- a page in the browser ---

HEAD = "GET / HTTP/1.1\r\nHost: 127.0.0.1:18701\r\n"
HOUSE = House(18701, "n" * 32, Page(path="/", storage={}), {})


def test_cookies_of_other_ports_do_not_reach_the_agent() -> None:
    head = read(f"{HEAD}Cookie: session=secret\r\ncOOKIE: b=c\r\nAccept: */*\r\n\r\n".encode())
    assert head.raw == f"{HEAD}Accept: */*\r\n\r\n".encode()
    assert answer(HOUSE, head, ours=True) is None


def test_what_the_browser_keeps_of_another_agent_at_this_port_goes_before_the_token_comes() -> None:
    said = answer(HOUSE, read(HEAD.replace("/ H", f"/clawrack/{'n' * 32} H").encode() + b"\r\n"), ours=True)
    assert said is not None
    assert b'\r\nClear-Site-Data: "cache"\r\n' in said


def test_no_agent_leaves_a_program_in_the_browser() -> None:
    said = answer(HOUSE, read(f"{HEAD}Service-Worker: script\r\n\r\n".encode()), ours=True)
    assert said is not None
    assert said.startswith(b"HTTP/1.1 403 ")
    assert say("page.no_worker").encode() in said


# --- a recording ---


def test_what_an_action_of_a_recording_ended_with_cannot_command_the_terminal() -> None:
    ended: list[Message] = [
        Ended(at=0.0, subject="m\x1b[2J", action="x", outcome="failed", text="so\x1b]0;title\x07\u202e")
    ]

    def source(put: Put) -> Replay:
        return Replay(ended, put)

    def foreseen(error: BaseException) -> ClawrackError:
        raise error

    async def shown_by_the_screen() -> list[str]:
        app = FleetApp(Wiring(source=source, hands=None, foreseen=foreseen, run=lambda _: None))
        async with app.run_test() as pilot:
            for _ in range(50):
                await pilot.pause(0.1)
                if app._notifications:  # pyright: ignore[reportPrivateUsage] - what is shown
                    break
            return [one.message for one in app._notifications]  # pyright: ignore[reportPrivateUsage] - likewise

    (shown,) = asyncio.run(shown_by_the_screen())
    assert "title" in shown
    assert shown.isprintable()


# --- another login, who may write where we happen to be ---


def test_the_screen_runs_our_own_program_wherever_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "clawrack").mkdir()
    (tmp_path / "clawrack" / "__init__.py").write_text("")
    (tmp_path / "clawrack" / "__main__.py").write_text(f"open({str(tmp_path / 'was')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    tui._run(["--version"])  # pyright: ignore[reportPrivateUsage] - what a key does
    assert not (tmp_path / "was").exists()


def test_a_wheel_is_installed_by_nothing_that_lies_in_the_folder_where_it_is_typed(tmp_path: Path) -> None:
    for name in ("venv", "zipfile", "ensurepip"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'was')!r}, 'w')\nraise SystemExit(1)\n")
    share = tmp_path / "home" / "env-old" / "share" / "clawrack"
    share.mkdir(parents=True)
    shutil.copy(INSTALL_SH, share)
    (tmp_path / "clawrack-9.whl").write_bytes(b"not one")
    words = ("sh", str(share / "install.sh"), "--stage", "clawrack-9.whl", "--sha256", "0" * 64)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, "0" * 64 in done.stderr) == (3, True), done.stderr
    assert not (tmp_path / "was").exists()


# --- an answers file from elsewhere ---


@pytest.mark.parametrize("text", ["-----BEGIN KEY-----\nabc\n-----END KEY-----\n", "", "\n", "x" * 5000])
def test_what_is_no_password_is_sent_to_no_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "key").write_text(text)
    monkeypatch.setenv("SOME", text)
    for source in (SecretFrom(file=str(tmp_path / "key")), SecretFrom(env="SOME"), SecretFrom(file="/dev/zero")):
        with pytest.raises(BadInput):
            source.fetch("a.yaml")
    (tmp_path / "key").write_text("pass word\r\n")
    assert SecretFrom(file=str(tmp_path / "key")).fetch("a.yaml").reveal() == "pass word"


# --- a machine that says strange things to the probe ---


@pytest.mark.parametrize("evil", ["x; reboot", "x$(reboot)", "x'; reboot #", "x`reboot`"])
def test_what_a_probe_says_is_no_command_of_the_person(evil: str) -> None:
    said = {
        "uname_s": "Linux", "uname_m": "x86_64", "os.ID": "debian", "os.VERSION_ID": "12", "sudo": "none", "user": evil,
        "uid_1000": evil, "apt_busy": evil, "df./": f"/dev/x 1000 1 /{evil} rw".replace("; ", ";"),
    }  # fmt: skip
    problems = fit("openclaw", preflight.judge(Facts(said), preflight.Need(data=10**9))).problems
    assert {"preflight.no_root", "preflight.apt_busy", "preflight.disk"} <= {one.key for one in problems}
    for one in problems:
        words = shlex.shlex(one.next.replace("swapon", ""), punctuation_chars=";`$()")
        assert "reboot" not in set(words), one
