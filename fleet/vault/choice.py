"""Which of the places a secret is kept in, and found in."""

from pathlib import Path
from typing import Literal

from fleet.base.errors import Refused
from fleet.base.secret import Secret
from fleet.vault.ring import Ring
from fleet.vault.sealed import Asks, SealedFile, given

Place = Literal["keyring", "file", "nowhere"]


class Vault:
    """The secrets of this computer.

    Args:
        path: of the sealed file, where the system has no keyring.
        ask: asks a person for that file's passphrase, at most once.
    """

    def __init__(self, path: Path, ask: Asks) -> None:
        self._ring = Ring()
        self._file = SealedFile(path, ask)

    def get(self, name: str, variable: str = "") -> Secret | None:
        """Return a secret: from the environment where ``variable`` names it there, the keyring, or the sealed file.

        Raises:
            Refused: it may be in the sealed file, and nobody told the passphrase.
            BadInput: the passphrase is wrong, or what the environment names cannot be read.
            StateDamaged: the sealed file is not whole.
        """
        told = given(variable) if variable else None
        if told is None and self._ring.works:
            told = self._ring.get(name)
        if told is None and self._file.exists:
            told = self._file.get(name)
        return told

    def put(self, name: str, value: Secret) -> Place:
        """Keep a secret and return where; ``nowhere`` where there is no keyring, and nobody who tells a passphrase.

        Raises:
            BadInput: the passphrase is wrong, or too short.
            StateDamaged: the sealed file is not whole.
        """
        if self._ring.works:
            self._ring.put(name, value)
            return "keyring"
        try:
            self._file.put(name, value)
        except Refused as error:
            if error.key != "vault.locked":
                raise
            return "nowhere"
        return "file"

    def drop(self, name: str) -> None:
        """Keep a secret no longer, wherever it is."""
        if self._ring.works:
            self._ring.drop(name)
        self._file.drop(name)
