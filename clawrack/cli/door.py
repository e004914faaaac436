"""One line of the command line, from its words to its exit code."""

import sys
from collections.abc import Sequence

import typer
from typer._click.core import Command

from clawrack import version
from clawrack.cli.frame import Root
from clawrack.cli.terminal import careful


def run(words: Sequence[str]) -> int:
    """Run one line and return its exit code; whatever goes wrong is told on standard error."""
    careful()
    try:
        return _invoke(list(words))
    except typer.Exit as end:
        return end.exit_code
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the door is where all of them end
        from clawrack.cli import failing  # noqa: PLC0415 - a line that is carried out does not wait for it

        if isinstance(error, BrokenPipeError):
            return failing.reader_gone()
        return failing.tell(error, words, as_json=wants_json(words))


def wants_json(words: Sequence[str]) -> bool:
    """Return whether the line asks for JSON, even where the rest of it cannot be read."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options


def root() -> Command:
    """Return the tree of commands."""
    app = typer.Typer(cls=Root, add_completion=False, rich_markup_mode=None)
    app.callback(invoke_without_command=True)(_root)
    return typer.main.get_command(app)


def _root(*, version_: bool = typer.Option(False, "--version")) -> None:
    if version_:
        print(f"clawrack {version()}")
        raise typer.Exit


def _invoke(words: list[str]) -> int:
    command = root()
    with command.make_context("clawrack", words) as ctx:
        command.invoke(ctx)
    sys.stdout.flush()
    return 0
