"""What `--json` prints has a schema, the committed schemas are those of the structs, and what is printed fits them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError
from typer._click.core import Command, Context

from clawrack.cli import door, schema
from clawrack.cli.frame import NOUNS, Noun
from fleet.load import save_agent, save_machine
from fleet.model import Agent, Machine
from fleet.schema import document

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs/schema"


def tree() -> dict[str, Command]:
    """Every command that does something, by its words."""
    with door.root().make_context("clawrack", [], resilient_parsing=True) as ctx:
        return _below(ctx, ctx.command, NOUNS, ())


def _below(ctx: Context, command: Command, names: Any, path: tuple[str, ...]) -> dict[str, Command]:
    found: dict[str, Command] = {}
    for name in names:
        below = getattr(command, "get_command")(ctx, name)  # noqa: B009 - a group has it, a command has not
        words = (*path, name)
        found |= _below(ctx, below, below.list_commands(ctx), words) if isinstance(below, Noun) else {
            " ".join(words): below
        }  # fmt: skip
    return found


TREE = tree()
SPEAKING = [words for words, command in TREE.items() if any("--json" in param.opts for param in command.params)]


def inner(whole: Any) -> list[dict[str, Any]]:
    """A schema and all schemas inside of it."""
    if isinstance(whole, list):
        return [found for item in cast("list[Any]", whole) for found in inner(item)]
    if not isinstance(whole, dict):
        return []
    one = cast("dict[str, Any]", whole)
    return [one, *(found for value in one.values() for found in inner(value))]


def checked(form: dict[str, Any], told: Any) -> None:
    """Check a value against a schema."""
    validator: Any = Draft202012Validator(form)
    validator.validate(told)


def fits(printed: str) -> str:
    """Check a printed document against its schema, and return its name."""
    told = json.loads(printed)
    (name,) = told.keys() - {"version"}
    checked(schema.form(name), told)
    return name


def clawrack(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "CLAWRACK_LANG": "en", "PYTHONUTF8": "1"}
    line = [sys.executable, "-m", "clawrack", *words]
    return subprocess.run(line, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("words", SPEAKING)
def test_every_command_that_speaks_json_says_which_documents(words: str) -> None:
    assert schema.COMMANDS.get(words)


def test_every_command_that_says_which_documents_exists_and_speaks_json() -> None:
    assert sorted(schema.COMMANDS.keys() - set(SPEAKING)) == []


def test_the_committed_schemas_are_those_of_the_structs() -> None:
    stale = "run: clawrack schema --out docs/schema"
    made = schema.pages()
    assert {path.name for path in COMMITTED.iterdir()} == set(made), stale
    assert [name for name, text in made.items() if (COMMITTED / name).read_text(encoding="utf-8") != text] == [], stale


@pytest.mark.parametrize("name", schema.documents())
def test_a_schema_is_valid_and_strict_in_all_its_parts(name: str) -> None:
    whole = schema.form(name)
    Draft202012Validator.check_schema(whole)
    loose = [part for part in inner(whole) if "properties" in part and part.get("additionalProperties") is not False]
    assert loose == []


class Cargo(msgspec.Struct, frozen=True):
    """A thing
    to carry.

    Attributes:
        weight: kilograms, and what
            follows.
        left, right: where it hangs.
    """

    weight: int
    left: str = ""
    right: str = ""


class Sparse(msgspec.Struct, frozen=True, omit_defaults=True):
    weight: int
    note: str = ""


def test_a_schema_says_what_the_docstrings_say() -> None:
    part = document("cargo", list[Cargo], 1)["$defs"]["Cargo"]
    assert part["description"] == "A thing to carry."
    assert part["properties"]["weight"]["description"] == "kilograms, and what follows."
    assert part["properties"]["left"]["description"] == part["properties"]["right"]["description"] == "where it hangs."


def test_a_field_with_a_default_is_always_printed_unless_its_struct_leaves_it_out() -> None:
    assert document("cargo", Cargo, 1)["$defs"]["Cargo"]["required"] == ["left", "right", "weight"]
    assert document("sparse", Sparse, 1)["$defs"]["Sparse"]["required"] == ["weight"]


@pytest.mark.parametrize(
    "spoilt",
    [
        {"version": 1, "cargo": {"weight": 1, "left": "", "right": "", "more": 1}},
        {"version": 1, "cargo": {"weight": "1", "left": "", "right": ""}},
        {"version": 1, "cargo": {"weight": 1, "left": ""}},
        {"version": 2, "cargo": {"weight": 1, "left": "", "right": ""}},
        {"version": 1, "cargo": {"weight": 1, "left": "", "right": ""}, "more": 1},
        {"cargo": {"weight": 1, "left": "", "right": ""}},
    ],
)
def test_a_document_with_too_much_too_little_or_something_else_does_not_fit(spoilt: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        checked(document("cargo", Cargo, 1), spoilt)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("agent", "list"), "agents"),
        (("machine", "list"), "machines"),
        (("status",), "status"),
        (("usage",), "usage"),
        (("schema",), "schemas"),
        (("schema", "event"), "schema"),
        (("self", "show"), "installation"),
        (("self", "formats"), "formats"),
        (("completion", "bash"), "completion"),
    ],
)
def test_what_needs_no_machine_fits_its_schema(tmp_path: Path, words: tuple[str, ...], name: str) -> None:
    done = clawrack(tmp_path, *words, "--json")
    assert (done.returncode, fits(done.stdout)) == (0, name), done


@pytest.mark.parametrize(
    ("words", "said"), [("status", ""), ("machine list", ""), ("agent list", ""), ("usage", "silent")]
)
def test_what_is_said_of_a_silent_machine_fits_its_schema(tmp_path: Path, words: str, said: str) -> None:
    folder = tmp_path / ".config/clawrack/fleet"
    save_machine(folder, "attic", Machine(address="127.0.0.2", port=1))
    save_agent(folder, "helper", Agent(kind="openclaw", machine="attic"))
    done = clawrack(tmp_path, *words.split(), "--json")
    assert (done.returncode, fits(done.stdout)) == (0, next(iter(schema.COMMANDS[words]))), done
    assert (fits(done.stderr) if done.stderr else "") == said


@pytest.mark.parametrize("words", [words for words in SPEAKING if words not in {"setup", "schema"}])
def test_every_error_fits_its_schema(tmp_path: Path, words: str) -> None:
    done = clawrack(tmp_path, *words.split(), "--json", "--no-such-option")
    assert done.stdout == ""
    assert fits(done.stderr) == "error"
    assert json.loads(done.stderr)["error"]["exit_code"] == done.returncode == 2


def test_a_damaged_folder_is_an_error_that_fits(tmp_path: Path) -> None:
    folder = tmp_path / ".config/clawrack/fleet"
    folder.mkdir(parents=True)
    (folder / "fleet.yaml").write_text("version: [")
    done = clawrack(tmp_path, "status", "--json")
    assert (done.returncode, fits(done.stderr)) == (2, "error")


def test_a_schema_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    done = clawrack(tmp_path, "schema", "statsu")
    assert done.returncode == 2
    assert "status" in done.stderr


def test_every_schema_is_printed_as_it_is_committed(tmp_path: Path) -> None:
    assert clawrack(tmp_path, "schema", "status").stdout == (COMMITTED / "status.json").read_text(encoding="utf-8")


def test_no_code_prints_a_document_that_is_in_no_list() -> None:
    names = set(schema.documents())
    for path in (ROOT / "clawrack").rglob("*.py"):
        told = re.findall(r'as_json\(\s*"([^"]+)"', path.read_text(encoding="utf-8"))
        assert set(told) <= names, path


def test_people_are_not_shown_the_commands_that_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    from clawrack.cli.self_ import app  # noqa: PLC0415 - only here

    schema.schema()
    told = capsys.readouterr().out
    hidden = {
        f"self {command.callback.__name__}"
        for command in app.registered_commands
        if command.hidden and command.callback
    }
    assert hidden == schema.HIDDEN
    assert [name for name in hidden if name in told] == []
    assert "self show" in told
