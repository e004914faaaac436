"""The real OpenClaw from 2026.8.2 to 2026.9.6, which changes its state so that 8.2 refuses it, and back again.

The tests share one machine and follow each other. 8.2 is installed as a clawrack of its time would have done it: with a
kind whose files name 8.2. What is told of sessions is read where the agent itself keeps them (agents/main/agent/
openclaw-agent.sqlite; the schema's number is SQLite's user_version: 19 in 8.2, 23 in 9.6).
"""

import itertools
import json
import shutil
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import templates
from fleet.kinds import kind
from tests.rack.controller import Controller, Typed
from tests.rack.machine import Build, Machine

AGENT, CONTAINER = "openclaw", "clawrack-openclaw"
OLD, NEW = "2026.8.2", "2026.9.6"
SCHEMA = {OLD: 19, NEW: 23}  # on a newer one than its own 8.2 ends with 78
DIED = "/root/died"
STATE = f"/var/lib/clawrack/agents/{AGENT}/state"
QUESTIONS = ("what is a lobster", "你记得我吗")
QUERY = """
import json, sqlite3
db = sqlite3.connect("file:/home/node/.openclaw/agents/main/agent/openclaw-agent.sqlite?mode=ro", uri=True)
rows = db.execute("SELECT session_id, event_json FROM transcript_events ORDER BY session_id, seq").fetchall()
said = [(one, json.loads(text or "{}").get("message", {})) for one, text in rows]
told = {one: [] for one, _ in said}
for one, message in said:
    if message.get("role") == "user":
        told[one].append(str(message["content"]))
print(json.dumps({"schema": db.execute("PRAGMA user_version").fetchone()[0], "sessions": told}))
"""


@dataclass
class Upgraded:
    """A machine with OpenClaw on it, and who looks after it."""

    machine: Machine
    controller: Controller
    kinds: Path
    sessions: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    first: float = 0.0
    """Seconds that its first start took on this box, as busy as it is."""

    def policy(self, **told: Any) -> None:
        """Write fleet.yaml."""
        folder = self.controller.folder / "config/clawrack/fleet"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fleet.yaml").write_text(yaml.safe_dump({"version": 1, "policy": {"min_healthy_time": "1s", **told}}))

    def kind(self, **changes: tuple[str, str]) -> dict[str, str]:
        """Return the environment in which the kind's files (by first name) have another text in a place."""
        there = self.kinds / AGENT
        shutil.rmtree(there, ignore_errors=True)
        shutil.copytree(templates.path("kinds", AGENT), there)
        for name, (text, other) in changes.items():
            file = next(path for path in there.rglob("*") if path.name.startswith(name))
            assert text in file.read_text()
            file.write_text(file.read_text().replace(text, other))
        return {"CLAWRACK_KINDS": str(self.kinds)}

    def inside(self) -> dict[str, Any]:
        """What the agent keeps: the number of its schema, and what people said, by session."""
        words = ("docker", "exec", "-i", CONTAINER, "python3", "-c", QUERY)
        return json.loads(self.machine.run(*words).text)

    def version(self) -> str:
        """What the process in the container says it is."""
        return self.machine.run("docker", "exec", CONTAINER, "openclaw", "--version").text

    def record(self) -> None:
        """Have the machine write down from now on how each container of the agent ends; its engine forgets soon."""
        form = "{{.Actor.Attributes.version}} {{.Actor.Attributes.exitCode}}"
        ask = f"docker events --filter event=die --filter label=clawrack.agent={AGENT} --format '{form}'"
        self.machine.put(DIED, f"while :; do {ask}; sleep 1; done\n".encode())
        self.machine.sh(f"setsid nohup sh {DIED} >{DIED}.log 2>/dev/null </dev/null &")

    def died(self, version: str) -> set[str]:
        """The exit codes with which containers of this version have ended."""
        rows = (line.split() for line in self.machine.sh(f"cat {DIED}.log").text.splitlines())
        return {code for of, code in rows if of == version}

    @contextmanager
    def watched(self) -> Generator[list[float]]:
        """Give the moments at which it was ready, asked of its own door again and again."""
        ready, over = list[float](), threading.Event()
        ask = "curl -s -m 2 -o /dev/null -w '%{http_code}' http://127.0.0.1:18789/readyz"

        def watch() -> None:
            while not over.wait(0.1):
                told = self.machine.sh(f"docker exec {CONTAINER} {ask} 2>/dev/null || true").text
                ready.extend([time.monotonic()] if told.strip() == "200" else [])

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield ready
        finally:
            over.set()
            thread.join()

    @contextmanager
    def migrating(self) -> Generator[list[str]]:
        """Give the copies that OpenClaw makes of its databases right before it changes them."""
        seen, over = set[str](), threading.Event()

        def watch() -> None:
            while not over.wait(0.5):
                seen.update(
                    self.machine.sh(f"find {STATE} -name '*.pre-startup-migration-*' 2>/dev/null || true").text.split()
                )

        thread, found = threading.Thread(target=watch, daemon=True), list[str]()
        thread.start()
        try:
            yield found
        finally:
            over.set()
            thread.join()
            found.extend(sorted(seen))


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgraded]:
    folder = tmp_path_factory.mktemp("openclaw")
    with Machine(Build(docker=True)) as machine:
        found = Upgraded(machine, Controller(folder / "controller"), folder / "kinds")
        found.policy(healthy_deadline="400s")
        found.record()
        yield found


