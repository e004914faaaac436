"""Docker is taken away again only where it has said itself that nobody uses it."""

import subprocess
from pathlib import Path

import pytest

from installer import remote
from tests.unit.test_guard_script import SHELLS

NOTES = "version=1\ndocker=ours\npackage=docker.io\n"
QUIET = ("apt-get", "iptables", "iptables-save", "ip", "rc-service", "groupdel", "sleep")


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


def undocker(shell: list[str], home: Path, docker: str | None, systemctl: str = "exit 0") -> tuple[str, str]:
    """Run it where programs are these; return what it told, and what was typed."""
    programs = dict.fromkeys(QUIET, "exit 0") | {"dockerd": "exit 0", "systemctl": systemctl}
    (home / "bin").mkdir()
    for name, script in {**programs, **({"docker": docker} if docker else {})}.items():
        said = f'echo "{name} $*" >>"{home}/said"'
        (home / "bin" / name).write_text(f"#!/bin/sh\n{said}\n{script}\n")
        (home / "bin" / name).chmod(0o755)
    (home / "notes").write_text(NOTES)
    text = remote.text("undocker.sh").replace("/var/lib/docker", f"{home}/docker").replace("/proc/[", f"{home}/[")
    path = next(line for line in text.splitlines() if line.startswith("PATH="))
    text = text.replace(path, f"PATH={home}/bin:/usr/bin:/bin").replace("/run/systemd/system", str(home))
    done = subprocess.run(
        [*shell, "-s", "--", str(home / "notes")], input=text, text=True, capture_output=True, check=True, timeout=60
    )
    return done.stdout, (home / "said").read_text()


def test_where_it_says_that_nobody_uses_it_it_goes(shell: list[str], tmp_path: Path) -> None:
    told, typed = undocker(shell, tmp_path, "exit 0")
    assert told == "clawrack:removed\n"
    assert "purge docker.io" in typed
    assert "systemctl start" not in typed


@pytest.mark.parametrize("broken", ["version", "ps", "volume", "images", "network"])
def test_where_it_gives_no_answer_it_stays(shell: list[str], tmp_path: Path, broken: str) -> None:
    told, typed = undocker(shell, tmp_path, f"[ $1 != {broken} ]")
    assert told == "clawrack:kept unknown\n"
    assert "purge -" not in typed
    assert "purge docker.io" not in typed
    assert typed.count("systemctl start") == (broken == "version")


def test_without_its_command_nobody_can_tell(shell: list[str], tmp_path: Path) -> None:
    told, typed = undocker(shell, tmp_path, None)
    assert told == "clawrack:kept unknown\n"
    assert "apt-get" not in typed


def test_one_that_was_stopped_is_asked_and_stopped_again(shell: list[str], tmp_path: Path) -> None:
    up = tmp_path / "up"
    docker = f"[ -e '{up}' ] || exit 1; [ $1 != volume ] || echo theirs"
    told, typed = undocker(shell, tmp_path, docker, f"case $1 in start) touch '{up}' ;; *) rm -f '{up}' ;; esac")
    assert told == "clawrack:kept volumes\n"
    assert "apt-get" not in typed
    assert not up.exists()


def test_one_that_runs_and_does_not_answer_is_not_stopped(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "comm").write_text("dockerd\n")
    told, typed = undocker(shell, tmp_path, "exit 1")
    assert told == "clawrack:kept unknown\n"
    assert "systemctl stop" not in typed
