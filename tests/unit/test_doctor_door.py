"""``clawrack doctor`` as it is typed: what it takes, what it prints, and with which code it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MACHINE = 'address: "nowhere.invalid"\nid: "m1"\n'
AGENT = 'kind: "openclaw"\nmachine: "pc-1"\nversion: "2026.9.6"\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A fleet of one machine that has no address that anybody knows, with one agent."""
    for name, text in (("machines/pc-1", MACHINE), ("agents/ada", AGENT)):
        file = tmp_path / "fleet" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def doctor(home: Path, *words: str, language: str = "en") -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CLAWRACK_FLEET": str(home / "fleet"),
        "CLAWRACK_LANG": language,
        "PYTHONUTF8": "1",
    }
    line = [sys.executable, "-m", "clawrack", "doctor", *words]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_a_fleet_of_nothing_has_nothing_wrong(tmp_path: Path) -> None:
    said = doctor(tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    assert "There are no machines yet" in said.stdout
    assert said.stdout.endswith("→ clawrack setup\n")


@pytest.mark.parametrize("words", [(), ("pc-1",), ("ada",), ("--machine", "pc-1"), ("--agent", "ada")])
def test_a_machine_whose_name_nobody_knows_is_an_error_and_not_well(home: Path, words: tuple[str, ...]) -> None:
    said = doctor(home, *words, "--json")
    assert said.returncode == 5, said.stderr
    told = json.loads(said.stdout)["diagnosis"]
    [finding] = told["findings"]
    assert (finding["id"], finding["severity"], finding["subject"]) == ("machine.no_name", "error", "pc-1")
    assert finding["command"] == "getent hosts nowhere.invalid"
    assert (told["machines"], told["agents"]) == (1, 1)


def test_what_cannot_be_looked_at_is_not_mended(home: Path) -> None:
    said = doctor(home, "--fix", "--yes", "--json")
    assert said.returncode == 5
    assert json.loads(said.stdout)["diagnosis"]["fixed"] == []


def test_a_person_is_told_what_why_the_evidence_and_the_command(home: Path) -> None:
    said = doctor(home)
    assert said.returncode == 5
    lines = said.stdout.splitlines()
    assert lines[0].startswith("✗ The name `nowhere.invalid` of pc-1")
    assert "  Seen: There is no host by the name `nowhere.invalid`" in lines
    assert max(map(len, lines)) <= 80
    assert any("clawrack machine remove pc-1 --forget" in line for line in lines)
    assert "  → getent hosts nowhere.invalid" in lines
    assert lines[-1].startswith("Errors: 1. ")


def test_a_person_is_told_in_chinese(home: Path) -> None:
    assert "不认识" in doctor(home, language="zh").stdout


def test_a_name_that_nobody_has_is_bad_input(home: Path) -> None:
    said = doctor(home, "bob")
    assert said.returncode == 2
    assert "`bob`" in said.stderr


def test_a_name_that_both_have_must_be_told_apart(home: Path) -> None:
    (home / "fleet/agents/pc-1.yaml").write_text(AGENT)
    said = doctor(home, "pc-1")
    assert said.returncode == 2
    assert "--agent pc-1" in said.stderr
    assert doctor(home, "pc-1", "--agent", "pc-1", "--json").returncode == 5
