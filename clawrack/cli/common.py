"""What the nouns share: the options of every command, and listening to long work."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from clawrack.cli import steps
from clawrack.cli.terminal import Terminal, terminal
from fleet.base.event import Listener

if TYPE_CHECKING:
    from fleet.api import Fleet

Json = Annotated[bool, typer.Option("--json")]
Name = Annotated[str, typer.Argument(metavar="NAME")]
Yes = Annotated[bool, typer.Option("--yes")]


def open_fleet() -> "Fleet":
    """Return the fleet; what it stands on is imported here, so that a help page does not wait for it."""
    from clawrack import wire  # noqa: PLC0415 - see above

    return wire.open_fleet()


def here() -> Terminal:
    """Return what is known of standard output."""
    return terminal(sys.stdout)


@contextmanager
def listening(*, as_json: bool, subjects: bool = False) -> Generator[Listener]:
    """Yield a listener that prints events: as lines for a person, which may name what they are about, or as JSON."""
    if as_json:
        yield steps.as_json
    else:
        with steps.Steps(here(), subjects=subjects) as shown:
            yield shown
