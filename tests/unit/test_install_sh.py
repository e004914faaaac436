"""install.sh without a machine: cut off anywhere it runs nothing, and what it says before it touches anything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "install.sh"
WHOLE = SCRIPT.read_bytes()
SHELLS = [shell for shell in (("dash",), ("bash",), ("busybox", "ash")) if shutil.which(shell[0])]
PROGRAMS = [
    "id",
    "mkdir",
    "uname",
    "df",
    "find",
    "python3",
    "apt-get",
    "sudo",
    "cat",
    "cd",
    "rm",
    "ln",
    "mv",
    "env",
    "flock",
    "awk",
    "sed",
    "sort",
    "tail",
    "touch",
    "dirname",
]


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    """A directory whose programs only write down that they were called; nothing else is on the PATH."""
    for name in PROGRAMS:
        stub = tmp_path / "bin" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/called\necho Elsewhere\n")
        stub.chmod(0o755)
    (tmp_path / "home").mkdir()
    return tmp_path


def run(shell: tuple[str, ...], script: bytes, sandbox: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = sandbox / "install.sh"
    path.write_bytes(script)
    program = shutil.which(shell[0]) or ""
    env = {"PATH": str(sandbox / "bin"), "HOME": str(sandbox / "home"), "LANG": os.environ.get("LANG", "C.UTF-8")}
    argv = [program, *shell[1:], str(path), *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, cwd=sandbox, timeout=20)


def cuts() -> list[int]:
    """Where to cut: every byte of the first and last lines, every line's end, and a sample between.

    Only the very last byte may be missing: it is the line end after the closing brace, and all that was typed is there.
    """
    ends = [at for at, byte in enumerate(WHOLE[:-1]) if byte == ord("\n")]
    last = WHOLE.rindex(b"\n{ ")
    return sorted({*range(80), *ends, *range(0, last, 211), *range(last - 20, len(WHOLE) - 1)})


def test_the_sandbox_would_notice_a_copy_that_runs(sandbox: Path) -> None:
    run(SHELLS[0], WHOLE, sandbox)
    assert (sandbox / "called").read_text().splitlines()[0] == "uname"


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_copy_that_was_cut_off_anywhere_runs_nothing(shell: tuple[str, ...], sandbox: Path) -> None:
    for at in cuts():
        done = run(shell, WHOLE[:at], sandbox, "--yes")
        assert not (sandbox / "called").exists(), f"cut after {at} bytes: {WHOLE[at - 40 : at]!r}"
        assert done.stdout == "", at
    assert sorted(path.name for path in sandbox.iterdir()) == ["bin", "home", "install.sh"]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_can_read_it(shell: tuple[str, ...]) -> None:
    subprocess.run([*shell, "-n", str(SCRIPT)], check=True)


def test_shellcheck_finds_nothing() -> None:
    subprocess.run(["shellcheck", str(SCRIPT)], check=True)


def test_a_system_that_is_not_linux_is_told_so(sandbox: Path) -> None:
    done = run(SHELLS[0], WHOLE, sandbox)
    assert done.returncode == 3
    assert done.stderr.startswith("✗ clawrack runs on Linux; this is Elsewhere.")


@pytest.mark.parametrize(("language", "word"), [("en_GB.UTF-8", "Example"), ("zh_CN.UTF-8", "例子")])
def test_help_is_in_the_language_of_the_locale(language: str, word: str) -> None:
    done = subprocess.run([str(SCRIPT), "--help"], env={"LANG": language}, capture_output=True, text=True, check=True)
    assert word in done.stdout


def test_no_registry_is_named_in_it() -> None:
    assert not [word for word in ("pypi", "debian.org", "ubuntu.com", "http://", "https://") if word in WHOLE.decode()]
