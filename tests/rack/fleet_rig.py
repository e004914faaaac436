"""A fleet on the rack: prepared machines, an agent of the tiny kind on each, and a controller that knows them."""

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from clawrack.cli import schema
from tests.rack import tinykinds
from tests.rack.controller import Controller, Typed
from tests.rack.machine import Build, Machine

QUICK = {
    "min_healthy_time": "1s", "healthy_deadline": "15s", "max_parallel": 6, "waves": ["50%", "100%"],
}  # fmt: skip
"""A policy for tests: the gate is short, and so are the waves."""


@dataclass
class Fleet:
    """Machines m-1, m-2 … with the agents tiny-1, tiny-2 … on them, and who looks after them."""

    controller: Controller
    kinds: Path
    machines: dict[str, Machine] = field(default_factory=dict[str, Machine])

    @property
    def folder(self) -> Path:
        """The fleet's files."""
        return self.controller.folder / "config" / "clawrack" / "fleet"

    @property
    def agents(self) -> list[str]:
        """Their names, in the machines' order."""
        return [name.replace("m-", "tiny-") for name in self.machines]

    def kind(self, **what: Any) -> None:
        """Make the kind another one: `version`, `schema`, `fault`; see tinykinds.place."""
        tinykinds.place(self.kinds, **what)

    def policy(self, **changes: Any) -> None:
        """Write fleet.yaml with the quick policy and these changes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told = {"version": 1, "policy": {**QUICK, **changes}}
        (self.folder / "fleet.yaml").write_text(yaml.safe_dump(told))

    def type(self, *words: str, timeout: float = 300) -> Typed:
        """Type a command; what it prints as JSON fits its schema."""
        typed = self.controller.type(*words, more={"CLAWRACK_KINDS": str(self.kinds)}, timeout=timeout)
        if "--json" in words:
            check_documents(typed)
        return typed

    def done(self, *words: str) -> Typed:
        """Type a command that must succeed."""
        typed = self.type(*words)
        assert typed.code == 0, f"{words} → {typed.code}\n{typed.out[-3000:]}\n{typed.err[-3000:]}"
        return typed

    def file(self, agent: str) -> str:
        """agents/NAME.yaml as it stands."""
        return (self.folder / "agents" / f"{agent}.yaml").read_text()

    def seen(self) -> dict[str, dict[str, Any]]:
        """Every agent as `status` shows it, by name."""
        told = self.done("status", "--json").document["status"]
        return {agent["name"]: agent for agent in told["agents"]}

    def rollout(self, number: int) -> list[str]:
        """The last word on each agent's part of a rollout, as its record has it on the disk; none before it begins."""
        folder = self.controller.folder / "state" / "clawrack" / "rollouts" / str(number)
        if not (folder / "record.jsonl").exists():
            return []
        plan: Any = json.loads((folder / "rollout.json").read_text())["plan"]["actions"]
        entries = [json.loads(line) for line in (folder / "record.jsonl").read_text().splitlines()]
        last = {entry["unit"]: entry["what"] for entry in entries if "unit" in entry}
        return [what for unit, what in last.items() if "agent" in plan[unit]]

    def version(self, agent: str) -> dict[str, Any]:
        """What the agent's own process says it is."""
        return self.at(agent).version()

    def at(self, agent: str) -> "Box":
        """The agent, on its machine."""
        return Box(agent, self.machines[agent.replace("tiny-", "m-")])


@dataclass(frozen=True)
class Box:
    """One agent, seen from its machine."""

    name: str
    machine: Machine

    def version(self) -> dict[str, Any]:
        """What its process says: version, schema, messages."""
        script = (
            "import json,urllib.request as u;"
            "s=json.load(open('/run/clawrack/secrets.json'))['gateway'];"
            "r=u.Request('http://127.0.0.1:8080/version',headers={'Authorization':'Bearer '+s});"
            "print(u.urlopen(r,timeout=5).read().decode())"
        )
        return json.loads(self.machine.run("docker", "exec", f"clawrack-{self.name}", "python3", "-c", script).text)

    def container(self) -> str:
        """Its container's id and when it was started."""
        form = "{{.Id}} {{.State.StartedAt}} {{.State.Running}}"
        return self.machine.run("docker", "inspect", "-f", form, f"clawrack-{self.name}").text

    def containers(self) -> list[str]:
        """Containers of this agent that run; there is never more than one."""
        return self.machine.sh(f"docker ps --format '{{{{.Names}}}}' --filter name=clawrack-{self.name}").text.split()

    def rows(self) -> list[str]:
        """What it was told, as its state holds it on the disk."""
        with tempfile.NamedTemporaryFile() as copy:
            copy.write(self.machine.get(f"/var/lib/clawrack/agents/{self.name}/state/tiny.sqlite"))
            copy.flush()
            return [row[0] for row in sqlite3.connect(copy.name).execute("SELECT message FROM said")]

    def look(self) -> dict[str, str]:
        """What the guard's look says of it, by key."""
        told = self.machine.run("/usr/local/lib/clawrack/guard.sh", "look").text.splitlines()
        prefix = f"agent.{self.name}."
        return dict(line.removeprefix(prefix).split("=", 1) for line in told if line.startswith(prefix))


@contextmanager
def fleet_of(count: int, folder: Path) -> Generator[Fleet]:
    """Make so many machines with an agent on each; all of it at once, as fast as the box can."""
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        made = list(pool.map(Machine, [Build(docker=True)] * count))
        for machine in made:
            stack.enter_context(machine)
        fleet = Fleet(Controller(folder / "controller"), folder / "kinds")
        fleet.machines = {f"m-{n}": machine for n, machine in enumerate(made, 1)}
        fleet.kind()
        fleet.policy()
        _set_up(fleet, folder / "answers.yaml")
        yield fleet


def _set_up(fleet: Fleet, answers: Path) -> None:
    rows = [
        {
            "machine": f"root@{machine.address}", "machine_name": name, "name": name.replace("m-", "tiny-"),
            "key": str(machine.key), "fingerprint": machine.fingerprint(), "kind": tinykinds.NAME,
        }
        for name, machine in fleet.machines.items()
    ]  # fmt: skip
    answers.write_text(yaml.safe_dump({"machines": rows}))
    fleet.done("setup", "--answers", str(answers), "--yes", "--json")


def check_documents(typed: Typed) -> None:
    """See that every printed document fits the schema that is committed for it."""
    for line in (*typed.out.splitlines(), *typed.err.splitlines()):
        told = json.loads(line)
        validator: Any = Draft202012Validator(schema.form(next(iter(told.keys() - {"version"}))))
        validator.validate(told)


def until(what: str, holds: Callable[[], bool], within: float = 30) -> None:
    """Wait until it holds."""
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.1)
