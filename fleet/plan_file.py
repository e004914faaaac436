"""A plan in a file, as ``clawrack plan --out FILE`` writes it: what ``--json`` prints, for people and programs to read.

What is carried out is never the file: a fresh plan is made, and refused where its hash is another one.
"""

from pathlib import Path

import msgspec

from fleet.base.disk import replace
from fleet.base.errors import BadInput, Refused
from fleet.plan_view import PlanView

FORMAT = 1
_MOST = 64 << 20  # bytes


class _Document(msgspec.Struct, frozen=True):
    version: int


class _File(msgspec.Struct, frozen=True):
    version: int
    plan: PlanView


def save(path: Path, plan: PlanView) -> None:
    """Write a plan, for its owner alone.

    Raises:
        ActionFailed: it cannot be written.
    """
    document = msgspec.to_builtins(_File(FORMAT, plan), str_keys=True)
    replace(path, msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def load(path: Path) -> PlanView:
    """Return the plan of a file.

    Raises:
        BadInput: it cannot be read, or is none.
        Refused: a newer clawrack wrote it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST)
        if msgspec.json.decode(text, type=_Document).version > FORMAT:
            raise Refused("plan.newer", where=str(path))
        return msgspec.json.decode(text, type=_File).plan
    except OSError as error:
        raise BadInput("file.unreadable", where=str(path), reason=error.strerror or str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("plan.not_one", where=str(path)) from error
