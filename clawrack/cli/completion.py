"""``clawrack completion``: the script with which a shell completes a line.

All that can be typed is in the script, so that a TAB starts no Python: a table made from the tree of commands, with
what each is in both languages for the shells that show it. Only names come from the disk, as the shell sees them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, get_args

import msgspec
import typer
from typer._click.core import Command, Context, Parameter
from typer._click.exceptions import BadParameter, MissingParameter
from typer.core import TyperArgument, TyperOption

import templates
from clawrack.cli import show
from clawrack.cli.common import Json, here
from clawrack.cli.frame import Noun, Verb, lone
from fleet.base.errors import BadInput
from fleet.base.words import LANGUAGES, catalogue
from fleet.kinds import homes

app = lone()
Shell = Literal["bash", "zsh", "fish"]
MARK = "#-- table --\n"
_FILES = {"FILE": "files", "PATH": "files", "FOLDER": "folders"}
_NAMES = {"AGENT": "agents", "SELECTOR": "agents", "MACHINE": "machines"}
_NOUNS = {"agent": "agents", "machine": "machines", "doctor": "names"}
NOTHING = "none"


class Script(msgspec.Struct, frozen=True):
    """A script for a shell, and which shell."""

    shell: str
    script: str


class Row(msgspec.Struct, frozen=True):
    """One thing that may come at a place.

    Attributes:
        sort: ``c`` a command, ``o`` an option, ``a`` an argument, ``a+`` one that takes all that follow.
        name: as it is typed; of an argument, what stands for it on the page.
        value: what its value is: agents, machines, names (of both), files, folders, ``kinds:…``, ``words:…``, none;
            ``-`` for no value.
        keys: of the words that say what it is; the first that is there counts.
    """

    sort: str
    name: str
    value: str
    keys: tuple[str, ...]


class Shells(Verb):
    """A command that takes a shell's name, and says which it was given where it knows none of that name."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the line.

        Raises:
            BadInput: there is no script for that shell.
        """
        try:
            return super().parse_args(ctx, args)
        except MissingParameter:
            raise
        except BadParameter as error:
            typed = next((word for word in args if not word.startswith("-")), "")
            raise BadInput("completion.no_shell", text=typed, known=", ".join(get_args(Shell))) from error


@app.command(cls=Shells)
def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL")], *, json: Json = False) -> None:
    """Print the script with which a shell completes a line."""
    text = script(shell)
    if json:
        show.as_json("completion", Script(shell, text))
    else:
        here().line(text.rstrip())


def script(shell: Shell) -> str:
    """Return the script for a shell."""
    head, mark, tail = templates.text("completion", f"clawrack.{shell}").partition(MARK)
    case = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return head + "".join(case(place, rows) for place, rows in table()) + tail if mark else head


def table() -> list[tuple[str, list[Row]]]:
    """Return every place of a line (the commands before it) and what may come there."""
    from clawrack.cli.door import root  # noqa: PLC0415 - the door knows all nouns, and this is one of them

    with root().make_context("clawrack", ["--version"], resilient_parsing=True) as ctx:
        return list(_places(ctx, ctx.command, ()))


def _places(ctx: Context, command: Command, path: tuple[str, ...]) -> Iterator[tuple[str, list[Row]]]:
    below = command.shown(ctx) if isinstance(command, Noun) else []
    commands = [Row("c", name, "-", (_key((*path, name)),)) for name in below]
    yield " ".join(path), [*commands, *_params(command.get_params(ctx), path)]
    for name in below:
        found = getattr(command, "get_command")(ctx, name)  # noqa: B009 - a noun has it, a command has not
        yield from _places(ctx, found, (*path, name))


def _params(params: Sequence[Parameter], path: tuple[str, ...]) -> Iterator[Row]:
    for param in params:
        name = (param.name or "").strip("_")
        keys = (f"{_key(path)}.{name}", f"help.param.{name}")
        if getattr(param, "hidden", False):
            continue
        if param.param_type_name == "argument":
            yield Row("a+" if param.nargs == -1 else "a", param.metavar or name.upper(), value_of(param, path), keys)
        else:
            for option in (*param.opts, *param.secondary_opts):
                yield Row("o", option, value_of(param, path), keys)


def value_of(param: Parameter, path: Sequence[str]) -> str:
    """Return what a parameter's value is, for a shell."""
    if getattr(param, "is_flag", False) or not isinstance(param, (TyperOption, TyperArgument)):
        return "-"
    metavar = re.sub("[^A-Z]", "", param.metavar or "")
    choices = param.type_descriptor.choices
    if choices is not None:
        return f"words:{' '.join(str(getattr(choice, 'value', choice)) for choice in choices)}"
    if metavar == "KIND" or param.name == "kind":
        return f"kinds:{' '.join(sorted(homes()))}"
    if metavar in _FILES or param.type_descriptor.is_path:
        return _FILES.get(metavar, "files")
    return _NAMES.get(metavar) or (_NOUNS.get(path[0], NOTHING) if path and metavar == "NAME" else NOTHING)


def _key(path: Sequence[str]) -> str:
    return ".".join(("help", *(path or ("clawrack",))))


def said(row: Row, language: str) -> str:
    """Return what the words say of a row, on one line; nothing where they are silent."""
    texts = catalogue(language)
    return next((" ".join(texts[key].split()) for key in row.keys if key in texts), "")


def _bash(place: str, rows: Sequence[Row]) -> str:
    lines = "\n".join(f"{row.sort}\t{row.name}\t{row.value}" for row in rows)
    return f"    '{place}') table={_quoted(lines)} ;;\n"


def _zsh(place: str, rows: Sequence[Row]) -> str:
    return "".join(f"    '{code}:{place}') table={_quoted(_lines(rows, code))} ;;\n" for code in LANGUAGES)


def _fish(place: str, rows: Sequence[Row]) -> str:
    return "".join(_fish_case(f"{code}:{place}", _lines(rows, code).splitlines()) for code in LANGUAGES)


def _fish_case(place: str, lines: Sequence[str]) -> str:
    printed = " \\\n                ".join(("printf '%s\\n'", *map(_for_fish, lines)))
    return f"        case '{place}'\n            {printed}\n"


def _lines(rows: Sequence[Row], code: str) -> str:
    return "\n".join(f"{row.sort}\t{row.name}\t{row.value}\t{said(row, code)}" for row in rows)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _for_fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
