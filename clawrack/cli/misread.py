"""What the reader of the command line says, in our words: Typer's own sentences are English, and name no command."""

from typing import get_args

from typer._click import exceptions as usage
from typer._click.core import Parameter
from typer.core import TyperArgument, TyperOption
from typer.exceptions import TyperException

from fleet.base.clean import line
from fleet.base.errors import BadInput


def misread(error: TyperException) -> BadInput:
    """Return an error of the reader's as one of ours; it names the command whose page helps."""
    path = error.ctx.command_path if isinstance(error, usage.UsageError) and error.ctx else "clawrack"
    match error:
        case usage.NoSuchOption():
            near = next(iter(error.possibilities or ()), "")
            key = "line.near_option" if near else "line.no_option"
            return BadInput(key, option=error.option_name, near=near, path=path)
        case usage.MissingParameter():
            return BadInput("line.missing", name=_hint(error.param), path=path)
        case usage.BadParameter():
            return _bad_value(error, path)
        case usage.BadOptionUsage():
            key = "line.takes_no_value" if _is_flag(error) else "line.no_value"
            return BadInput(key, option=error.option_name, path=path)
        case _:
            return BadInput("line.misread", reason=line(error.format_message()), path=path)


def _is_flag(error: usage.BadOptionUsage) -> bool:
    params = error.ctx.command.get_params(error.ctx) if error.ctx else []
    meant = [param for param in params if error.option_name in (*param.opts, *param.secondary_opts)]
    return any(getattr(param, "is_flag", False) for param in meant)


def _bad_value(error: usage.BadParameter, path: str) -> BadInput:
    """Return what a value should have been, by its parameter's own description."""
    name, param = _hint(error.param), error.param
    if not isinstance(param, (TyperOption, TyperArgument)):
        return BadInput("line.bad_value", name=name, reason=line(error.message), path=path)
    type_ = param.type_descriptor
    if type_.choices is not None:
        choices = ", ".join(str(getattr(choice, "value", choice)) for choice in type_.choices)
        return BadInput("line.not_one_of", name=name, choices=choices, path=path)
    if type_.is_path:
        return BadInput("line.not_a_path", name=name, path=path)
    numbers = {part for part in (type_.annotation, *get_args(type_.annotation)) if part in {int, float}}
    return _bad_number(param, name, path, whole=int in numbers) if numbers else _other(error, name, path)


def _bad_number(param: TyperOption | TyperArgument, name: str, path: str, *, whole: bool) -> BadInput:
    info = param.type_descriptor.parameter_info
    limits = {key: f"{value:g}" for key, value in (("least", info.min), ("most", info.max)) if value is not None}
    stem = "line.not_whole_" if whole else "line.not_a_number_"
    return BadInput(f"{stem}{'_'.join(limits) or 'any'}", name=name, path=path, **limits)


def _other(error: usage.BadParameter, name: str, path: str) -> BadInput:
    return BadInput("line.bad_value", name=name, reason=line(error.message), path=path)


def _hint(param: Parameter | None) -> str:
    if param is None:
        return ""
    return param.opts[0] if param.param_type_name == "option" else getattr(param, "display_name_raw", param.name or "")
