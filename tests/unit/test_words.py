"""The words: both languages say the same things, every error has its sentences, and no text is left over."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer._click.core import Command, Context

from clawrack.cli.door import root
from clawrack.cli.frame import Noun
from fleet.base import errors
from fleet.base.words import catalogue, placeholders

ROOT = Path(__file__).parents[2]
PACKAGES = ("clawrack", "tui", "installer", "fleet")
EN, ZH = catalogue("en"), catalogue("zh")
ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
# Parts of keys that the code puts together; the rest of the key is a name of the code's own (a field, a state …).
COMPOSED = ("help.", "field.", "value.")
PARTS = (".what", ".why", ".next", ".instead")
# A command in a next step, with what follows it in the same breath.
TYPED = re.compile(r"(?:^|: |\uff1a|then |然后 )clawrack ([^,;(\n\uff0c\uff08]+)", re.MULTILINE)
KINDS = (".begun", ".progress", ".done", ".already", ".failed", ".unknown", ".note", ".would")


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def raised() -> Iterator[tuple[str, str]]:
    """Yield where and with which key each error of ours is made."""
    subclasses = set(ERRORS)
    for _, tree in sources():
        subclasses |= {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and _bases(n) & subclasses}
    for path, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _name(node.func) in subclasses and node.args:
                yield from ((f"{path.relative_to(ROOT)}:{node.lineno}", key) for key in _texts(node.args[0]))


def _bases(node: ast.ClassDef) -> set[str]:
    return {_name(base) for base in node.bases}


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _texts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body), *_texts(node.orelse)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def mentioned() -> set[str]:
    """Every word of the code that looks like a key, and the beginnings of those that are put together."""
    shell = [path.read_text(encoding="utf-8") for path in ROOT.glob("installer/**/*.sh")]
    texts = {node.value for _, tree in sources() for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    found = {text for text in texts if isinstance(text, str)}
    return found | {word for text in shell for word in re.findall(r"[a-z_]+(?:\.[a-z_]+)+", text)}


def test_both_languages_have_the_same_texts() -> None:
    assert EN.keys() ^ ZH.keys() == set()


@pytest.mark.parametrize("key", sorted(EN.keys() & ZH.keys()))
def test_both_texts_of_a_key_have_the_same_placeholders(key: str) -> None:
    assert placeholders(EN[key]) == placeholders(ZH[key])


def test_no_text_is_empty_or_has_space_around_it() -> None:
    bad = [key for words in (EN, ZH) for key, text in words.items() if not text.strip() or text != text.strip()]
    assert [key for key in bad if key != "help.heading.usage"] == []


def test_every_error_that_is_raised_says_what_and_what_next() -> None:
    said = list(raised())
    assert len(said) > 40
    missing = {(at, f"{key}{part}") for at, key in said for part in (".what", ".next") if f"{key}{part}" not in EN}
    assert missing == set()


def test_a_next_step_can_be_typed_or_done() -> None:
    """It names a command, or is a sentence that begins with a verb: never empty, never a link."""
    assert [key for key, text in EN.items() if key.endswith(".next") and (len(text) < 3 or "://" in text)] == []


def test_every_text_is_used() -> None:
    """By its whole key, by the error it belongs to, or by a beginning that the code completes."""
    words = mentioned()
    left = [key for key in EN if not key.startswith(COMPOSED) and not _used(key, words)]
    assert left == []


def _used(key: str, words: set[str]) -> bool:
    stem = next((key.removesuffix(end) for end in (*PARTS, *KINDS) if key.endswith(end)), key)
    if {key, stem} & words:
        return True
    return any(key.startswith(word) for word in words if "." in word and word.endswith((".", "_")))


def test_chinese_is_chinese() -> None:
    """Everything that is not a command to type, a name, or only the values of placeholders holds Chinese characters."""
    commands = (".next", ".instead", ".example")
    latin = [key for key, text in ZH.items() if not re.search("[\u4e00-\u9fff]", text) and not key.endswith(commands)]
    assert [key for key in latin if " " in re.sub(r"\{\w+\}", "", ZH[key])] == []


def test_chinese_has_chinese_punctuation() -> None:
    odd = [key for key, text in ZH.items() if re.search("[\u4e00-\u9fff](?:[,;!?]|[.:](?:\\s|$))", text)]
    assert odd == []


@pytest.mark.parametrize("words", [EN, ZH], ids=["en", "zh"])
def test_every_command_that_a_text_tells_to_type_exists(words: dict[str, str]) -> None:
    with root().make_context("clawrack", ["--version"], resilient_parsing=True) as ctx:
        steps = {key: text for key, text in words.items() if key.endswith((".next", ".instead", ".example"))}
        wrong = [key for key, text in steps.items() for line in TYPED.findall(text) if not _can_be_typed(line, ctx)]
    assert wrong == []


def _can_be_typed(line: str, ctx: Context) -> bool:
    """Follow the line's words down the tree of commands, and look its options up there."""
    command: Command | None = ctx.command
    for word in line.split():
        if isinstance(command, Noun) and not word.startswith("-"):
            command = command.get_command(ctx, word)
    if command is None:
        return False
    options = {"--help", *(name for param in command.get_params(ctx) for name in (*param.opts, *param.secondary_opts))}
    return set(re.findall(r"--[a-z0-9-]+", line)) <= options
