"""Secrets in one file, encrypted by age under a passphrase that is asked once."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from fleet.base import formats
from fleet.base.errors import BadInput, Refused, StateDamaged
from fleet.base.secret import Secret
from fleet.vault import age, whole

FORMAT = formats.FORMATS["vault"]
VARIABLE = "CLAWRACK_VAULT_PASSPHRASE"
SHORTEST = 8  # characters
Asks = Callable[[bool], Secret | None]
"""Returns the passphrase that a person types (a new one where True); None where nobody is there, or wants none."""


def nobody(new: bool) -> Secret | None:
    """Know no passphrase, and ask nobody."""
    del new


class _Stored(msgspec.Struct, frozen=True):
    """The file: its format, and the secrets as age has encrypted them (base64)."""

    sealed: str
    version: int = FORMAT


class SealedFile:
    """The file. Without its passphrase it can be neither read nor added to."""

    def __init__(self, path: Path, ask: Asks) -> None:
        self.path = path
        self._ask = ask
        self._passphrase: Secret | None = None

    @property
    def exists(self) -> bool:
        """Whether there is one."""
        return self.path.exists()

    def get(self, name: str) -> Secret | None:
        """Return a secret, or None where it holds none of that name.

        Raises:
            Refused: nobody told the passphrase, or a newer clawrack wrote it.
            BadInput: it was the wrong one.
            StateDamaged: the file is not whole.
        """
        value = self._open().get(name)
        return None if value is None else Secret(value)

    def put(self, name: str, value: Secret) -> None:
        """Keep a secret; errors as for ``get``."""
        self._write(self._open() | {name: value.reveal()})

    def drop(self, name: str) -> None:
        """Keep a secret no longer; errors as for ``get``."""
        if self.exists:
            self._write({key: value for key, value in self._open().items() if key != name})

    def _open(self) -> dict[str, str]:
        stored = _stored(self.path)
        if stored is None:
            return {}
        try:
            plain = age.unlock(base64.b64decode(stored.sealed), self._known(new=False))
        except age.NotThisKey as error:
            self._passphrase = None
            raise BadInput("vault.wrong_passphrase", where=str(self.path)) from error
        return msgspec.json.decode(plain, type=dict[str, str])

    def _write(self, held: dict[str, str]) -> None:
        passphrase = self._known(new=not self.exists)
        sealed = age.lock(msgspec.json.encode(held), passphrase)
        whole.write(self.path, msgspec.json.encode(_Stored(base64.b64encode(sealed).decode())))

    def _known(self, *, new: bool) -> Secret:
        if self._passphrase is None:
            told = passphrase_told() or self._ask(new)
            if told is None:
                raise Refused("vault.locked", where=str(self.path), variable=VARIABLE)
            if new and len(told.reveal()) < SHORTEST:
                raise BadInput("vault.short", least=SHORTEST)
            self._passphrase = told
        return self._passphrase


def _stored(path: Path) -> _Stored | None:
    content = whole.read(path)
    if content is None:
        return None
    formats.check("vault", formats.in_json(content, "version"), str(path))
    try:
        return msgspec.json.decode(content, type=_Stored)
    except msgspec.MsgspecError as error:
        raise StateDamaged("vault.damaged", where=str(path), file=path) from error


def passphrase_told() -> Secret | None:
    """Return the passphrase that scripts tell: the content of the file of ``VARIABLE_FILE``, or ``VARIABLE`` itself."""
    return given(VARIABLE)


def given(variable: str) -> Secret | None:
    """Return a secret from the environment: first line of the file of ``VARIABLE_FILE``, or the variable's own value.

    The value is taken out of the environment, so that nothing we start has it.

    Raises:
        BadInput: the file cannot be read, or holds nothing.
    """
    place, value = os.environ.get(f"{variable}_FILE", ""), os.environ.pop(variable, "")
    if not place:
        return Secret(value) if value else None
    try:
        lines = Path(place).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("vault.no_file", where=place, variable=f"{variable}_FILE") from error
    if not lines or not lines[0].strip():
        raise BadInput("vault.no_file", where=place, variable=f"{variable}_FILE")
    return Secret(lines[0].strip())
