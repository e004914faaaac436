"""``shell``, of an agent and of a machine: a terminal at the far end, or a command through pipes.

What the far side prints reaches the terminal as it is, escape sequences too: that is what a shell is for.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec
import typer
from typer._click.core import Context, Parameter
from typer.core import TyperArgument

from clawrack.cli import show
from clawrack.cli.frame import AsTyped, Verb
from fleet.base.clean import clean
from fleet.base.errors import BadInput

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fleet.machine.port import Window
    from fleet.machine.process import Session

Command = Annotated[list[str] | None, typer.Argument(metavar="[-- COMMAND…]")]
_MOST = 1 << 20  # bytes kept of each output for --json


class ShellRan(msgspec.Struct, frozen=True, kw_only=True):
    """What a command in a shell left.

    Attributes:
        code: its exit code, and ours; 128 + n where signal n ended it.
        out: what it printed, with control characters as `�`.
        err: what it printed on standard error.
        cut: whether either was longer than 1 MB, and so not kept whole.
    """

    code: int
    out: str
    err: str = ""
    cut: bool = False


class Start(Protocol):
    """Starts a session on a terminal of that size, or on pipes."""

    def __call__(self, *, window: "Window | None" = None) -> "AbstractContextManager[Session]":
        """Start it."""
        ...


class Listing(Verb):
    """A command that takes any number of words, as they were typed; see ``frame.AsTyped``."""

    def get_params(self, ctx: Context) -> list[Parameter]:
        """Return its arguments and options."""
        params = super().get_params(ctx)
        for param in params:
            if isinstance(param, TyperArgument) and param.nargs == -1:
                reader = AsTyped(param.type_descriptor.parameter_info, param.type_descriptor.annotation)
                param._runtime_param = reader  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - no public way to it
        return params


def check(words: Sequence[str], path: str, *, json: bool) -> None:
    """See that there is something to do with the ends that we have.

    Raises:
        BadInput: JSON of a conversation, or a conversation without a terminal.
    """
    if not words and json:
        raise BadInput("shell.json_of_talk", path=path)
    if not words and not _at_terminal():
        raise BadInput("shell.no_tty", path=path)


def run(start: Start, *, json: bool) -> None:
    """Talk to a session until it ends, and end with its code.

    Raises:
        ClawrackError: it could not be started, or the machine is gone.
        Exit: with the far side's exit code.
    """
    code = _as_json(start) if json else _on_terminal(start) if _at_terminal() else _on_pipes(start)
    raise typer.Exit(code)


def _at_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _on_terminal(start: Start) -> int:
    from fleet.machine.shell import tty  # noqa: PLC0415 - a help page does without

    with start(window=tty.window()) as far:
        return tty.lend(far)


def _on_pipes(start: Start) -> int:
    from fleet.machine.shell.talk import Near, talk  # noqa: PLC0415 - likewise

    sys.stdout.flush()
    with start() as far:
        return talk(far, Near())


def _as_json(start: Start) -> int:
    from fleet.machine.shell.talk import Near, talk  # noqa: PLC0415 - likewise

    outputs = (bytearray(), bytearray())
    whole = True

    def kept(*more: bytes) -> bool:
        nonlocal whole
        for output, piece in zip(outputs, more, strict=True):
            room = _MOST - len(output)
            output.extend(piece[:room])
            whole = whole and len(piece) <= room
        return whole

    with start() as far:
        code = talk(far, Near(None if sys.stdin.isatty() else 0, kept=kept))
    out, err = (clean(bytes(output), _MOST) for output in outputs)
    show.as_json("shell", ShellRan(code=code, out=out, err=err, cut=not whole))
    return code
