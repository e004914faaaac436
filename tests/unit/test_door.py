"""The door: what a line of the command line ends with, and what is said where it cannot be carried out."""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from clawrack.cli import door, failing
from clawrack.cli.frame import NOUNS
from fleet.base import words
from fleet.base.cells import width
from fleet.base.errors import ActionFailed, ClawrackError, Refused, Unreachable
from fleet.base.secret import Secret
from tests.terminal import AtTerminal

CLAWRACK = [sys.executable, "-m", "clawrack"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def clawrack(home: Path, *line: str, language: str = "en", stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a line as a person would, in a home of its own and without a terminal."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "CLAWRACK_LANG": language, "PYTHONUTF8": "1"}
    return subprocess.run([*CLAWRACK, *line], env=env, input=stdin, capture_output=True, text=True, check=False)


def every_command() -> list[tuple[str, ...]]:
    """Every command there is, as its words."""
    root = door.root()
    found: list[tuple[str, ...]] = [()]
    with root.make_context("clawrack", [], resilient_parsing=True) as ctx:
        for noun in NOUNS:
            command = getattr(root, "get_command")(ctx, noun)  # noqa: B009 - a group has it, a command has not
            found += [(noun,), *((noun, verb) for verb in getattr(command, "commands", ()))]
    return found


@pytest.mark.parametrize("language", words.LANGUAGES)
@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_command_has_a_page_with_an_example_that_it_understands(
    command: tuple[str, ...], language: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words.choose(language)
    try:
        assert door.run([*command, "--help"]) == 0
        page = capsys.readouterr().out
        heading = words.say("help.heading.example")
    finally:
        words.choose("en")
    example = page[page.index(heading) + len(heading) :].strip().splitlines()
    assert all(line.strip().startswith(" ".join(("clawrack", *command))) for line in example[:1])
    assert [line for line in page.splitlines() if width(line) > 80] == []


def test_arguments_stand_under_a_heading_of_their_own(home: Path) -> None:
    page = clawrack(home, "agent", "ask", "--help").stdout
    arguments, options = page.index("Arguments\n"), page.index("Options\n")
    assert arguments < page.index("  TEXT") < options < page.index("  --wait")
    assert "Arguments" not in clawrack(home, "status", "--help").stdout


def test_the_word_alone_shows_the_page(home: Path) -> None:
    alone = clawrack(home)
    assert (alone.returncode, alone.stdout) == (0, clawrack(home, "--help").stdout)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("agnt", "list"), "There is no command `agnt` here; the nearest is `agent`"),
        (("agent", "frobnicate"), "There is no command `frobnicate` here"),
        (("status", "--jsn"), "There is no option `--jsn` here; the nearest is --json"),
        (("status", "--frob"), "There is no option `--frob` here"),
        (("agent", "ask", "helper"), "TEXT is missing"),
        (("agent", "ask", "helper", "hi", "--wait", "long"), "The value of --wait cannot be used"),
        (("setup", "--image-source", "thin-air"), "The value of --image-source cannot be used"),
        (
            ("agent", "ask", "helper", "hi", "--wait", "-3"),
            "The value of --wait cannot be used: it must be a whole number, 0",
        ),
        (("setup", "--name"), "--name needs a value"),
        (("setup", "--machine", "--yes"), "--machine needs a value"),
        (("status", "--json=yes"), "--json takes no value"),
        (("status", "now"), "`now` is one word too many here"),
    ],
)
def test_a_line_that_cannot_be_read_is_explained_and_the_page_that_helps_is_named(
    home: Path, line: Sequence[str], said: str
) -> None:
    done = clawrack(home, *line)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"✗ {said}")
    known = list(itertools.takewhile(lambda word: word in {*NOUNS, "ask", "logs"}, line))
    assert done.stderr.splitlines()[-1].startswith(" ".join(("  → clawrack", *known)))
    assert done.stderr.splitlines()[-1].endswith("--help")


@pytest.mark.parametrize(
    "line",
    [
        ("status", "--frob"),
        ("agent", "ask", "helper"),
        ("agent", "ask", "helper", "hi", "--wait", "long"),
        ("agent", "ask", "helper", "hi", "--wait", "-3"),
        ("setup", "--image-source", "thin-air"),
        ("setup", "--name"),
        ("status", "--json=yes"),
        ("status", "now"),
    ],
)
def test_no_sentence_of_the_line_reader_stays_english(home: Path, line: Sequence[str]) -> None:
    said = clawrack(home, *line, language="zh").stderr.splitlines()[0]
    ours = {*line, "TEXT", "auto", "registry", "build", "--json"}
    assert [word for word in re.findall("[A-Za-z-]{2,}", said) if word not in ours] == []


