"""What apt.sh notes as ours: what its own transaction brought, and nothing that did not come."""

import subprocess
from pathlib import Path

import pytest

from installer import remote
from tests.unit.test_guard_script import SHELLS

APT = """case "$*" in
*-s*install*) echo 'Inst runc (1.0)'; echo 'Inst docker.io (20.10)' ;;
*install*) echo 'E: No space left on device'; exit 100 ;;
esac"""
THERE = (
    "installed package=bash\\nunpacked package=runc\\nunpacked package=runc:amd64\\nconfig-files package=docker.io\\n"
)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_what_did_not_come_is_not_ours_should_a_person_install_it_later(shell: list[str], tmp_path: Path) -> None:
    programs = {
        "apt-get": APT,
        "apt-cache": "echo '  Candidate: 1'",
        "dpkg": "",
        "dpkg-query": f"printf '{THERE}'",
    }
    (tmp_path / "bin").mkdir()
    for name, script in programs.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "notes").write_text("version=1\ndocker=ours\npackage=bash\n")
    text = remote.text("apt.sh")
    path = next(line for line in text.splitlines() if line.startswith("PATH="))
    words = [*shell, "-s", "--", str(tmp_path / "notes"), "5", "-", "docker.io"]
    text = text.replace(path, f"PATH={tmp_path}/bin:/usr/bin:/bin")
    done = subprocess.run(words, input=text, text=True, capture_output=True, check=False, timeout=60)
    assert done.returncode == 23, done
    assert (tmp_path / "notes").read_text() == "version=1\ndocker=ours\npackage=bash\npackage=runc\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "notes"]
