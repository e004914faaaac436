"""What was on a machine before us is noted as it is when something of ours first comes, not when a setup failed."""

import subprocess
from pathlib import Path

import pytest

from installer import remote
from tests.unit.test_guard_script import SHELLS


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def shell(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


def first(shell: list[str], home: Path, *, room: bool = True) -> list[str]:
    """Run it where programs are those in the folder; return the notes."""
    text = remote.text("notes.sh").replace("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin", f"PATH={home}/bin")
    text = text.replace(":/usr/bin:/sbin:/bin", ":/usr/bin:/bin")
    limit = "" if room else "ulimit -f 0; trap '' XFSZ\n"
    words = [*shell, "-s", "--", "first", str(home / "notes"), str(home / "made")]
    subprocess.run(words, input=limit + text, text=True, capture_output=True, check=room, timeout=60)
    return (home / "notes").read_text().splitlines()


def program(home: Path, name: str, script: str = "") -> None:
    (home / "bin").mkdir(exist_ok=True)
    (home / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (home / "bin" / name).chmod(0o755)


def noted(home: Path, *lines: str) -> None:
    with (home / "notes").open("a") as notes:
        notes.writelines(f"{line}\n" for line in lines)


def test_docker_that_a_person_installed_after_a_setup_that_failed_was_before_us(
    shell: list[str], tmp_path: Path
) -> None:
    assert {"docker=ours", f"absent={tmp_path}/made"} <= set(first(shell, tmp_path))
    noted(tmp_path, "manager=dnf", "mirror=http://m")
    program(tmp_path, "dockerd")
    (tmp_path / "made").mkdir()
    notes = first(shell, tmp_path)
    assert {"version=1", "docker=before", "manager=dnf", "mirror=http://m"} <= set(notes)
    assert not [line for line in notes if line == "docker=ours" or line.startswith("absent=")]
    assert sum(line.startswith(("version=", "docker=", "forward=")) for line in notes) == 3


@pytest.mark.parametrize(
    ("ours", "says", "docker"),
    [
        ("docker.io", "docker.io: /x", "ours"),
        ("docker.io", "docker.io:amd64: /x", "ours"),
        ("iptables", "docker.io: /x", "before"),
        ("docker", "docker-ce: /x", "before"),
        ("iptables", "", "before"),
    ],
)
def test_the_engine_is_ours_where_its_package_is(
    shell: list[str], tmp_path: Path, ours: str, says: str, docker: str
) -> None:
    first(shell, tmp_path)
    noted(tmp_path, f"package={ours}")
    program(tmp_path, "dockerd")
    program(tmp_path, "dpkg-query", f"[ -n '{says}' ] && echo '{says}'")
    (tmp_path / "made").mkdir()
    assert {f"docker={docker}", f"absent={tmp_path}/made", f"package={ours}"} <= set(first(shell, tmp_path))


def test_on_a_full_disk_the_notes_stay(shell: list[str], tmp_path: Path) -> None:
    notes = first(shell, tmp_path)
    program(tmp_path, "dockerd")
    assert first(shell, tmp_path, room=False) == notes
