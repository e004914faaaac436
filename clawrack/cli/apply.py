"""``clawrack apply``: make the fleet what its files say, wave by wave."""

import json as reader
from pathlib import Path
from typing import Annotated, Any

import typer

from clawrack.cli.common import Json, Yes, open_fleet
from clawrack.cli.frame import Verb, lone
from clawrack.cli.rolled import Asking, Selectors, Touch, carry
from fleet.base.errors import BadInput

app = lone()
_MOST = 64 << 20  # bytes of a saved plan


@app.command(cls=Verb)
def apply(  # noqa: PLR0913 - it is told from many sides what, and how a yes is come by
    selectors: Selectors = None,
    *,
    plan: Annotated[Path | None, typer.Option("--plan", metavar="FILE")] = None,
    hash_: Annotated[str, typer.Option("--hash", metavar="H")] = "",
    again: Annotated[bool, typer.Option("--again")] = False,
    yes: Yes = False,
    touch: Touch = 0,
    json: Json = False,
) -> None:
    """Carry out what `clawrack plan` shows."""
    fleet, chosen = open_fleet(), selectors or []
    reviewed = _fingerprint(plan) if plan else hash_
    asking = Asking(yes=yes or bool(reviewed), touch=touch, as_json=json)
    asked = ("apply", *chosen, *(("--again",) if again else ()))
    carry(fleet, asked, lambda: fleet.apply_plan(chosen, reviewed, again=again), asking, as_json=json)


def _fingerprint(path: Path) -> str:
    """Return the hash of a plan that ``clawrack plan --json`` printed.

    Raises:
        BadInput: the file is none.
    """
    try:
        with path.open("rb") as file:
            told: Any = reader.loads(file.read(_MOST))
        found: Any = told["plan"]["hash"]
    except OSError as error:
        raise BadInput("file.unreadable", where=str(path), reason=error.strerror or str(error)) from error
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise BadInput("plan.not_one", where=str(path)) from error
    if not isinstance(found, str):
        raise BadInput("plan.not_one", where=str(path))
    return found
