"""``clawrack detect`` of a machine that nobody has seen before: the verdict, and nothing changed there or here."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack.machine import Build, Machine
from tests.rack.prepare_rig import difference, snapshot

ROOT = "root's own 5"


@pytest.fixture(scope="module")
def bare() -> Iterator[Machine]:
    """Root by password; no key of ours."""
    with Machine(Build(root_key=False, root_password=ROOT)) as machine:
        yield machine


def detect(home: Path, machine: Machine, *more: str) -> subprocess.CompletedProcess[str]:
    line = ["detect", f"root@{machine.address}", "--password-stdin", "--fingerprint", machine.fingerprint(), *more]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "CLAWRACK_LANG": "en", "PYTHONUTF8": "1"}
    words = [sys.executable, "-m", "clawrack", *line]
    return subprocess.run(words, env=env, input=f"{ROOT}\n", capture_output=True, text=True, check=False, timeout=60)


def test_a_machine_is_recognised_by_its_password_and_left_as_it_was(bare: Machine, tmp_path: Path) -> None:
    before = snapshot(bare)
    done = detect(tmp_path, bare, "--kind", "openclaw", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert list(told) == ["os", "hardware", "vm", "container", "cloud", "traits", "fit"]
    assert told["os"]["value"] in {"debian", "ubuntu"}
    assert (told["container"]["value"], told["fit"]["fits"]) == ("docker", "yes")
    assert difference(before, snapshot(bare)) == []
    assert bare.sh("ls -A /root/.ssh", check=False).text == ""
    pins = tmp_path / ".local/state/clawrack/hosts.json"
    assert not pins.exists() or bare.address not in pins.read_text()


def test_a_wrong_fingerprint_stops_before_the_password_is_sent(bare: Machine, tmp_path: Path) -> None:
    wrong = ["--fingerprint", "SHA256:" + "A" * 43, "--json"]
    done = detect(tmp_path, bare, *wrong)
    assert (done.returncode, json.loads(done.stderr)["error"]["key"]) == (3, "hostkey.not_that_one")
