"""Help pages, in the language in use, measured in cells; every page ends with an example."""

from collections.abc import Iterable, Sequence

from typer._click.core import Context, Parameter

from fleet.base.cells import pad, width, wrap
from fleet.base.words import find, say

WIDE = 80


def page(ctx: Context, commands: Iterable[str] = ()) -> str:
    """Return the help page of the command that the context stands for; ``commands`` are those below it."""
    path = tuple(ctx.command_path.split()[1:])
    params = [param for param in ctx.command.get_params(ctx) if not getattr(param, "hidden", False)]
    arguments = [param for param in params if param.param_type_name == "argument"]
    options = [param for param in params if param.param_type_name != "argument"]
    blocks = [
        wrap(f"{say('help.heading.usage')}{usage(ctx, params, commands)}", WIDE),
        wrap(say(_key(path)), WIDE, "  "),
        _section("help.heading.commands", [(name, say(_key((*path, name)))) for name in commands]),
        _section("help.heading.arguments", [_row(path, param) for param in arguments]),
        _section("help.heading.options", [_row(path, param) for param in options]),
        [say("help.heading.example"), *(f"  {line}" for line in say(f"{_key(path)}.example").splitlines())],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def usage(ctx: Context, params: Sequence[Parameter], commands: Iterable[str]) -> str:
    """Return the line that shows how the command is typed."""
    arguments = [_label(param) for param in params if param.param_type_name == "argument"]
    last = say("help.metavar.command") if commands else f"[{say('help.metavar.options')}]"
    return " ".join((ctx.command_path, *arguments, last))


def _key(path: Sequence[str]) -> str:
    return ".".join(("help", *(path or ("clawrack",))))


def _section(title: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    left = min(30, max(width(label) for label, _ in rows))
    lines = [say(title)]
    for label, text in rows:
        first, *rest = wrap(text, WIDE - left - 4)
        if width(label) > left:
            lines.append(f"  {label}")
            label = ""  # noqa: PLW2901 - the text begins on a line of its own
        lines.append(f"  {pad(label, left)}  {first}".rstrip())
        lines += [" " * (left + 4) + line for line in rest]
    return lines


def _row(path: Sequence[str], param: Parameter) -> tuple[str, str]:
    name = (param.name or "").strip("_")
    own = f"{_key(path)}.{name}"
    return _label(param), say(own if find(own) else f"help.param.{name}")


def _label(param: Parameter) -> str:
    metavar = param.metavar or (param.name or "").strip("_").upper()
    if param.param_type_name == "argument":
        return metavar
    names = "/".join((", ".join(sorted(param.opts, key=len)), *param.secondary_opts))
    return names if getattr(param, "is_flag", False) else f"{names} {metavar}"
