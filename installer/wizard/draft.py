"""A talk that was broken off: its answers, without secrets, kept until they are taken up or a setup is done."""

from pathlib import Path

import msgspec

from fleet.base.disk import replace
from fleet.base.errors import Refused, StateDamaged

FORMAT = 1


class _File(msgspec.Struct, frozen=True):
    version: int
    answers: dict[str, str]


class Draft:
    """The file of the last talk that was broken off."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """Return the answers, by question.

        Raises:
            Refused: there are none, or a newer clawrack wrote them.
            StateDamaged: the file is not whole.
        """
        try:
            found = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError as error:
            raise Refused("draft.none") from error
        except (OSError, msgspec.DecodeError) as error:
            raise StateDamaged("draft.damaged", where=str(self._path), path=self._path) from error
        if found.version > FORMAT:
            raise Refused("draft.newer", where=str(self._path), version=found.version)
        return found.answers

    def write(self, answers: dict[str, str]) -> None:
        """Keep the answers; the file is private."""
        replace(self._path, msgspec.json.encode(_File(FORMAT, answers)) + b"\n")

    def forget(self) -> None:
        """Keep them no more."""
        self._path.unlink(missing_ok=True)
