"""The tiny kind from end to end: an agent like any other, whose every fault is told and leaves nothing running."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rack import tinykinds
from tests.rack.controller import Controller
from tests.rack.machine import Build, Machine

# The others are told by test_bad_input.py.
FAULTS = {"exit:1": "1", "hang": "started"}


@pytest.fixture(scope="module")
def told() -> Iterator[Machine]:
    """A machine with Docker on it, with an agent of the tiny kind once the first test has made it."""
    with Machine(Build(docker=True)) as machine:
        yield machine


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller(tmp_path_factory.mktemp("controller"))


def setup(machine: Machine, name: str) -> tuple[str, ...]:
    words = ("setup", "--machine", f"root@{machine.address}", "--key", str(machine.key), "--yes", "--json")
    return (*words, "--fingerprint", machine.fingerprint(), "--kind", tinykinds.NAME, "--name", name)


def test_a_tiny_agent_answers_through_the_meter(told: Machine, controller: Controller, tmp_path: Path) -> None:
    kinds = tinykinds.place(tmp_path)
    typed = controller.type(*setup(told, "well"), more={"CLAWRACK_KINDS": kinds})
    assert typed.code == 0, typed
    receipt = typed.document["receipt"]
    assert "practice" in receipt["answer"]
    state = told.run("find", "/var/lib/clawrack/agents/well/state", "-name", "tiny.sqlite").text
    (tmp_path / "copy").write_bytes(told.get(state))
    assert sqlite3.connect(tmp_path / "copy").execute("SELECT count(*) FROM said").fetchone() == (1,)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tiny_agent_with_a_fault_is_refused_with_its_reason(
    told: Machine, controller: Controller, tmp_path: Path, fault: str
) -> None:
    name = fault.replace(":", "-").replace("_", "-")
    kinds = tinykinds.place(tmp_path, fault=fault, patience=6)
    typed = controller.type(*setup(told, name), more={"CLAWRACK_KINDS": kinds})
    assert typed.code == 5, typed
    assert FAULTS[fault] in typed.err + typed.out
    assert told.sh(f"docker ps -q --filter name=clawrack-{name}").text == ""


def test_a_tiny_build_brings_its_state_forward_and_refuses_a_newer_one(tmp_path: Path) -> None:
    assert _started(tmp_path, 2, "leaves").returncode == 0
    assert _started(tmp_path, 1, "").returncode == 78
    sqlite3.connect(tmp_path / "tiny.sqlite").execute("INSERT INTO said (message, since_2) VALUES ('kept', 'x')")


def _started(folder: Path, schema: int, fault: str) -> subprocess.CompletedProcess[bytes]:
    secrets, config = folder / "secrets.json", folder / "tiny.json"
    secrets.write_text(json.dumps({"gateway": "g", "model": "m"}))
    config.write_text(
        json.dumps({"fault": fault, "port": 0, "meter": "", "secrets": str(secrets), "state": str(folder)})
    )
    environment = {**os.environ, "TINY_VERSION": str(schema), "TINY_SCHEMA": str(schema)}
    words = [sys.executable, str(tinykinds.SOURCE / "tiny.py"), str(config)]
    return subprocess.run(words, env=environment, capture_output=True, check=False, timeout=20)