def _elapsed(typed: Typed, step: str) -> float:
    """Seconds that a step took, by the events that a command printed."""
    told = [json.loads(line) for line in typed.out.splitlines()]
    return max(row["event"]["elapsed"] for row in told if row.get("event", {}).get("step") == step)


def upgrade(it: Upgraded, **more: Any) -> Typed:
    return it.controller.type("upgrade", AGENT, "--to", NEW, "--yes", "--json", **more)


def test_8_2_answers_with_the_configuration_of_today(it: Upgraded) -> None:
    words = ("setup", "--machine", f"root@{it.machine.address}", "--key", str(it.machine.key), "--yes", "--json")
    named = f"version: {kind(AGENT).version}", f"version: {OLD}"
    more = ("--fingerprint", it.machine.fingerprint(), "--image-source", "build")
    typed = it.controller.done(*words, *more, more=it.kind(kind=named, image=named))
    it.first = _elapsed(typed, "step.deploy")
    for question in QUESTIONS:
        it.controller.done("agent", "ask", AGENT, question)
    assert OLD in it.version()
    found = it.inside()
    assert found["schema"] == SCHEMA[OLD]
    it.sessions.update(found["sessions"])
    assert {said for session in it.sessions.values() for said in session} >= set(QUESTIONS)
    it.controller.done("plan", "--expect-empty")


def test_a_9_6_that_changes_the_state_and_then_fails_leaves_8_2_answering_with_the_same_sessions(it: Upgraded) -> None:
    it.policy(healthy_deadline=f"{max(45, round(4 * it.first))}s")
    # The token of its door is under another name than it is told: it finds out after it has migrated its state.
    broken = it.kind(openclaw=('"id": "/gateway"', '"id": "/gatewey"'))
    with it.migrating() as copies:
        typed = upgrade(it, more=broken)
    assert typed.code == 5, typed
    assert len(copies) >= 2, f"it failed before it had changed its state: {typed.out}"
    assert OLD in it.version()
    assert it.inside() == {"schema": SCHEMA[OLD], "sessions": it.sessions}
    assert not it.machine.sh(f"find {STATE} -name '*.pre-startup-migration-*'").text
    assert "practice" in it.controller.answers(AGENT, "are you back?", 120)
    it.sessions.update(it.inside()["sessions"])
    assert it.died(OLD) == {"0"}
    assert it.died(NEW) - {"0"}
    assert it.controller.done("agent", "show", AGENT, "--json").document["agent"]["version"] == OLD


def test_9_6_takes_the_sessions_over(it: Upgraded, record_property: Any) -> None:
    it.policy(healthy_deadline="400s")
    with it.watched() as ready:
        typed = upgrade(it)
        assert typed.code == 0, typed
        time.sleep(1)
    gaps = [after - before for before, after in itertools.pairwise(ready)]
    record_property("downtime", round(max(gaps), 1))
    print(f"downtime of {OLD} → {NEW}: {max(gaps):.1f} s")
    assert NEW in it.version()
    found = it.inside()
    assert found["schema"] == SCHEMA[NEW]
    assert {name: found["sessions"].get(name) for name in it.sessions} == it.sessions
    assert "practice" in it.controller.done("agent", "ask", AGENT, "only 9.6 heard this").out


def test_a_rollback_of_what_was_committed_brings_8_2_with_the_sessions_of_before(it: Upgraded) -> None:
    it.controller.done("rollback", AGENT, "--yes", "--json")
    assert OLD in it.version()
    assert it.inside() == {"schema": SCHEMA[OLD], "sessions": it.sessions}
    assert "practice" in it.controller.done("agent", "ask", AGENT, "and who are you").out
    assert it.died(OLD) == {"0"}
    assert it.controller.done("agent", "show", AGENT, "--json").document["agent"]["version"] == OLD
