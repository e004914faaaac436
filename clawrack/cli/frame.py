"""The tree of commands. A noun's module is imported when the noun is typed, so that the others cost nothing."""

import difflib
import importlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer
from typer._click.core import Command, Context, Parameter
from typer._click.exceptions import UsageError
from typer._coercion import RuntimeParam
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from clawrack.cli.pages import page
from fleet.base.errors import BadInput

NOUNS = (
    "setup",
    "booth",
    "detect",
    "cloud-init",
    "agent",
    "machine",
    "fleet",
    "plan",
    "apply",
    "upgrade",
    "rollback",
    "rollout",
    "status",
    "events",
    "doctor",
    "usage",
    "key",
    "backup",
    "image",
    "tui",
    "support-bundle",
    "schema",
    "self",
    "completion",
)


@dataclass(frozen=True)
class AsTyped(RuntimeParam):
    """Takes texts and flags as they were typed; Typer would ask pydantic, which takes longer to import than we do."""

    def _coerce_value(self, value: Any, param: Any, ctx: Context) -> Any:  # noqa: ANN401 - Typer's own signature
        del param, ctx
        return value


def plain(params: list[Parameter]) -> list[Parameter]:
    """Return the parameters, those of plain texts and flags read without pydantic."""
    for param in params:
        if isinstance(param, (TyperOption, TyperArgument)) and param.type_descriptor.annotation in {str, bool}:
            reader = AsTyped(param.type_descriptor.parameter_info, param.type_descriptor.annotation)
            param._runtime_param = reader  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - no public way to it
    return params


def options_have_values(params: Sequence[Parameter], args: Sequence[str], path: str) -> None:
    """Check that no option takes the next option for its value: ``--machine --yes`` names no machine.

    Raises:
        BadInput: one does.
    """
    options = [param for param in params if param.param_type_name == "option"]
    names = {name for param in options for name in (*param.opts, *param.secondary_opts)}
    takers = {name for param in options if not getattr(param, "is_flag", False) for name in param.opts}
    for word, after in itertools.pairwise(itertools.takewhile(lambda word: word != "--", args)):
        if word in takers and after in names:
            raise BadInput("line.no_value", option=word, path=path)


class Verb(TyperCommand):
    """A command that does something."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return its arguments and options."""
        return plain(super().get_params(ctx))

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the line.

        Raises:
            BadInput: a word is left over, or an option lacks its value.
            UsageError: it cannot be read; the context says which command it was for.
        """
        options_have_values(self.get_params(ctx), args, ctx.command_path)
        ctx.allow_extra_args = True
        try:
            left = super().parse_args(ctx, list(args))
        except UsageError as error:
            error.ctx = error.ctx or ctx
            raise
        if left and not ctx.resilient_parsing:
            raise BadInput("line.too_much", word=left[0], path=ctx.command_path)
        return left

    def get_help(self, ctx: Context) -> str:
        """Return its page."""
        return page(ctx)


class Noun(TyperGroup):
    """A command that has others below it; typed alone it shows its page."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return its options."""
        return plain(super().get_params(ctx))

    def get_help(self, ctx: Context) -> str:
        """Return its page."""
        return page(ctx, self.shown(ctx))

    def shown(self, ctx: Context) -> list[str]:
        """Return the names of the commands below it that are for people."""
        return [name for name in self.list_commands(ctx) if not getattr(self.get_command(ctx, name), "hidden", False)]

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the line; with nothing on it, ask for the page."""
        try:
            return super().parse_args(ctx, args or ["--help"])
        except UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """Return the command that the line names.

        Raises:
            BadInput: there is none of that name.
        """
        names = self.list_commands(ctx)
        if not args[0].startswith("-") and args[0] not in names:
            raise _unknown(args[0], ctx.command_path, self.shown(ctx))
        return super().resolve_command(ctx, args)


class Root(Noun):
    """``clawrack`` itself."""

    def list_commands(self, ctx: Context) -> list[str]:
        """Return the nouns, in the order in which a person meets them."""
        del ctx
        return list(NOUNS)

    def shown(self, ctx: Context) -> list[str]:
        """Return the nouns; none is hidden, and none is imported for this."""
        return self.list_commands(ctx)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Return a noun's command, importing its module."""
        del ctx
        if cmd_name not in NOUNS:
            return None
        command = typer.main.get_command(importlib.import_module(f"clawrack.cli.{module_of(cmd_name)}").app)
        command.name = cmd_name
        return command


def module_of(noun: str) -> str:
    """Return the name of a noun's module: a hyphen is an underscore there, and `self` is no name for a module."""
    return "self_" if noun == "self" else noun.replace("-", "_")


def noun() -> typer.Typer:
    """Return the application of a noun that has verbs below it."""
    app = typer.Typer(cls=Noun, add_completion=False, rich_markup_mode=None)
    app.callback()(lambda: None)
    return app


def lone() -> typer.Typer:
    """Return the application of a noun that is its own verb."""
    return typer.Typer(add_completion=False, rich_markup_mode=None)


def _unknown(name: str, path: str, names: Sequence[str]) -> BadInput:
    near = difflib.get_close_matches(name, names, 1)
    if near:
        return BadInput("line.near_command", name=name, near=near[0], path=path)
    return BadInput("line.no_command", name=name, path=path)
