"""Every text of a fleet's files, found by reflection, given what a shell, a path, a template or an option would obey.

Either the file is refused with its place, or the value goes through all that clawrack makes of it and stays one value:
no line of a spec more, no key of a configuration more, no file outside of the fleet's folder, no program run.
"""

import json
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest

from fleet import load
from fleet.base.errors import BadInput, ClawrackError
from fleet.groups import Group, Settings
from fleet.groups_file import FleetFile
from fleet.kinds import home_of, kind
from fleet.machine.target import hops_of
from fleet.model import Agent, Machine, Wish
from fleet.policy import Policy
from fleet.render import configs, target

MARK = "clawrack-was-here"
NASTY = (
    f"; touch {MARK}", f"$(touch {MARK})", f"`touch {MARK}`", f"a\ntouch {MARK}", f"-oProxyCommand=touch {MARK}",
    "-rf", "a\0b", "%h", f"'; touch {MARK}; '", f'" && touch {MARK} #', "../../../etc/passwd", "/etc/passwd",
    "x\nprivileged: true", 'x", "privileged": true, "y": "', "{{ 7 * 7 }}", "\x1b]0;owned\x07", "\u202egnp.exe", "",
    "a" * 5000,
)  # fmt: skip
SHAPES: dict[str, tuple[type[msgspec.Struct], dict[str, Any]]] = {
    "machines/attic.yaml": (Machine, {"address": "10.0.0.1"}),
    "agents/ada.yaml": (Agent, {"kind": "openclaw", "machine": "attic"}),
    "policy": (Policy, {}),
    "groups": (Group, {"count": 1}),
    "defaults": (Settings, {}),
}


def texts(shape: type[msgspec.Struct]) -> list[str]:
    """Return the fields that hold text, or a list or a table of texts."""
    hints = typing.get_type_hints(shape)
    return [name for name, kind in hints.items() if _holds_text(kind)]


def _holds_text(kind: Any) -> bool:
    return kind is str or any(_holds_text(part) for part in get_args(kind) if part is not ...)


def _listed(kind: Any) -> bool:
    return get_origin(kind) is tuple or any(_listed(part) for part in get_args(kind))


FIELDS = [(place, field) for place, (shape, _) in SHAPES.items() for field in texts(shape)]


def written(folder: Path, place: str, field: str, value: str) -> None:
    """Write a fleet whose one field is nasty."""
    shape, base = SHAPES[place]
    listed = _listed(typing.get_type_hints(shape)[field])
    told = {**base, field: [value] if listed else value}
    files: dict[str, Any] = {path: dict(base) for path, (_, base) in SHAPES.items() if path.endswith(".yaml")}
    if place in files:
        files[place] = told
    else:
        files["fleet.yaml"] = {"version": 1, place: {"team": told} if place == "groups" else told}
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(content))


def read(folder: Path) -> Wish:
    """Return the fleet; one whose files are refused, with the place, is empty."""
    try:
        return load.load(folder)
    except BadInput as error:
        if not re.search(r"\.yaml:\d+:\d+$", error.where):
            raise
        return Wish()


def test_every_struct_of_the_files_is_looked_through() -> None:
    known = {shape for shape, _ in SHAPES.values()} | {FleetFile}
    nested = {part for shape in known for part in _structs(shape)}
    assert nested <= known
    assert len(FIELDS) > 25


def _structs(shape: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()

    def walk(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found.add(kind)
        for part in get_args(kind):
            walk(part)

    for hint in typing.get_type_hints(shape).values():
        walk(hint)
    return found


@pytest.mark.parametrize(("place", "field"), FIELDS, ids=lambda value: str(value).replace("/", "-"))
def test_no_text_of_a_file_becomes_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, field: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, value in enumerate(NASTY):
        folder = tmp_path / str(number)
        written(folder, place, field, value)
        wish = read(folder)
        for name, agent in wish.agents.items():
            _stays_one_value(name, agent, value)
        for machine in wish.machines.values():
            _leads_to_no_option(machine)
        assert {path.parent for path in tmp_path.rglob("*.yaml")} <= {
            folder, folder / "agents", folder / "machines", *(tmp_path / str(n) for n in range(number)),
            *(tmp_path / str(n) / sub for n in range(number) for sub in ("agents", "machines")),
        }  # fmt: skip
    assert not list(tmp_path.rglob(f"*{MARK}*"))


def _stays_one_value(name: str, agent: Agent, value: str) -> None:
    try:
        which = kind(agent.kind)
    except ClawrackError:
        return
    plain = msgspec.structs.replace(agent, version="1", image="", ref="", model="practice")
    usual = target(name, plain, which, configs(home_of(agent.kind)))
    made = target(name, agent, which, configs(home_of(agent.kind)))
    assert len(made.spec) == len(usual.spec), value
    assert not any("\n" in line for line in made.spec), value
    assert {file: _shape_of(text) for file, text in made.files.items()} == {
        file: _shape_of(text) for file, text in usual.files.items()
    }


def _shape_of(text: str) -> object:
    def keys(value: Any) -> object:
        if isinstance(value, dict):
            return {key: keys(part) for key, part in typing.cast("dict[str, Any]", value).items()}
        return [keys(part) for part in typing.cast("list[Any]", value)] if isinstance(value, list) else None

    return keys(json.loads(text))


def _leads_to_no_option(machine: Machine) -> None:
    try:
        hops_of(machine.jump)
    except BadInput:
        return


def test_no_command_runs_what_stands_in_files(tmp_path: Path) -> None:
    value = f"-oProxyCommand=$(touch${{IFS}}{MARK});touch${{IFS}}{MARK};`touch${{IFS}}{MARK}`"
    told: dict[str, dict[str, Any]] = {"machines/attic.yaml": {"port": 1}, "agents/ada.yaml": {}}
    for place, fields in told.items():
        shape, base = SHAPES[place]
        for field in texts(shape):
            written(tmp_path / "one", place, field, value)
            if read(tmp_path / "one").machines:
                listed = _listed(typing.get_type_hints(shape)[field])
                fields[field] = [value] if listed else value
        told[place] = base | fields
    assert {"user", "address"} <= set(told["machines/attic.yaml"])
    told["agents/ada.yaml"] |= {"kind": "openclaw", "machine": "attic"}
    for path, content in told.items():
        file = tmp_path / "all" / path
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(content))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "CLAWRACK_LANG": "en", "PYTHONPATH": str(Path.cwd())}
    environment |= {"CLAWRACK_FLEET": str(tmp_path / "all"), "XDG_STATE_HOME": str(tmp_path / "state")}
    for words in (("status",), ("plan",), ("agent", "ask", "ada", "hello"), ("doctor",)):
        line = (sys.executable, "-m", "clawrack", *words, "--json")
        ended = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, timeout=60, check=False)
        assert ended.returncode in {0, 2, 3, 4, 5}, (words, ended.stderr[-500:])
    assert not list(tmp_path.rglob(f"*{MARK}*"))
