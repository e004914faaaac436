"""On a real fleet every document fits its schema, and every command has printed all that it says it prints."""

import json
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from clawrack.cli import schema
from clawrack.cli.failing import INTERRUPTED
from tests.rack import tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.machine import Build, Machine

AGENT = "helper"
ELSEWHERE = {
    "self upgrade": "replaces the installation: tests/rack/test_self_upgrade.py",
    "self rollback": "likewise",
    "self judge": "reads another installation: likewise",
    **dict.fromkeys(
        ("schema", "self show", "self formats", "completion"), "need no machine: tests/unit/test_schema.py"
    ),
    **dict.fromkeys(
        ("agent create", "machine tag", "machine drain", "fleet check", "fleet sample", "fleet schema"),
        "need no machine: tests/unit/test_folder_files.py",
    ),
    "fleet import": "tests/rack/test_import.py",
    **dict.fromkeys(("machine add", "fleet rebuild"), "tests/rack/test_machine_add.py"),
    "events": "tests/rack/test_machine_add.py",
    "agent open": "the tiny kind has no page: tests/rack/test_agent_open.py",
    **dict.fromkeys(("booth desk", "booth list", "booth sheet"), "wants devices: tests/rack/test_booth.py"),
    **dict.fromkeys(("image list", "image versions"), "need no machine: tests/rack/test_image_versions.py"),
    "booth bundle": "fetches packages: tests/rack/test_offline.py",
    "cloud-init": "tests/rack/test_cloud_init.py",
    "machine harden": "tests/rack/test_harden.py",
    "machine claim": "wants a copied disk: tests/rack/test_moved.py",
    "machine handover": "tests/rack/test_handover.py",
    **dict.fromkeys(
        ("backup create", "backup list", "backup verify", "backup restore", "backup prune", "backup key"),
        "wants two machines: tests/rack/test_backup.py",
    ),
    **dict.fromkeys(
        ("apply", "upgrade", "rollback", *(f"rollout {verb}" for verb in ("list", "show", "pause", "resume", "abort"))),
        "want a fleet, whose rig checks each: tests/rack/test_upgrade.py, test_rollout.py",
    ),
    **dict.fromkeys(("key set", "key list", "key remove", "key providers"), "a provider: tests/rack/test_keys.py"),
}
"""Commands whose documents are not driven here, and where they are."""
SELDOM = {("agent logs", "note"), ("setup", "setups"), ("setup", "added"), ("doctor", "event"), ("usage", "silent")}
"""Documents that a command prints only in a situation that is not made here."""


class Checked:
    """A controller whose every printed line is checked; `seen` is which command has printed which document."""

    def __init__(self, controller: Controller, kinds: str) -> None:
        self._controller = controller
        self._more = {"CLAWRACK_KINDS": kinds}
        self.seen: set[tuple[str, str]] = set()

    def type(self, command: str, *words: str, code: int | None = 0) -> dict[str, Any]:
        """Type a command, check all that it prints, and return its last document."""
        line = (*command.split(), "--json", *words)
        return self.check(command, self._controller.type(*line, more=self._more), code)

    def check(self, command: str, typed: Typed, code: int | None = 0) -> dict[str, Any]:
        """Check what a command printed; where ``code`` is None it may have ended with any."""
        assert code in {None, typed.code}, typed
        documents = [json.loads(row) for row in typed.out.splitlines()]
        for told in documents:
            self.seen.add((command, self._fits(told)))
        for told in map(json.loads, typed.err.splitlines()):
            self.seen.add((command, self._fits(told)))
            assert told.get("error", {"exit_code": typed.code})["exit_code"] == typed.code
        assert code is None or ('"error"' in typed.err) == bool(code), typed
        return documents[-1] if documents else json.loads(typed.err.splitlines()[-1])

    def follow(self, agent: str) -> None:
        """Follow a log until a line has come, and end that as a person does."""
        process = self._controller.start("agent", "logs", agent, "-f", "--json", more=self._more)
        late = threading.Timer(30, process.kill)
        late.start()
        assert process.stdout
        row = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        late.cancel()
        assert process.returncode == INTERRUPTED
        self.seen.add(("agent logs", self._fits(json.loads(row))))

    def _fits(self, told: dict[str, Any]) -> str:
        name = "verdict" if "version" not in told else next(iter(told.keys() - {"version"}))
        validator: Any = Draft202012Validator(schema.form("verdict_for" if "fit" in told else name))
        validator.validate(told)
        return "verdict_for" if "fit" in told else name


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine(Build(docker=True)) as made:
        yield made