def test_a_line_that_cannot_be_read_is_explained_in_chinese(home: Path) -> None:
    done = clawrack(home, "agent", "ask", language="zh")
    assert (done.returncode, done.stderr) == (2, "✗ 缺少 NAME\n  → clawrack agent ask --help\n")


def test_with_json_errors_are_json_on_standard_error(home: Path) -> None:
    done = clawrack(home, "agent", "show", "nobody", "--json")
    told = json.loads(done.stderr)["error"]
    assert (done.returncode, done.stdout) == (2, "")
    assert (told["key"], told["exit_code"], told["next"]) == ("fleet.no_agent", 2, "clawrack agent list")


@pytest.mark.parametrize(
    ("line", "name"), [(["agent", "list"], "agents"), (["machine", "list"], "machines"), (["usage"], "usage")]
)
def test_with_json_an_empty_fleet_is_an_empty_list(home: Path, line: list[str], name: str) -> None:
    done = clawrack(home, *line, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"version": 1, name: []})


def test_an_empty_fleet_says_how_to_begin(home: Path) -> None:
    assert "clawrack setup" in clawrack(home, "status").stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Refused("question.needs_yes", command="clawrack x"), 3),
        (Unreachable("fleet.no_machine", machine="m"), 4),
        (ActionFailed("ask.stopped", agent="a"), 5),
        (KeyboardInterrupt(), 130),
        (ValueError("hunter2"), 70),
    ],
)
def test_every_error_ends_with_its_own_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert failing.tell(error, ["status"], as_json=False) == code


def test_a_fault_of_ours_leaves_a_report_without_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    try:
        try:
            raise KeyError("hunter2")  # noqa: TRY301 - a cause is wanted
        except KeyError as cause:
            raise ValueError(Secret("hunter2").reveal()) from cause
    except ValueError as error:
        failing.tell(error, ["agent", "ask", "helper", "hunter2"], as_json=True)
    (report,) = (tmp_path / "clawrack" / "reports").iterdir()
    text = report.read_text()
    assert "hunter2" not in text
    assert "builtins.KeyError" in text
    assert "test_door.py:" in text
    assert report.stat().st_mode & 0o777 == 0o600


def test_where_no_report_can_be_written_the_fault_is_still_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert failing.tell(ValueError(), [], as_json=False) == 70
    assert "ValueError" in capsys.readouterr().err


def test_hostile_text_in_an_error_is_harmless(capsys: pytest.CaptureFixture[str]) -> None:
    failing.tell(
        ActionFailed("guard.failed", where="m\x1b[2J", reason="\x1b]0;owned\x07", machine="m"), [], as_json=False
    )
    assert "\x1b" not in capsys.readouterr().err


def test_an_error_without_words_still_says_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    failing.tell(ClawrackError("no.such.words"), [], as_json=False)
    assert "no.such.words" in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_fault(home: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONUNBUFFERED": "1"}
    script = f"{sys.executable} -m clawrack --help 2>{home}/err | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, check=True)
    assert (int(done.stdout) in {0, 141}, (home / "err").read_text()) == (True, "")


def test_removing_without_a_terminal_wants_yes(home: Path) -> None:
    folder = fleet_of_one(home)
    done = clawrack(home, "agent", "remove", "helper", "--erase")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (3, "  → clawrack agent remove helper --erase --yes")
    assert (folder / "agents" / "helper.yaml").exists()


def test_removing_at_a_terminal_wants_the_name(home: Path) -> None:
    folder = fleet_of_one(home)
    code, shown = at_terminal(home, ["agent", "remove", "helper"], "helpr\n")
    assert (code, "That was not `helper`" in shown) == (3, True)
    assert (folder / "agents" / "helper.yaml").exists()


def test_the_end_of_input_is_no_answer(home: Path) -> None:
    fleet_of_one(home)
    code, shown = at_terminal(home, ["agent", "remove", "helper"], "\x04")
    assert (code, "Interrupted" in shown) == (130, True)


def test_a_password_that_was_promised_and_did_not_come_is_told(home: Path) -> None:
    done = clawrack(home, "setup", "--machine", "root@192.0.2.1", "--password-stdin")
    assert (done.returncode, "nothing came on standard input" in done.stderr) == (2, True)


def fleet_of_one(home: Path) -> Path:
    """A fleet whose one machine nobody answers for."""
    folder = home / ".config" / "clawrack" / "fleet"
    for name, text in {
        "machines/there.yaml": "address: 192.0.2.1\nport: 9\n",
        "agents/helper.yaml": "kind: openclaw\nmachine: there\n",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def at_terminal(home: Path, line: Sequence[str], typed: str) -> tuple[int, str]:
    """Run a line at a terminal, type something, and return its exit code and what was shown."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm", "CLAWRACK_LANG": "en"}
    with AtTerminal([*CLAWRACK, *line], env) as terminal:
        terminal.sees(":")
        terminal.press(typed)
        return terminal.ends(), terminal.text