@pytest.fixture(scope="module")
def checked(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """A controller that has set one agent up."""
    controller = Controller(tmp_path_factory.mktemp("controller"))
    made = Checked(controller, _well_at_once(tmp_path_factory.mktemp("kinds")))
    words = ("--machine", f"root@{machine.address}", "--key", str(machine.key), "--fingerprint", machine.fingerprint())
    more = ("--kind", tinykinds.NAME, "--name", AGENT, "--yes")
    assert made.type("setup", *words, *more)["receipt"]["agent"] == AGENT
    return made


def _well_at_once(folder: Path) -> str:
    kinds = tinykinds.place(folder)
    file = folder / tinykinds.NAME / "kind.yaml"
    file.write_text(
        file.read_text().replace("  startup_timeout: 12\n", "  startup_timeout: 12\n  min_healthy_time: 1\n")
    )
    return kinds


def test_everything_that_looks_prints_what_its_schema_says(checked: Checked, machine: Machine, tmp_path: Path) -> None:
    (name,) = [one["name"] for one in checked.type("machine list")["machines"]]
    reached = (f"root@{machine.address}", "--key", str(machine.key), "--fingerprint", machine.fingerprint())
    looks: list[tuple[str, ...]] = [
        ("agent list",),
        ("agent show", AGENT),
        ("agent ask", AGENT, "Who are you?"),
        ("agent logs", AGENT, "--tail", "3"),
        ("agent shell", AGENT, "--", "python3", "-V"),
        ("machine show", name),
        ("machine shell", name, "--", "true"),
        ("status",),
        ("usage",),
        ("support-bundle", "--out", str(tmp_path / "b.tar.gz"), "--yes"),
        ("detect", *reached),
        ("detect", *reached, "--kind", tinykinds.NAME),
    ]

    def look(line: tuple[str, ...]) -> None:
        checked.type(*line)

    with ThreadPoolExecutor(3) as several:
        list(several.map(look, looks))
    checked.type("doctor", code=None)  # whether all is well is another test's


def test_everything_that_changes_prints_its_steps_and_how_it_ended(checked: Checked) -> None:
    assert checked.type("agent stop", AGENT)["result"] == {"agent": AGENT, "machine": "", "changed": True}
    assert checked.type("agent stop", AGENT)["result"]["changed"] is False
    assert checked.type("agent ask", AGENT, "Anybody?", code=5)["error"]["next"]
    assert checked.type("agent start", AGENT)["result"]["changed"] is True
    assert checked.type("agent restart", AGENT)["result"]["changed"] is True


def test_every_way_to_fail_prints_an_error_that_fits(checked: Checked) -> None:
    checked.type("agent show", "nobody", code=2)
    checked.type("agent remove", AGENT, code=3)


def test_a_log_that_is_followed_is_a_document_for_each_line(checked: Checked) -> None:
    checked.follow(AGENT)


def test_removing_comes_last_and_then_every_command_has_printed_all_its_documents(checked: Checked) -> None:
    checked.type("plan")
    checked.type("agent remove", AGENT, "--erase", "--yes")
    (name,) = [one["name"] for one in checked.type("machine list")["machines"]]
    checked.type("machine remove", name, "--erase", "--yes")
    said = {(command, name) for command, told in schema.COMMANDS.items() if command not in ELSEWHERE for name in told}
    assert said - checked.seen == SELDOM & said
